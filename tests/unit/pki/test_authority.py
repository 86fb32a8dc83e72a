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
from tests.unit.builders import DOMAIN

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
    made: list[str] = field(default_factory=list)

    def plan(self, now: dt.datetime) -> IssuancePlan:
        return authority.plan_issuance(
            self.authorities, self.certificates, self.names, self.trusted, now
        )

    def settle(self, now: dt.datetime) -> IssuancePlan:
        """Make what is missing, as a pass does."""
        for _ in range(3):
            plan = self.plan(now)
            if plan.complete:
                return plan
            if plan.next_authority is not None:
                pair, name, there = (
                    authority.issue_authority("pryv/acme", now),
                    f"ca-{plan.next_authority}",
                    self.authorities,
                )
            else:
                assert plan.issuer is not None
                pair = authority.issue_certificate(plan.issuer, self.names, now)
                name, there = f"tls-{plan.next_certificate}", self.certificates
            issued = authority.parse_issued(name, pair.chain, pair.key)
            assert issued is not None
            there.append(issued)
            self.made.append(name)
        raise AssertionError(f"it never settles: {self.made}")


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
    plan = world.settle(NOW)
    assert world.made == ["ca-1", "tls-1"]
    assert plan.current is world.certificates[0]
    assert [each.name for each in plan.trusted] == ["ca-1"]
    assert plan.obsolete == ()
    assert world.plan(NOW) == plan


@pytest.mark.parametrize("name", [DOMAIN, f"reg.{DOMAIN}", f"co1.{DOMAIN}", f"anybody.{DOMAIN}"])
def test_the_chain_verifies_for_every_host(name: str) -> None:
    plan = World().settle(NOW)
    assert accepted(plan, NOW, name)
    assert accepted(plan, NOW - dt.timedelta(minutes=30), name), (
        "clocks of nodes may be a little behind"
    )


def test_and_for_no_other() -> None:
    plan = World().settle(NOW)
    assert not accepted(plan, NOW, "pryv.other.health")
    assert not accepted(plan, NOW + authority.CERTIFICATE_LIFE + DAY)


def test_a_long_domain() -> None:
    domain = ".".join(["a" * 60] * 3) + ".health"
    assert accepted(World(names=dns_names(domain)).settle(NOW), NOW, f"co1.{domain}")


def test_a_certificate_is_renewed_in_time_and_the_old_one_goes() -> None:
    world = World()
    world.settle(NOW)
    early = NOW + authority.CERTIFICATE_LIFE - authority.CERTIFICATE_RENEWED - DAY
    assert world.settle(early) == world.plan(NOW)
    late = early + 2 * DAY
    plan = world.settle(late)
    assert world.made == ["ca-1", "tls-1", "tls-2"]
    assert plan.current is not None
    assert (plan.current.name, plan.obsolete) == ("tls-2", ("tls-1",))
    assert accepted(plan, late)


def test_an_authority_changes_in_two_steps() -> None:
    world = World()
    old = world.settle(NOW)
    world.trusted = ["ca-1"]
    late = NOW + authority.AUTHORITY_LIFE - authority.AUTHORITY_RENEWED + DAY

    first = world.settle(late)
    assert [each.name for each in first.trusted] == ["ca-1", "ca-2"]
    assert accepted(first, late, bundle=old.bundle), (
        "what runs trusts the old one only, and must be able to go on"
    )

    world.trusted = ["ca-1", "ca-2"]  # everything that runs trusts both by now
    second = world.settle(late + DAY)
    assert second.current is not None
    second.current.certificate.verify_directly_issued_by(world.authorities[1].certificate)
    assert accepted(second, late + DAY, bundle=first.bundle)
    assert accepted(second, late + DAY, bundle=world.authorities[1].pem)


def test_a_change_that_never_ends_makes_no_certificates_for_ever() -> None:
    """As long as some component does not trust the new authority, the old one signs, and no certificate outlives it."""
    world = World()
    world.settle(NOW)
    world.trusted = ["ca-1"]
    end = NOW + authority.AUTHORITY_LIFE - DAY
    plan = world.settle(end)
    made = len(world.made)
    assert accepted(plan, end)
    assert world.settle(end + DAY / 2) == plan
    assert len(world.made) == made


def test_an_expired_authority_is_replaced() -> None:
    world = World(trusted=["ca-1"])
    world.settle(NOW)
    late = NOW + authority.AUTHORITY_LIFE + DAY
    plan = world.settle(late)
    assert [each.name for each in plan.trusted] == ["ca-2"]
    assert accepted(plan, late)


def test_a_changed_domain() -> None:
    world = World()
    world.settle(NOW)
    world.names = dns_names("new.health")
    plan = world.settle(NOW)
    assert world.made == ["ca-1", "tls-1", "tls-2"]
    assert plan.obsolete == ("tls-1",)
    assert accepted(plan, NOW, "co1.new.health")


def test_a_certificate_of_another_authority_is_not_used() -> None:
    world, other = World(), World()
    world.settle(NOW)
    other.settle(NOW)
    world.certificates = other.certificates
    assert world.plan(NOW).next_certificate == 2


def test_the_order_of_what_is_there_is_nothing() -> None:
    world = World(trusted=["ca-1"])
    world.settle(NOW)
    late = NOW + authority.AUTHORITY_LIFE - authority.AUTHORITY_RENEWED + DAY
    plan = world.settle(late)
    world.authorities.reverse()
    world.certificates.reverse()
    assert world.plan(late) == plan


def test_what_cannot_be_read_counts_as_not_there() -> None:
    pair = authority.issue_authority("pryv/acme", NOW)
    assert authority.parse_issued("ca-1", pair.chain, pair.key) is not None
    assert authority.parse_issued("ca-1", "", pair.key) is None
    assert authority.parse_issued("ca-1", "nonsense", pair.key) is None
    assert authority.parse_issued("ca-1", pair.chain, "") is None
    assert authority.parse_issued("ca-x", pair.chain, pair.key) is None


def test_keys_are_not_shown() -> None:
    world = World()
    plan = world.settle(NOW)
    assert plan.current is not None
    secret = plan.current.key_pem.splitlines()[1]
    assert secret not in repr(plan)
    assert secret not in repr(replace(plan.current, number=2))
    assert secret not in repr(authority.issue_authority("a", NOW))
