"""The metrics of platforms."""

from __future__ import annotations

import datetime as dt
from collections.abc import Hashable, Iterable
from dataclasses import replace
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from pryv_operator.api.findings import Problem
from pryv_operator.api.status import Condition, PryvPlatformStatus, StatusWarning
from pryv_operator.desired.state import Desired
from pryv_operator.kube.keyed_gauges import KeyedGauges, Sample
from pryv_operator.kube.metrics import REGISTRY
from pryv_operator.kube.work_queue import Key
from pryv_operator.pki import authority
from pryv_operator.pki.certificate import Certificate
from pryv_operator.reconcile.observations import certificate_expiries, count_rollout, observe
from pryv_operator.reconcile.platform_metrics import (
    FAMILIES,
    CertificateExpiry,
    PlatformMetrics,
)
from pryv_operator.reconcile.platform_status import compute_status
from pryv_operator.rollout.decide import Decision
from pryv_operator.rollout.execute import RolloutResult
from tests.unit.builders import inputs, platform, state
from tests.unit.reconcile.test_platform_status import NOTHING, NOW, of, outcome, running

KEY = Key("pryv", "acme")
ACME = {"namespace": "pryv", "name": "acme"}
BEGAN = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
NOW_TIME = BEGAN + dt.timedelta(seconds=90)
EXPIRES = (CertificateExpiry("", "acme-tls", dt.datetime(2027, 1, 1, tzinfo=dt.UTC)),)
COMPLETE = RolloutResult(3, Decision("Complete", Problem("Complete", "all is as desired")))


class Recorded(KeyedGauges, Collector):
    """Gauges that also keep their samples, to be compared with the text."""

    def __init__(self) -> None:
        super().__init__(FAMILIES)
        self._samples: dict[Hashable, tuple[Sample, ...]] = {}

    def set(self, key: Hashable, samples: Iterable[Sample]) -> None:
        self._samples[key] = tuple(samples)
        super().set(key, self._samples[key])

    def forget(self, key: Hashable) -> None:
        self._samples.pop(key, None)
        super().forget(key)

    def collect(self) -> Iterable[Metric]:
        found = {
            each: GaugeMetricFamily(each.name, each.help, labels=each.labels) for each in FAMILIES
        }
        for sample in chain.from_iterable(self._samples.values()):
            found[sample.family].add_metric(sample.labels, sample.value)
        return found.values()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def reported(registry: CollectorRegistry) -> PlatformMetrics:
    gauges = Recorded()
    registry.register(gauges)
    return PlatformMetrics(gauges)


def report(reported: PlatformMetrics, key: Key = KEY, **different: object) -> None:
    found = outcome(**{"rollout": replace(COMPLETE, began=BEGAN), **different})
    reported.report(key, compute_status(found, NOTHING, NOW), observe(found), EXPIRES)
    count_rollout(found.rollout, NOW_TIME)


def test_each_condition_has_one_status(
    registry: CollectorRegistry, reported: PlatformMetrics
) -> None:
    report(reported)
    status = of()
    for each in status.conditions:
        values = {
            text: registry.get_sample_value(
                "pryv_platform_condition", {**ACME, "type": each.type, "status": text}
            )
            for text in ("true", "false", "unknown")
        }
        assert values == {text: each.status.lower() == text for text in values}
        labels = {**ACME, "type": each.type, "reason": each.reason}
        assert registry.get_sample_value("pryv_platform_condition_reason", labels) == 1


def test_components_release_revision_and_certificates(
    registry: CollectorRegistry, reported: PlatformMetrics
) -> None:
    report(reported, health_inputs=running(state(), "acme-co1-hfs"))
    of_hfs = {**ACME, "role": "core", "role_instance": "co1", "component": "hfs"}
    value = registry.get_sample_value
    assert value("pryv_platform_component_desired_replicas", of_hfs) == 1
    assert value("pryv_platform_component_ready_replicas", of_hfs) == 0
    of_core = {**of_hfs, "component": "core"}
    assert value("pryv_platform_component_ready_replicas", of_core) == 1
    assert value("pryv_platform_info", {**ACME, "release": "1.9.2"}) == 1
    assert value("pryv_platform_revision", ACME) == 3
    expiry = "pryv_platform_certificate_expiry_timestamp_seconds"
    labels = {**ACME, "role": "", "secret": "acme-tls"}
    assert value(expiry, labels) == EXPIRES[0].at.timestamp()


def test_a_stopped_component_is_not_desired(
    registry: CollectorRegistry, reported: PlatformMetrics
) -> None:
    desired = state(stopped=True)
    report(reported, desired=desired, health_inputs=running(desired))
    name = "pryv_platform_component_desired_replicas"
    found = [
        each.value for family in registry.collect() for each in family.samples if each.name == name
    ]
    assert found
    assert set(found) == {0}


def test_the_step_of_a_rollout(registry: CollectorRegistry, reported: PlatformMetrics) -> None:
    outdated = frozenset({"acme-co1-core", "acme-co1-hfs"})
    rollout = RolloutResult(3, COMPLETE.decision, outdated=outdated, began=BEGAN)
    report(reported, rollout=rollout)
    steps = registry.get_sample_value("pryv_platform_rollout_steps", ACME)
    assert steps == sum(len(each.workloads) for each in state().instances)
    assert registry.get_sample_value("pryv_platform_rollout_step", ACME) == steps - 2
    started = registry.get_sample_value("pryv_platform_rollout_start_timestamp_seconds", ACME)
    assert started == BEGAN.timestamp()


@pytest.mark.parametrize("ended", ["complete", "failed"])
def test_a_rollout_that_ends_is_measured_once(reported: PlatformMetrics, ended: str) -> None:
    def count(suffix: str) -> float:
        name = f"pryv_operator_rollout_duration_seconds_{suffix}"
        return REGISTRY.get_sample_value(name, {"outcome": ended}) or 0

    before = count("count"), count("sum")
    report(reported, rollout=replace(COMPLETE, began=BEGAN, ended=ended))
    report(reported)
    assert (count("count"), count("sum")) == (before[0] + 1, before[1] + 90)


def test_warnings_are_counted_by_reason(
    registry: CollectorRegistry, reported: PlatformMetrics
) -> None:
    warnings = [StatusWarning(reason="A", message=text) for text in ("one", "two")]
    reported.report_failure(KEY, PryvPlatformStatus(warnings=warnings))
    assert registry.get_sample_value("pryv_platform_warnings", {**ACME, "reason": "A"}) == 2


def test_after_a_failure_only_what_is_still_known_is_reported(
    registry: CollectorRegistry, reported: PlatformMetrics
) -> None:
    report(reported)
    broken = Desired("1.9.2", problems=(Problem("MissingVariables", "A needs a value"),))
    found = outcome(desired=broken, rollout=None)
    reported.report_failure(KEY, compute_status(found, of(), NOW))
    text = generate_latest(registry).decode()
    assert "pryv_platform_component_ready_replicas{" not in text
    assert "pryv_platform_rollout_step{" not in text
    assert "pryv_platform_certificate_expiry_timestamp_seconds{" in text
    labels = {**ACME, "type": "Stalled", "status": "true"}
    assert registry.get_sample_value("pryv_platform_condition", labels) == 1


def test_the_stored_status_counts_until_the_first_reconciliation_is_done(
    registry: CollectorRegistry, reported: PlatformMetrics
) -> None:
    reported.begin(KEY, of())
    assert registry.get_sample_value("pryv_platform_revision", ACME) == 3
    report(reported, rollout=replace(COMPLETE, revision=4))
    reported.begin(KEY, of())
    assert registry.get_sample_value("pryv_platform_revision", ACME) == 4


def test_the_text_is_what_the_library_writes(
    registry: CollectorRegistry, reported: PlatformMetrics
) -> None:
    report(reported)
    report(reported, Key("b", "other"), health_inputs=running(state(), "acme-co1-hfs"))
    reported.report_failure(Key('"\\\n', "acme"), of())
    gauges = reported._gauges
    assert gauges.text() == generate_latest(registry)
    reported.forget(KEY)
    assert gauges.text() == generate_latest(registry)
    assert b'namespace="pryv"' not in gauges.text()


names = st.sampled_from(["a", "b", "c"])


@given(st.lists(st.tuples(st.sampled_from(["report", "forget"]), names, names), max_size=12))
def test_nothing_is_left_of_deleted_platforms(steps: list[tuple[str, str, str]]) -> None:
    registry, gauges = CollectorRegistry(), Recorded()
    registry.register(gauges)
    reported = PlatformMetrics(gauges)
    existing: set[tuple[str, str]] = set()
    for step, namespace, name in steps:
        key = Key(namespace, name)
        if step == "report":
            condition = Condition(
                type="Ready",
                status="True",
                observed_generation=1,
                last_transition_time=NOW,
                reason="R",
                message="",
            )
            reported.report_failure(key, PryvPlatformStatus(conditions=[condition], revision=1))
            existing.add(key)
        else:
            reported.forget(key)
            existing.discard(key)
    assert gauges.text() == generate_latest(registry)
    samples = [each for family in registry.collect() for each in family.samples]
    assert {(each.labels["namespace"], each.labels["name"]) for each in samples} == existing


def chain_until(*expiries: dt.datetime) -> Certificate:
    """A chain whose certificates expire then."""
    issued = [
        authority.issue_authority("tests", "acme.test", each - authority.AUTHORITY_LIFETIME)
        for each in expiries
    ]
    return Certificate("".join(each.chain for each in issued), issued[0].key)


def test_the_first_of_a_chain_to_expire_counts() -> None:
    first, later = (BEGAN + dt.timedelta(days=days) for days in (30, 300))
    of = platform(tls={"secretName": "acme-tls"})
    found = certificate_expiries(inputs(of, certificate=chain_until(later, first)), "")
    assert found == (CertificateExpiry("", "acme-tls", first),)


def test_certificates_of_roles_and_of_the_operator_itself() -> None:
    certificate = chain_until(BEGAN)
    of_role = inputs(
        platform(roles={"core": {"tls": {"secretName": "core-tls"}}}),
        certificate=certificate,
        role_certificates={"core": certificate},
    )
    assert certificate_expiries(of_role, "acme-private-certificate-1") == (
        CertificateExpiry("", "acme-private-certificate-1", BEGAN),
        CertificateExpiry("core", "core-tls", BEGAN),
    )


def test_a_certificate_that_cannot_be_read_is_not_reported() -> None:
    waiting = Problem("WaitingForCertificate", "not there yet")
    missing = inputs(
        certificate=None, certificate_problem=waiting, role_certificates={"core": waiting}
    )
    assert certificate_expiries(missing, "") == ()
    assert certificate_expiries(inputs(), "") == ()  # the builder's chain is no certificate
