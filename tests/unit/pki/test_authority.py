"""The private authority: made once, renewed in time, and changed in two steps."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass, field, replace

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from pryv_operator.desired.certificates import dns_names
from pryv_operator.pki import authority
from pryv_operator.pki.authority import IssuancePlan, IssuedCertificate
from pryv_operator.pki.lifetimes import CERTIFICATE_RENEWAL
from tests.unit.builders import DOMAIN
from tests.unit.pki.chains import issue

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
NAMES = dns_names(DOMAIN)


@dataclass
class World:
    """What the operator's Secrets hold, and what it does about it."""

    authorities: list[IssuedCertificate] = field(default_factory=list)
    certificates: list[IssuedCertificate] = field(default_factory=list)
    trusted: Collection[str] = ()
    names: list[str] = field(default_factory=lambda: list(NAMES))
    issued: list[str] = field(default_factory=list)

    def plan(self, now: dt.datetime) -> IssuancePlan:
        return authority.plan_issuance(
            self.authorities, self.certificates, self.names, self.trusted, now
        )

    def complete(self, now: dt.datetime) -> IssuancePlan:
        """Issue what is missing, as a reconciliation does."""
        for _ in range(3):
            plan = self.plan(now)
            if plan.complete:
                return plan
            if plan.next_authority is not None:
                pair, name, secrets = (
                    authority.issue_authority("pryv/acme", self.names[0], now),
                    f"ca-{plan.next_authority}",
                    self.authorities,
                )
            else:
                assert plan.issuer is not None
                pair = authority.issue_certificate(plan.issuer, self.names, now)
                name, secrets = f"tls-{plan.next_certificate}", self.certificates
            issued = authority.parse_issued(name, pair.chain, pair.key)
            assert issued is not None
            secrets.append(issued)
            self.issued.append(name)
        raise AssertionError(f"it never completes: {self.issued}")


def accepted(
    plan: IssuancePlan, now: dt.datetime, name: str = f"co1.{DOMAIN}", bundle: str | None = None
) -> bool:
    """Whether a client that trusts the bundle accepts what is served."""
    assert plan.current is not None
    leaf, *chain = x509.load_pem_x509_certificates(plan.current.pem.encode())
    store = Store(x509.load_pem_x509_certificates((bundle or plan.bundle).encode()))
    try:
        PolicyBuilder().store(store).time(now).build_server_verifier(x509.DNSName(name)).verify(
            leaf, chain
        )
    except VerificationError:
        return False
    return True


def test_an_authority_then_a_certificate_then_nothing() -> None:
    world = World()
    assert world.plan(NOW) == IssuancePlan(next_authority=1)
    plan = world.complete(NOW)
    assert world.issued == ["ca-1", "tls-1"]
    assert plan.current is world.certificates[0]
    assert [each.name for each in plan.trusted] == ["ca-1"]
    assert plan.obsolete == ()
    assert world.plan(NOW) == plan


@pytest.mark.parametrize("name", [DOMAIN, f"reg.{DOMAIN}", f"co1.{DOMAIN}", f"anybody.{DOMAIN}"])
def test_the_chain_verifies_for_every_host(name: str) -> None:
    plan = World().complete(NOW)
    assert accepted(plan, NOW, name)
    assert accepted(plan, NOW - dt.timedelta(minutes=30), name), "clocks of nodes may be behind"


def test_the_chain_verifies_for_no_other_host_and_no_expired_certificate() -> None:
    plan = World().complete(NOW)
    assert not accepted(plan, NOW, "pryv.other.health")
    assert not accepted(plan, NOW + authority.CERTIFICATE_LIFETIME + DAY)


def test_a_long_domain() -> None:
    domain = ".".join(["a" * 60] * 3) + ".health"
    assert accepted(World(names=dns_names(domain)).complete(NOW), NOW, f"co1.{domain}")


def test_a_certificate_is_renewed_and_the_old_one_is_obsolete() -> None:
    world = World()
    world.complete(NOW)
    early = NOW + authority.CERTIFICATE_LIFETIME - CERTIFICATE_RENEWAL - DAY
    assert world.complete(early) == world.plan(NOW)
    late = early + 2 * DAY
    plan = world.complete(late)
    assert world.issued == ["ca-1", "tls-1", "tls-2"]
    assert plan.current is not None
    assert (plan.current.name, plan.obsolete) == ("tls-2", ("tls-1",))
    assert accepted(plan, late)


def test_an_authority_changes_in_two_steps() -> None:
    world = World()
    old = world.complete(NOW)
    world.trusted = ["ca-1"]
    late = NOW + authority.AUTHORITY_LIFETIME - authority.AUTHORITY_RENEWAL + DAY

    first = world.complete(late)
    assert [each.name for each in first.trusted] == ["ca-1", "ca-2"]
    assert (old.successor, first.successor) == ("", "ca-2")
    assert accepted(first, late, bundle=old.bundle), (
        "running components still trust only the old one"
    )

    world.trusted = ["ca-1", "ca-2"]  # all running components trust both by now
    second = world.complete(late + DAY)
    assert second.current is not None
    assert second.successor == ""
    second.current.certificate.verify_directly_issued_by(world.authorities[1].certificate)
    assert accepted(second, late + DAY, bundle=first.bundle)
    assert accepted(second, late + DAY, bundle=world.authorities[1].pem)


def test_an_unfinished_replacement_issues_no_endless_certificates() -> None:
    """While a component does not trust the new authority, the old one signs.

    No certificate outlives it.
    """
    world = World()
    world.complete(NOW)
    world.trusted = ["ca-1"]
    end = NOW + authority.AUTHORITY_LIFETIME - DAY
    plan = world.complete(end)
    made = len(world.issued)
    assert accepted(plan, end)
    assert world.complete(end + DAY / 2) == plan
    assert len(world.issued) == made


def test_an_expired_authority_is_replaced() -> None:
    world = World(trusted=["ca-1"])
    world.complete(NOW)
    late = NOW + authority.AUTHORITY_LIFETIME + DAY
    plan = world.complete(late)
    assert [each.name for each in plan.trusted] == ["ca-2"]
    assert accepted(plan, late)


NEW_DOMAIN = "new.health"


def test_a_changed_domain_needs_another_authority() -> None:
    """The first one is constrained to the former domain; nothing that trusts it is cut off."""
    world = World()
    before = world.complete(NOW)
    world.trusted = ["ca-1"]
    world.names = dns_names(NEW_DOMAIN)
    plan = world.complete(NOW)
    assert world.issued == ["ca-1", "tls-1", "ca-2", "tls-2"]
    assert plan.obsolete == ("tls-1",)
    # Templates with the new names hold the new bundle: what calls these names accepts them.
    assert [each.name for each in plan.trusted] == ["ca-1", "ca-2"]
    assert accepted(plan, NOW, f"co1.{NEW_DOMAIN}")
    assert not accepted(plan, NOW, f"co1.{NEW_DOMAIN}", bundle=before.bundle)
    # What still has the old names accepts what is still served with them.
    assert accepted(before, NOW, bundle=plan.bundle)

    world.trusted = ["ca-1", "ca-2"]
    assert world.complete(NOW + DAY) == plan, "nothing changes once all trust it"
    world.names = list(NAMES)
    back = world.complete(NOW + DAY)
    assert world.issued == ["ca-1", "tls-1", "ca-2", "tls-2"], "ca-1 is used again"
    assert back.issuer is world.authorities[0]
    assert accepted(back, NOW + DAY)


def test_an_authority_of_a_changed_domain_is_renewed_in_two_steps() -> None:
    world = World(trusted=["ca-1"])
    world.complete(NOW)
    world.names = dns_names(NEW_DOMAIN)
    world.complete(NOW + DAY)
    world.trusted = ["ca-1", "ca-2"]
    late = NOW + authority.AUTHORITY_LIFETIME - authority.AUTHORITY_RENEWAL + 2 * DAY
    first = world.complete(late)
    assert [each.name for each in first.trusted] == ["ca-1", "ca-2", "ca-3"]
    assert first.issuer is world.authorities[1]
    world.trusted = ["ca-1", "ca-2", "ca-3"]
    assert world.complete(late).issuer is world.authorities[2]


def test_an_authority_of_an_earlier_version_stays_in_use() -> None:
    """It has no constraint, and may sign for every domain."""
    earlier = issue("Pryv.io platform pryv/acme", end=NOW + authority.AUTHORITY_LIFETIME)
    parsed = authority.parse_issued("ca-1", earlier.pem, earlier.key_pem)
    assert parsed is not None
    world = World(authorities=[parsed], trusted=["ca-1"])
    assert world.complete(NOW).issuer is parsed
    world.names = dns_names(NEW_DOMAIN)
    assert world.complete(NOW).issuer is parsed
    assert world.issued == ["tls-1", "tls-2"]


@pytest.mark.parametrize("domain", [f"not{DOMAIN}", DOMAIN.partition(".")[2], "example.org"])
def test_a_domain_beside_that_of_an_authority_needs_another_one(domain: str) -> None:
    world = World()
    world.complete(NOW)
    world.names = dns_names(domain)
    assert world.plan(NOW).next_authority == 2


def test_a_domain_under_that_of_an_authority_does_not() -> None:
    world = World()
    world.complete(NOW)
    world.names = dns_names(f"staging.{DOMAIN}")
    assert accepted(world.complete(NOW), NOW, f"co1.staging.{DOMAIN}")
    assert world.issued == ["ca-1", "tls-1", "tls-2"]


def test_a_certificate_of_another_authority_is_not_used() -> None:
    world, other = World(), World()
    world.complete(NOW)
    other.complete(NOW)
    world.certificates = other.certificates
    assert world.plan(NOW).next_certificate == 2


def test_the_order_of_secrets_does_not_matter() -> None:
    world = World(trusted=["ca-1"])
    world.complete(NOW)
    late = NOW + authority.AUTHORITY_LIFETIME - authority.AUTHORITY_RENEWAL + DAY
    plan = world.complete(late)
    world.authorities.reverse()
    world.certificates.reverse()
    assert world.plan(late) == plan


def test_unreadable_secrets_are_ignored() -> None:
    pair = authority.issue_authority("pryv/acme", DOMAIN, NOW)
    assert authority.parse_issued("ca-1", pair.chain, pair.key) is not None
    assert authority.parse_issued("ca-1", "", pair.key) is None
    assert authority.parse_issued("ca-1", "nonsense", pair.key) is None
    assert authority.parse_issued("ca-1", pair.chain, "") is None
    assert authority.parse_issued("ca-x", pair.chain, pair.key) is None


def test_keys_are_not_shown() -> None:
    world = World()
    plan = world.complete(NOW)
    assert plan.current is not None
    secret = plan.current.key_pem.splitlines()[1]
    assert secret not in repr(plan)
    assert secret not in repr(replace(plan.current, number=2))
    assert secret not in repr(authority.issue_authority("a", DOMAIN, NOW))
