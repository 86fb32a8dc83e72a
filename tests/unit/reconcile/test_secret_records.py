"""Secrets are the operator's by records in the status: planted ones are not used or changed."""

from __future__ import annotations

import contextlib
import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.api import names
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.reasons import Reason
from pryv_operator.api.status import PryvPlatformStatus
from pryv_operator.desired.certificates import dns_names
from pryv_operator.kube.errors import ConflictError
from pryv_operator.pki import authority
from pryv_operator.pki.lifetimes import CERTIFICATE_RENEWAL
from pryv_operator.reconcile.create_once import UnusableSecretError
from pryv_operator.reconcile.secret_data import encode_data
from tests.unit.builders import DOMAIN
from tests.unit.reconcile.secret_cluster import NOW, Cluster, KilledError, reconcile, secret, take

#: As versions without records have left it.
EARLIER_STATUS = {"observedGeneration": 1, "trustedAuthorities": ["acme-private-ca-1"]}
HASH_KEY, VALUE = "acme-hash-key", "acme-generated-core-system-key"
AUTHORITY, CERTIFICATE = "acme-private-ca-1", "acme-private-tls-1"


def planted_authority(name: str) -> Object:
    pair = authority.issue_authority("theirs", DOMAIN, NOW)
    return secret(name, "authority", encode_data({"tls.crt": pair.chain, "tls.key": pair.key}))


def planted_certificate(name: str) -> Object:
    pair = authority.issue_authority("theirs", DOMAIN, NOW)
    issuer = authority.parse_issued("theirs-1", pair.chain, pair.key)
    assert issuer is not None
    pair = authority.issue_certificate(issuer, dns_names(DOMAIN), NOW)
    return secret(name, "certificate", encode_data({"tls.crt": pair.chain, "tls.key": pair.key}))


PLANTED = [
    secret(HASH_KEY, "hash-key"),
    secret(VALUE, "generated"),
    planted_authority(AUTHORITY),
    planted_authority("acme-private-ca-9"),
    planted_certificate(CERTIFICATE),
]


async def test_the_first_reconciliation_records_what_it_creates() -> None:
    cluster = Cluster()
    secrets, private = await reconcile(cluster)
    ownership = PryvPlatformStatus.model_validate(cluster.resource["status"]).ownership
    assert ownership is not None
    recorded = {each.name: each.uid for each in ownership.secrets}
    assert recorded == {name: item["metadata"]["uid"] for name, item in cluster.secrets.items()}
    assert {HASH_KEY, VALUE, AUTHORITY, CERTIFICATE} <= recorded.keys()
    for text in (*secrets.values.values(), secrets.hash_key.decode()):
        assert text not in str(cluster.resource)
    version = cluster.resource["metadata"]["resourceVersion"]
    assert await reconcile(cluster) == (secrets, private)
    assert cluster.resource["metadata"]["resourceVersion"] == version, "nothing is written"


@given(kills=st.lists(st.integers(1, 30), max_size=4))
async def test_a_value_never_changes_whenever_the_operator_is_killed(kills: list[int]) -> None:
    cluster = Cluster()
    seen: dict[str, Object] = {}
    for writes in [*kills, None]:
        cluster.writes = writes
        with contextlib.suppress(KilledError):
            await reconcile(cluster)
        assert {name: cluster.secrets[name] for name in seen} == seen
        seen = copy.deepcopy(cluster.secrets)


@given(writes=st.integers(1, 30), back=st.integers(1, 30))
async def test_a_stale_read_loses_nothing(writes: int, back: int) -> None:
    """What it misses was recorded before it was created."""
    cluster = Cluster()
    cluster.writes = writes
    with contextlib.suppress(KilledError):
        await reconcile(cluster)
    before = copy.deepcopy(cluster.secrets)
    snapshot = await take(cluster.at(max(-back, -len(cluster.states))))
    try:
        await reconcile(cluster, snapshot)
    except ConflictError:
        pass
    except UnusableSecretError:
        # Reported to nobody: a status is not written over a newer version.
        assert snapshot.resource["metadata"] != cluster.resource["metadata"]
    await reconcile(cluster)
    assert {name: cluster.secrets[name] for name in before} == before


@pytest.mark.parametrize("planted", PLANTED, ids=lambda each: each["metadata"]["name"])
@pytest.mark.parametrize("labels", [True, False])
@pytest.mark.parametrize("page", [100, 1], ids=["few-secrets", "many-secrets"])
async def test_a_secret_planted_before_the_platform_is_not_used(
    planted: Object, page: int, *, labels: bool
) -> None:
    name = planted["metadata"]["name"]
    if not labels:
        planted = {**planted, "metadata": {**planted["metadata"], "labels": {}}}
    others = [{"metadata": {"name": f"a-{number}"}, "data": {}} for number in range(2)]
    cluster = Cluster(None, *others, planted)
    cluster.page = page
    before = copy.deepcopy(cluster.secrets)
    if name == "acme-private-ca-9" and not labels:
        await reconcile(cluster)  # without labels, it does not even look like ours
    else:
        with pytest.raises(UnusableSecretError, match=f'"{name}"') as raised:
            await reconcile(cluster)
        assert raised.value.problem.reason == Reason.ADOPTION_REQUIRED
        assert "pryv.io/adopt" in raised.value.problem.message
        assert cluster.secrets == before, "nothing is created"
        del cluster.secrets[name]
        await reconcile(cluster)
    cluster.secrets.pop("acme-private-ca-9", None)
    assert planted["data"] not in [item["data"] for item in cluster.secrets.values()]


async def test_all_foreign_secrets_are_named_at_once() -> None:
    cluster = Cluster(None, *PLANTED)
    with pytest.raises(UnusableSecretError) as raised:
        await reconcile(cluster)
    for each in PLANTED[:4]:
        assert each["metadata"]["name"] in raised.value.problem.message


@pytest.mark.parametrize("planted", PLANTED, ids=lambda each: each["metadata"]["name"])
async def test_a_secret_that_replaces_one_of_ours_is_not_used(planted: Object) -> None:
    """Somebody deletes a Secret, and creates another one in its place."""
    cluster = Cluster()
    secrets, private = await reconcile(cluster)
    name = planted["metadata"]["name"]
    cluster.secrets.pop(name, None)
    cluster.plant(planted)
    if name == "acme-private-ca-9":
        assert await reconcile(cluster) == (secrets, private)
        return
    with pytest.raises(UnusableSecretError, match=f'"{name}"'):
        await reconcile(cluster)


async def test_a_deleted_secret_is_known_again_when_it_is_restored() -> None:
    """By its content: a restored object has another uid."""
    cluster = Cluster()
    first = await reconcile(cluster)
    backup = [cluster.secrets.pop(name) for name in (HASH_KEY, VALUE, AUTHORITY, CERTIFICATE)]
    for item in backup:
        cluster.plant(item)
    assert await reconcile(cluster) == first
    assert await reconcile(cluster) == first


async def test_secrets_planted_beside_ours_are_never_read_or_changed() -> None:
    cluster = Cluster()
    first = await reconcile(cluster)
    planted = [
        planted_authority("acme-private-ca-9"),
        planted_certificate("acme-private-tls-9"),
        secret("acme-generated-core-system-key.7", "generated"),
        secret("acme-generated-unknown", "generated", annotations={"pryv.io/recreated": "true"}),
    ]
    for item in planted:
        cluster.plant(item)
    before = copy.deepcopy(cluster.secrets)
    assert await reconcile(cluster) == first
    assert cluster.secrets == before
    live = (await take(cluster)).live
    assert not [item for item in planted if live.get("Secret", item["metadata"]["name"])]


async def test_the_data_of_many_planted_secrets_are_not_read() -> None:
    """Their number and size are others' choice, so that only ours may cost memory."""
    cluster = Cluster()
    first = await reconcile(cluster)
    ours = {*cluster.secrets}
    for number in range(120):
        cluster.plant(secret(f"acme-generated-{number}", "generated"))
        cluster.plant(secret(f"acme-core-core-{number:010x}", "config"))
    cluster.read.clear()
    assert await reconcile(cluster) == first
    assert cluster.read == ours


@pytest.mark.parametrize("adopting", [False, True])
async def test_the_data_of_secrets_planted_for_a_new_platform_have_a_bound(
    *, adopting: bool
) -> None:
    """The status, too, is written only after this read."""
    planted = [secret(f"acme-generated-v{number}", "generated") for number in range(300)]
    cluster = Cluster(None, *planted)
    if adopting:
        cluster.adopt("1")
    snapshot = await take(cluster)
    assert len(cluster.read) == (64 if adopting else 0)
    assert len(snapshot.unproven) == (300 - 64 if adopting else 300)


async def test_secrets_beyond_the_bound_are_adopted_if_the_platform_needs_them() -> None:
    before = Cluster()
    first = await reconcile(before)
    restored = [*before.secrets.values()]
    for item in restored:
        if "private-ca" not in item["metadata"]["name"]:
            item["metadata"]["creationTimestamp"] = "2026-01-03T00:00:00Z"
    earlier = {"creationTimestamp": "2026-01-02T00:00:00Z"}
    planted = [secret(f"acme-generated-v{each}", "generated", **earlier) for each in range(300)]
    cluster = Cluster(None, *planted, *restored)
    cluster.adopt("1")
    assert (await reconcile(cluster))[0] == first[0]


async def test_nobody_can_prevent_a_renewal_by_planting_the_next_numbers() -> None:
    cluster = Cluster()
    await reconcile(cluster)
    for number in (2, 3):
        cluster.plant(planted_certificate(names.private_certificate("acme", number)))
    cluster.now = NOW + authority.CERTIFICATE_LIFETIME - CERTIFICATE_RENEWAL
    _, private = await reconcile(cluster)
    assert private.certificate is not None
    assert [item["metadata"]["name"] for item in private.obsolete] == [CERTIFICATE]
    renewed = cluster.secrets["acme-private-tls-5"]
    assert encode_data({"": private.certificate.chain})[""] == renewed["data"]["tls.crt"]


async def test_adopted_secrets_are_used_once_the_resource_asks_for_it() -> None:
    cluster = Cluster()
    first = await reconcile(cluster)
    restored = Cluster(None, *cluster.secrets.values())
    with pytest.raises(UnusableSecretError):
        await reconcile(restored)
    restored.adopt("1")
    assert await reconcile(restored) == first
    ownership = restored.resource["status"]["ownership"]
    assert ownership["adopted"] == "1"
    assert not any(each["digests"] for each in ownership["secrets"]), "they may be guessable"
    assert await reconcile(restored) == first
    restored.secrets.pop(HASH_KEY)
    restored.plant(secret(HASH_KEY, "hash-key"))
    with pytest.raises(UnusableSecretError):
        await reconcile(restored)  # the same value does not count twice


async def test_unlabelled_secrets_are_adopted_too() -> None:
    cluster = Cluster()
    first = await reconcile(cluster)
    bare = copy.deepcopy([cluster.secrets[name] for name in (HASH_KEY, VALUE)])
    for item in bare:
        item["metadata"]["labels"] = {}
    restored = Cluster(None, *bare)
    restored.adopt("1")
    secrets, _ = await reconcile(restored)
    assert secrets.hash_key == first[0].hash_key
    assert restored.secrets[HASH_KEY]["metadata"]["labels"]["pryv.io/purpose"] == "hash-key"


async def test_an_upgrade_takes_over_what_the_last_version_left() -> None:
    before = Cluster()
    first = await reconcile(before)
    cluster = Cluster(
        EARLIER_STATUS, *before.secrets.values(), planted_authority("acme-private-ca-9")
    )
    assert await reconcile(cluster) == first
    assert cluster.resource["status"]["ownership"]
    cluster.plant(secret("acme-generated-later", "generated"))
    assert (await take(cluster)).live.get("Secret", "acme-generated-later") is None


@pytest.mark.parametrize(
    "change",
    [
        {"immutable": False},
        {"managedFields": [{"manager": "kubectl"}]},
        {"labels": names.platform_labels("acme") | {"pryv.io/purpose": "config"}},
    ],
    ids=str,
)
async def test_an_upgrade_takes_over_nothing_else(change: dict[str, Any]) -> None:
    planted = secret(HASH_KEY, "hash-key")
    for key, value in change.items():
        (planted if key == "immutable" else planted["metadata"])[key] = value
    with pytest.raises(UnusableSecretError, match=HASH_KEY):
        await reconcile(Cluster(EARLIER_STATUS, planted))


async def test_labels_that_others_removed_are_restored() -> None:
    cluster = Cluster()
    first = await reconcile(cluster)
    for item in cluster.secrets.values():
        item["metadata"]["labels"] = {"pryv.io/purpose": "other"}
    assert await reconcile(cluster) == first
    assert await reconcile(cluster) == first
    found = {
        name: item["metadata"]["labels"]["pryv.io/purpose"]
        for name, item in cluster.secrets.items()
    }
    assert found == {name: names.secret_purpose("acme", name) for name in found}


@pytest.mark.parametrize("recorded", [True, False])
async def test_a_secret_of_another_platform_is_not_adopted(*, recorded: bool) -> None:
    """Also in place of a recorded one that was deleted."""
    cluster = Cluster()
    await reconcile(cluster)
    if not recorded:
        cluster.resource["status"]["ownership"]["secrets"] = []
    labels = names.platform_labels("beta") | {"pryv.io/purpose": "hash-key"}
    del cluster.secrets[HASH_KEY]
    cluster.plant(secret(HASH_KEY, "hash-key", labels=labels))
    cluster.adopt("1")
    before = copy.deepcopy(cluster.secrets)
    with pytest.raises(UnusableSecretError, match=f'"{HASH_KEY}": belongs to platform "beta"'):
        await reconcile(cluster)
    assert cluster.secrets == before
    del cluster.secrets[HASH_KEY]["metadata"]["labels"]["pryv.io/platform"]
    await reconcile(cluster)
