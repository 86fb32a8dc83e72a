"""When the private certificate changes because an authority is trusted everywhere."""

from __future__ import annotations

from pryv_operator.pki.authority import AUTHORITY_LIFETIME, AUTHORITY_RENEWAL
from tests.unit.reconcile.secret_cluster import NOW, Cluster, reconcile

FIRST, SECOND = "acme-private-ca-1", "acme-private-ca-2"


def trust(cluster: Cluster, *names: str) -> None:
    """Record that all components trust these authorities."""
    cluster.resource["status"]["trustedAuthorities"] = list(names)


async def installed() -> Cluster:
    cluster = Cluster()
    await reconcile(cluster)
    return cluster


async def test_the_first_certificate_is_issued_together_with_its_authority() -> None:
    cluster = await installed()
    _, issued = await reconcile(cluster)
    assert issued.certificate is not None
    assert (issued.trusted, issued.successor) == ((FIRST,), ""), "nothing follows later"


async def test_a_second_authority_issues_once_it_is_trusted() -> None:
    cluster = await installed()
    trust(cluster, FIRST)
    cluster.now = NOW + AUTHORITY_LIFETIME - AUTHORITY_RENEWAL * 0.9
    _, before = await reconcile(cluster)
    assert before.trusted == (FIRST, SECOND)
    assert before.successor == SECOND
    trust(cluster, FIRST, SECOND)
    _, after = await reconcile(cluster)
    assert after.secret != before.secret
    assert after.successor == ""
