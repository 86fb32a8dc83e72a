"""The status: conditions with the true reason, instances, endpoints, warnings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pryv_operator.api.findings import Advisory, Problem
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.status import PryvPlatformStatus, RevisionRecord
from pryv_operator.desired.state import Desired, compute_desired
from pryv_operator.live.health import HealthInputs
from pryv_operator.reconcile.outcome import Outcome
from pryv_operator.reconcile.platform_status import compute_status
from pryv_operator.rollout.decide import Decision
from pryv_operator.rollout.execute import RolloutResult
from pryv_operator.values.addresses import Address
from tests.unit.builders import DOMAIN, inputs, platform, state, workloads

EARLIER, NOW = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
NOTHING = PryvPlatformStatus()
DESIRED = state()


def running(wanted: Desired = DESIRED, *unready: str) -> HealthInputs:
    """All workloads as desired, and all but ``unready`` ready."""
    return HealthInputs(
        {
            (item["kind"], name): _live(item, ready=name not in unready)
            for name, item in workloads(wanted).items()
        }
    )


def _live(item: Object, *, ready: bool) -> Object:
    status = {
        "observedGeneration": 1,
        "replicas": 1,
        "updatedReplicas": 1,
        "readyReplicas": int(ready),
        "updateRevision": "a",
    }
    return {
        **item,
        "metadata": {**item["metadata"], "generation": 1},
        "status": {**status, "currentRevision": "a"},
    }


def outcome(**different: Any) -> Outcome:
    fields: dict[str, Any] = {
        "generation": 7,
        "desired": DESIRED,
        "health_inputs": running(),
        "addresses": {"acme-reg": Address("10.0.0.1"), "old": Address("10.0.0.2", "203.0.113.1")},
        "services": frozenset(),
        "domain": DOMAIN,
        "rollout": RolloutResult(3, Decision("Complete", Problem("Complete", "all is as wanted"))),
    }
    return Outcome(**fields | different)


def of(
    before: PryvPlatformStatus = NOTHING, now: str = NOW, **different: Any
) -> PryvPlatformStatus:
    return compute_status(outcome(**different), before, now)


def conditions(status: PryvPlatformStatus) -> dict[str, str]:
    return {each.type: each.status for each in status.conditions}


def reason(status: PryvPlatformStatus, kind: str = "Ready") -> str:
    return next(each.reason for each in status.conditions if each.type == kind)


def broken(*problems: Problem) -> Desired:
    return Desired(
        "1.9.2",
        problems=problems or (Problem("MissingVariables", "these variables need a value: A, B"),),
    )


def test_a_ready_platform() -> None:
    status = of()
    assert conditions(status) == {
        "Ready": "True",
        "Reconciling": "False",
        "Stalled": "False",
        "ConfigRendered": "True",
        "RolloutComplete": "True",
        "Paused": "False",
    }
    assert status.roles_ready == "3/3"
    assert status.release == "1.9.2"
    assert status.observed_generation == 7
    assert {each.observed_generation for each in status.conditions} == {7}
    assert [(each.name, each.role, each.ready, each.desired) for each in status.instances] == [
        ("reg", "reg-master", 5, 5),
        ("co1", "core", 8, 8),
        ("sw", "static", 2, 2),
    ]
    assert {each.url for each in status.endpoints} >= {
        f"https://reg.{DOMAIN}",
        f"https://co1.{DOMAIN}",
        f"https://sw.{DOMAIN}",
    }


def test_a_component_that_starts_is_reconciling() -> None:
    status = of(health_inputs=running(DESIRED, "acme-co1-hfs"))
    assert conditions(status) == {
        "Ready": "False",
        "Reconciling": "True",
        "Stalled": "False",
        "ConfigRendered": "True",
        "RolloutComplete": "False",
        "Paused": "False",
    }
    assert status.roles_ready == "2/3"
    assert "co1/hfs" in status.conditions[0].message


def test_a_failed_component_is_stalled() -> None:
    failure = {
        "type": "ReplicaFailure",
        "status": "True",
        "reason": "FailedCreate",
        "message": "exceeded quota",
    }
    there = running(DESIRED, "acme-co1-hfs", "acme-reg-mail")
    there.workloads["Deployment", "acme-reg-mail"]["status"]["conditions"] = [failure]
    status = of(health_inputs=there)
    assert (conditions(status)["Stalled"], reason(status)) == ("True", "FailedCreate")
    assert "reg/mail" in status.conditions[0].message
    assert "exceeded quota" in status.conditions[0].message


def test_problems_beyond_the_first_three_are_counted() -> None:
    message = of(health_inputs=HealthInputs({})).conditions[0].message
    assert message.endswith("and 12 more")


def test_a_problem_of_the_inputs_is_stalled() -> None:
    status = of(desired=broken())
    assert conditions(status) == {
        "Ready": "False",
        "Reconciling": "False",
        "Stalled": "True",
        "ConfigRendered": "False",
        "RolloutComplete": "False",
        "Paused": "False",
    }
    assert reason(status) == reason(status, "ConfigRendered") == "MissingVariables"
    assert "A, B" in status.conditions[0].message


def test_a_problem_keeps_what_is_known_of_the_running_platform() -> None:
    before = of(now=EARLIER)
    status = of(before, desired=broken(), health_inputs=HealthInputs({}), domain="")
    assert status.instances == before.instances
    assert status.endpoints == before.endpoints
    assert status.roles_ready == "3/3"
    assert status.services == before.services


def test_waiting_for_addresses() -> None:
    wanted = replace(
        DESIRED,
        waiting=(Problem("WaitingForLoadBalancer", "Service acme-reg has no address"),),
        objects=(),
    )
    status = of(desired=wanted, health_inputs=HealthInputs({}))
    assert (conditions(status)["Reconciling"], conditions(status)["Stalled"]) == ("True", "False")
    assert (conditions(status)["ConfigRendered"], reason(status)) == (
        "Unknown",
        "WaitingForLoadBalancer",
    )


def test_a_rejected_object_is_stalled() -> None:
    status = of(rejected=Problem("Rejected", "the API server refuses Deployment acme-co1-hfs: no"))
    assert (conditions(status)["Ready"], conditions(status)["Stalled"], reason(status)) == (
        "False",
        "True",
        "Rejected",
    )


@pytest.mark.parametrize(
    ("why", "stalled"), [("WaitingForCertificate", "False"), ("CertificateInvalid", "True")]
)
def test_a_missing_certificate_waits_and_an_invalid_one_stalls(why: str, stalled: str) -> None:
    held = {
        name: Problem(why, "no certificate")
        for name in workloads(DESIRED)
        if name.endswith("reverse-proxy")
    }
    wanted = replace(
        DESIRED,
        blocked=held,
        objects=tuple(item for item in DESIRED.objects if item["metadata"]["name"] not in held),
    )
    status = of(
        desired=wanted,
        health_inputs=running(wanted),
        certificate_problem=Problem(why, "no certificate"),
    )
    assert (conditions(status)["Ready"], conditions(status)["Stalled"], reason(status)) == (
        "False",
        stalled,
        why,
    )
    assert conditions(status)["RolloutComplete"] == "False"
    assert status.roles_ready == "0/3"


def test_a_condition_keeps_its_time_until_it_changes() -> None:
    before = of(now=EARLIER)
    assert {each.last_transition_time for each in of(before).conditions} == {EARLIER}
    after = {
        each.type: each.last_transition_time for each in of(before, desired=broken()).conditions
    }
    assert after["Ready"] == after["Stalled"] == NOW
    assert after["Reconciling"] == EARLIER


def test_the_same_outcome_is_the_same_status() -> None:
    before = of(now=EARLIER)
    assert of(before) == before


def test_addresses_of_desired_services_are_recorded() -> None:
    assert [(each.name, each.cluster_ip, each.load_balancer_ip) for each in of().services] == [
        ("acme-reg", "10.0.0.1", None),
        ("old", "10.0.0.2", "203.0.113.1"),
    ]
    assert [each.name for each in of(services=frozenset({"acme-reg"})).services] == ["acme-reg"]


def test_authorities_are_trusted_once_every_component_runs_with_them() -> None:
    before = NOTHING.model_copy(update={"trusted_authorities": ["ca-1"]})
    assert of(before, authorities=("ca-2", "ca-1")).trusted_authorities == ["ca-1", "ca-2"]
    for unfinished in (
        {"health_inputs": running(DESIRED, "acme-co1-hfs")},
        {"desired": broken()},
        {"rejected": Problem("Rejected", "")},
    ):
        assert of(before, authorities=("ca-1", "ca-2"), **unfinished).trusted_authorities == [
            "ca-1"
        ]


def test_warnings_do_not_affect_readiness() -> None:
    notices = tuple(Problem(f"R{index:02}", "x" * 5000) for index in range(20))
    status = of(desired=replace(DESIRED, warnings=(*notices, *notices)))
    assert conditions(status)["Ready"] == "True"
    assert len(status.warnings) == 20
    assert all(len(each.message) <= 4096 for each in status.warnings)


def test_too_many_warnings_are_merged_by_reason() -> None:
    unknown = [
        Problem("UnknownVariable", f"variables.V{index:03} is no variable of this release")
        for index in range(40)
    ]
    status = of(
        desired=replace(DESIRED, warnings=(*unknown, Problem("UnusedOverride", "spec.release")))
    )
    assert [each.reason for each in status.warnings] == ["UnknownVariable", "UnusedOverride"]
    assert all(each.message in status.warnings[0].message for each in unknown)
    flood = [Problem("UnknownVariable", f"{index:03} {'x' * 400}") for index in range(40)]
    (one,) = of(desired=replace(DESIRED, warnings=tuple(flood))).warnings
    shown = one.message.count("; ")
    assert one.message.endswith(f"; and {40 - shown} more")


def test_messages_fit_the_limits_of_the_api() -> None:
    status = of(desired=broken(*(Problem("Long", "x" * 3000) for _ in range(20))))
    assert all(len(each.message) <= 32768 for each in status.conditions)


def test_messages_name_components_by_instance_and_service() -> None:
    """Also where the platform is named like an instance of its own."""
    wanted = compute_desired(inputs(platform("acme-reg-x")))
    assert (
        of(desired=wanted, health_inputs=HealthInputs({}))
        .conditions[0]
        .message.startswith("reg/reverse-proxy: ")
    )


def test_a_paused_platform_does_not_wait_for_what_only_an_apply_would_create() -> None:
    """A new platform that is paused has no Services, and they are not created."""
    awaiting = replace(
        DESIRED,
        objects=(),
        waiting=(Problem("WaitingForServices", "waiting for the cluster IP of acme-reg"),),
    )
    status = of(desired=awaiting, pending=("Service acme-reg",))
    kinds = ("Ready", "Reconciling", "Stalled", "Paused")
    assert [conditions(status)[kind] for kind in kinds] == ["False", "False", "False", "True"]
    ready = next(each for each in status.conditions if each.type == "Ready")
    assert (ready.reason, "Service acme-reg" in ready.message) == ("Paused", True)


# Conditions that come and go with a warning


def test_a_newer_release_is_offered_by_a_condition() -> None:
    """And it stays while the spec is not valid, or the API server fails."""
    offer = Advisory("ReleaseAvailable", "spec.release: omitted; set it to upgrade")
    offered = of(desired=replace(DESIRED, warnings=(offer,)))
    assert conditions(offered)["ReleaseAvailable"] == "True"
    assert reason(offered, "ReleaseAvailable") == "ReleaseAvailable"
    interrupted = of(offered, desired=Desired("1.9.2"), interrupted=Problem("Forbidden", "no"))
    assert conditions(interrupted)["ReleaseAvailable"] == "True"
    assert "ReleaseAvailable" not in conditions(of(offered, desired=DESIRED))


# An imported platform


def imported(roles: dict[str, Any] | None = None) -> Desired:
    given = replace(platform(roles=roles or {}), cut_over_pending=True)
    return compute_desired(inputs(given))


def test_pending_cut_over_is_a_condition_and_a_warning_of_a_ready_platform() -> None:
    desired = imported({"static": {"address": "198.51.100.7"}})
    status = of(desired=desired, health_inputs=running(desired))
    assert conditions(status)["Ready"] == "True"
    assert conditions(status)["CutOver"] == "False"
    assert reason(status, "CutOver") == "CutOverPending"
    (warning,) = (each for each in status.warnings if each.reason == "CutOverPending")
    assert "the stores are empty" in warning.message
    assert "no client reaches sw:" in warning.message
    assert warning.message.endswith("then remove the annotation")


def test_published_instances_are_not_called_unreachable() -> None:
    desired = imported({"static": {"address": "198.51.100.7", "service": {"type": "LoadBalancer"}}})
    (warning,) = (each for each in desired.warnings if each.reason == "CutOverPending")
    assert "no client reaches" not in warning.message


def test_pending_cut_over_survives_an_interrupted_reconciliation_and_a_problem() -> None:
    before = of(desired=imported())
    interrupted = of(before, desired=Desired("1.9.2"), interrupted=Problem("Forbidden", "no"))
    assert reason(interrupted, "CutOver") == "CutOverPending"
    given = replace(platform(variables={"DNS_MX_RECORDS": 1}), cut_over_pending=True)
    assert reason(of(before, desired=compute_desired(inputs(given))), "CutOver") == "CutOverPending"


def test_condition_is_gone_once_the_platform_is_cut_over() -> None:
    assert "CutOver" not in conditions(of(of(desired=imported())))


def test_a_reconciliation_that_did_not_reach_the_history_keeps_its_records() -> None:
    """Only a status of an earlier version has none, and only a new resource starts with none."""
    record = RevisionRecord(number=1, uid="1")
    assert of().revisions == []
    earlier = PryvPlatformStatus(revision=1)
    assert of(earlier).revisions is None
    recorded = of(earlier, revisions=[record])
    assert recorded.revisions == [record]
    assert of(recorded).revisions == [record]


def test_an_image_that_a_trial_cannot_pull_is_stalled() -> None:
    """Every component serves, and the rollout cannot go on."""
    trial = Decision("Wait", Problem("ImagePullBackOff", "co1/core: image"), to_try=frozenset("x"))
    found = conditions(of(rollout=RolloutResult(3, trial)))
    assert (found["Ready"], found["Reconciling"], found["Stalled"]) == ("False", "True", "True")
