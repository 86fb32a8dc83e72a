"""After a restart, the memory is as reconciliations would have left it, or there is no rest."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.api.kubernetes import Object
from pryv_operator.api.platform import Platform
from pryv_operator.api.spec import PryvPlatformSpec
from pryv_operator.api.status import PryvPlatformStatus
from pryv_operator.kube.keyed_gauges import KeyedGauges
from pryv_operator.kube.resources import SECRETS, SERVICES
from pryv_operator.kube.work_queue import Key
from pryv_operator.pki.lifetimes import CERTIFICATE_RENEWAL, EXPIRING
from pryv_operator.reconcile.at_rest import KeptRest
from pryv_operator.reconcile.domains import Domains
from pryv_operator.reconcile.memory import Memory
from pryv_operator.reconcile.platform_client import Seen
from pryv_operator.reconcile.platform_metrics import (
    FAMILIES,
    CertificateExpiry,
    ComponentReplicas,
    Observed,
    PlatformMetrics,
    RolloutProgress,
)
from pryv_operator.reconcile.reference_index import References
from pryv_operator.reconcile.references import references_of
from pryv_operator.reconcile.rest_records import decode_rests, encode_rests
from pryv_operator.reconcile.restore import Restoring
from pryv_operator.reconcile.unless_at_rest import longest_rest
from tests.unit.reconcile.test_at_rest import ACME, CHANGES, OWN, followed, set_object
from tests.unit.reconcile.test_platform_status import of
from tests.unit.reconcile.test_rest_records import kept_rests

NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
FULL = 14400.0
SPEC = {
    "domain": "acme.test",
    "tls": {"secretName": "acme-tls"},
    "secrets": {"MAIL_SMTP_PASS": {"secretKeyRef": {"name": "smtp", "key": "password"}}},
}
EXPIRES = (CertificateExpiry("", "acme-tls", NOW + dt.timedelta(days=300)),)
OBSERVED = Observed(
    (ComponentReplicas("core", "co1", "hfs", 2, 1), ComponentReplicas("static", "sw", "mfa", 0, 0)),
    RolloutProgress(NOW - dt.timedelta(microseconds=1), 2, 2),
)


def item(**different: Any) -> Object:
    metadata = {"namespace": "pryv", "name": "acme", "uid": "u", "resourceVersion": "5"}
    status = of().model_dump(by_alias=True, exclude_none=True, mode="json")
    return {"metadata": metadata, "spec": SPEC, "status": status, **different}


class Process:
    """The memory of an operator whose watches show one platform with a Service and a Secret."""

    def __init__(self, now: dt.datetime = NOW) -> None:
        self.now = now
        self.watches = followed()
        set_object(self.watches, "services", "acme-reg", "7", OWN)
        set_object(self.watches, "secrets", "smtp", "8", ())
        self.memory = Memory(self.watches)
        self.gauges = KeyedGauges(FAMILIES)
        self.memory.metrics = PlatformMetrics(self.gauges)
        self.references = References()
        self.domains = Domains(self.memory.at_rest.disturb)
        self.domains.set(ACME, "acme.test")

    def reconcile(self, until: float = NOW.timestamp() + 100) -> None:
        """As the Reconciler leaves it."""
        platform = Platform("acme", "pryv", "u", PryvPlatformSpec.model_validate(SPEC))
        self.memory.at_rest.begin(ACME)
        self.references.set(ACME, references_of(platform))
        self.memory.metrics.report(ACME, of(), OBSERVED, EXPIRES)
        own, smtp = self.watches.own(SERVICES, ACME), self.watches.one(SECRETS, "pryv", "smtp")
        assert own is not None
        assert smtp is not None
        others = {("secrets", "smtp"): smtp, ("configmaps", "gone"): 0}
        seen = Seen("5", {"services": own}, others)
        self.memory.at_rest.settle(ACME, seen, until, self.memory.metrics.facts(ACME))

    def kept(self) -> dict[Key, KeptRest]:
        """What the next process finds."""
        rests = self.memory.at_rest.kept()
        kept = {key: KeptRest(rest, self.domains.digest(key)) for key, rest in rests}
        return decode_rests(encode_rests("p", kept), "p")

    def restore(self, kept: dict[Key, KeptRest], *items: Object) -> int:
        restoring = Restoring(kept, self.memory, self.references, FULL, self.now)
        for each in items or (item(),):
            restoring.visit(each)
        assert not restoring.unknown()
        return restoring.finish(self.domains)

    @property
    def until(self) -> float | None:
        return self.memory.at_rest.until(ACME, self.now.timestamp())


def left() -> dict[Key, KeptRest]:
    before = Process()
    before.reconcile()
    return before.kept()


def test_the_memory_is_as_before() -> None:
    before, after = Process(), Process()
    before.reconcile()
    assert after.restore(before.kept()) == 1
    assert after.until == before.until == NOW.timestamp() + 100
    assert after.gauges.text() == before.gauges.text()
    assert after.memory.metrics.expiries(ACME) == before.memory.metrics.expiries(ACME)
    assert after.references.platforms("pryv", "Secret", "smtp") == [ACME]
    assert after.references._references == before.references._references
    # And it can be kept again.
    assert after.kept() == before.kept()


def test_a_failure_after_the_restart_reports_what_is_still_known() -> None:
    after = Process()
    after.restore(left())
    after.memory.at_rest.begin(ACME)
    after.memory.metrics.report_failure(ACME, PryvPlatformStatus())
    assert b"certificate_expiry_timestamp_seconds{" in after.gauges.text()
    assert after.memory.metrics.expiries(ACME) == (EXPIRES[0].at,)
    assert not after.kept()


@given(CHANGES)
def test_what_has_moved_while_the_operator_was_down_ends_the_rest(
    change: tuple[str, str, str | None, Any],
) -> None:
    kept = left()
    after = Process()
    set_object(after.watches, *change)
    assert after.restore(kept) == 0
    assert after.until is None
    assert b"{" not in after.gauges.text()


def is_nothing(after: Process) -> bool:
    return after.until is None and b"{" not in after.gauges.text()


@pytest.mark.parametrize(
    "different",
    [
        {"spec": {}},
        {"spec": {"domain": 7}},
        {"spec": {**SPEC, "roles": 7}},
        {"status": {"conditions": "none"}},
        {"metadata": {**item()["metadata"], "deletionTimestamp": "2026-06-01T00:00:00Z"}},
    ],
)
def test_what_cannot_be_read_is_not_at_rest(different: Object) -> None:
    after = Process()
    assert after.restore(left(), item(**different)) == 0
    assert is_nothing(after)


def test_a_platform_of_which_nothing_is_kept_is_reconciled() -> None:
    after = Process()
    assert after.restore({}) == 0
    assert is_nothing(after)


def test_a_platform_that_is_being_reconciled_is_not_at_rest() -> None:
    after = Process()
    after.memory.at_rest.begin(ACME)
    assert after.restore(left()) == 0
    assert after.until is None


def test_the_watch_may_still_have_to_show_a_platform() -> None:
    after = Process()
    after.watches.set_platform(ACME, None)
    restoring = Restoring(left(), after.memory, after.references, FULL, NOW)
    restoring.visit(item())
    assert restoring.unknown()
    after.watches.set_platform(ACME, "5")
    assert not restoring.unknown()
    assert restoring.finish(after.domains) == 1


def test_whoever_has_the_domain_is_part_of_the_rest() -> None:
    other = Key("other", "acme")
    after = Process()
    after.domains.set(other, "acme.test")
    assert after.restore(left()) == 0
    before = Process()
    before.domains.set(other, "acme.test")
    before.reconcile()
    after = Process()
    after.domains.set(other, "acme.test")  # this disturbs the platform
    assert after.restore(before.kept()) == 1
    assert after.until is not None


def test_a_rest_is_never_longer_than_until_the_next_full_look() -> None:
    kept = {key: replace(each, rest=replace(each.rest, until=1e12)) for key, each in left().items()}
    after = Process()
    assert after.restore(kept) == 1
    assert after.until == NOW.timestamp() + longest_rest(FULL, ACME)


def test_looks_that_were_due_meanwhile_are_spread() -> None:
    later = NOW + dt.timedelta(days=7)
    after = Process(later)
    assert after.restore(left()) == 1
    assert after.until is not None
    assert later.timestamp() < after.until < later.timestamp() + FULL


def test_a_certificate_that_was_due_meanwhile_is_looked_at() -> None:
    at = EXPIRES[0].at - EXPIRING
    before = Process()
    before.reconcile(until=at.timestamp())
    kept = before.kept()
    assert Process(at - dt.timedelta(seconds=1)).restore(kept) == 1
    for seconds in (0, 1, 86400 * 100):
        after = Process(at + dt.timedelta(seconds=seconds))
        assert after.restore(kept) == 0
        assert after.until is None


#: When a certificate is renewed, is reported, and expires.
MOMENTS = [EXPIRES[0].at - before for before in (CERTIFICATE_RENEWAL, EXPIRING, dt.timedelta())]
SECONDS = st.integers(0, 310 * 86400)
#: Often close to one of these.
DOWNTIMES = SECONDS | st.builds(
    lambda at, more: int((at - NOW).total_seconds()) + more,
    st.sampled_from(MOMENTS),
    st.integers(-2 * int(FULL), 10),
)


@given(DOWNTIMES, SECONDS)
def test_no_moment_of_a_certificate_is_missed_however_long_the_operator_was_down(
    downtime: int, due: int
) -> None:
    now, rested_until = NOW + dt.timedelta(seconds=downtime), NOW + dt.timedelta(seconds=due)
    restoring = Restoring({}, Process().memory, References(), FULL, now)
    until = restoring._until(ACME, rested_until.timestamp(), [EXPIRES[0].at])
    passed = [each for each in MOMENTS if rested_until <= each <= now]
    assert (until is None) == bool(passed)
    if until is not None and rested_until <= now:
        assert now.timestamp() < until <= now.timestamp() + longest_rest(FULL, ACME)
        assert not [each for each in MOMENTS if now < each and each.timestamp() < until]


@given(kept_rests, st.integers(0, 2**31))
def test_whatever_was_kept_does_no_harm(kept: dict[Key, KeptRest], seconds: int) -> None:
    """Someone may have written it who knows how."""
    after = Process(dt.datetime.fromtimestamp(seconds, dt.UTC))
    for each in [*kept.values()][:1]:
        rest = each.rest
        own = replace(rest, fingerprint=after.memory.at_rest._current(ACME, rest) or b"")
        assert after.restore({ACME: KeptRest(own, after.domains.digest(ACME))}) in (0, 1)
        if after.until is not None:
            assert seconds < after.until <= seconds + longest_rest(FULL, ACME)
        after.gauges.text()
