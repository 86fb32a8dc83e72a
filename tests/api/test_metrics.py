"""The metrics of the running operator, from an install to a deletion."""

from __future__ import annotations

import time
from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families

from tests.api.operator_process import OperatorProcess
from tests.api.platforms import PlatformUser
from tests.cluster.waiting import wait_until

TWO_CORES = [{"name": "co1"}, {"name": "co2"}]
Samples = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(operator: OperatorProcess) -> Samples:
    """Name and labels → value."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(operator.text("/metrics"))
        for sample in family.samples
    }


def of_platform(user: PlatformUser, samples: Samples) -> dict[tuple[str, ...], float]:
    """Name of a metric and values of its further labels → value."""
    own = {("namespace", user.namespace), ("name", "acme")}
    return {
        (name, *(value for _, value in sorted(labels - own))): value
        for (name, labels), value in samples.items()
        if own <= labels
    }


def value(operator: OperatorProcess, name: str, **labels: str) -> float:
    return scrape(operator).get((name, frozenset(labels.items())), 0.0)


def wait_condition(user: PlatformUser, operator: OperatorProcess, kind: str, status: str) -> None:
    wait_until(
        lambda: (
            of_platform(user, scrape(operator)).get(("pryv_platform_condition", status, kind)) == 1
        ),
        f"{kind}={status} in the metrics",
        seconds=30,
    )


def test_a_platform_from_its_install_to_its_deletion(
    user: PlatformUser, operator: OperatorProcess
) -> None:
    user.apply_and_wait(roles={"core": {"instances": TWO_CORES}})
    wait_condition(user, operator, "Ready", "true")
    found = of_platform(user, scrape(operator))
    assert found["pryv_platform_condition", "false", "Ready"] == 0
    assert found["pryv_platform_condition", "unknown", "Ready"] == 0
    assert found["pryv_platform_condition_reason", "Complete", "RolloutComplete"] == 1
    assert found["pryv_platform_info", "1.9.2"] == 1
    assert found["pryv_platform_revision",] == 1
    instances = user.get("pryv", "acme")["status"]["instances"]
    for each in instances:
        of_instance = [
            number
            for (name, *labels), number in found.items()
            if name == "pryv_platform_component_ready_replicas" and each["name"] in labels
        ]
        assert len(of_instance) == sum(of_instance) == each["desired"]
    steps = sum(each["desired"] for each in instances)
    assert found["pryv_platform_rollout_step",] == found["pryv_platform_rollout_steps",] == steps
    assert 0 < time.time() - found["pryv_platform_rollout_start_timestamp_seconds",] < 600
    expiry = "pryv_platform_certificate_expiry_timestamp_seconds"
    ((secret, expires),) = [
        (labels[-1], number) for (name, *labels), number in found.items() if name == expiry
    ]
    assert user.find("secret", secret)
    assert 80 < (expires - time.time()) / 86400 <= 90

    user.apply_platform(roles={"core": {"instances": TWO_CORES[:1]}})
    user.wait_ready()
    wait_until(
        lambda: not any("co2" in labels for labels in of_platform(user, scrape(operator))),
        "co2 to vanish from the metrics",
        seconds=30,
    )

    user.delete("pryv", "acme")
    wait_until(
        lambda: not of_platform(user, scrape(operator)),
        "the platform to vanish from the metrics",
        seconds=30,
    )


def test_a_failed_rollout(user: PlatformUser, operator: OperatorProcess) -> None:
    name, failed = "pryv_operator_rollout_duration_seconds_count", {"outcome": "failed"}
    complete = {"outcome": "complete"}
    completed = value(operator, name, **complete)
    user.apply_and_wait()
    wait_until(
        lambda: value(operator, name, **complete) > completed, "a complete rollout", seconds=30
    )
    before = value(operator, name, **failed)
    crash = {"core": {"components": {"hfs": {"image": "registry.acme.test/hfs:crash"}}}}
    user.apply_platform(rollout={"progressDeadlineSeconds": 10}, roles=crash)
    user.wait_reason("RolloutHeld")
    wait_condition(user, operator, "Stalled", "true")
    found = of_platform(user, scrape(operator))
    assert found["pryv_platform_condition_reason", "RolloutHeld", "RolloutComplete"] == 1
    assert found["pryv_platform_component_ready_replicas", "hfs", "core", "co1"] == 0
    assert value(operator, name, **failed) == before + 1


def test_an_invalid_spec_is_stalled_and_names_no_value(
    user: PlatformUser, operator: OperatorProcess
) -> None:
    canary = "https://canary-of-metrics.test"
    user.apply_platform(
        domain="canary-of-metrics.test",
        variables={"SUPPORT_URL": canary, "MAX_UPLOAD_SIZE_MB": "canary-of-metrics"},
    )
    wait_condition(user, operator, "Stalled", "true")
    found = of_platform(user, scrape(operator))
    assert found["pryv_platform_condition_reason", "InvalidVariable", "Ready"] == 1
    assert "canary-of-metrics" not in operator.text("/metrics")


def test_requests_and_watches(operator: OperatorProcess, shared_platform: PlatformUser) -> None:
    shared_platform.apply_and_wait()
    samples = scrape(operator)
    requests = {
        (dict(labels)["verb"], dict(labels)["resource"])
        for (name, labels), number in samples.items()
        if name == "pryv_operator_api_requests_total" and number > 0
    }
    assert {
        ("watch", "pryvplatforms"),
        ("watch", "secrets"),
        ("get", "pryvplatforms"),
        ("apply", "pryvplatforms/status"),
        ("create", "secrets"),
        ("apply", "deployments"),
        ("list", "pods"),
    } <= requests
    verbs = {
        dict(labels)["verb"]
        for (name, labels) in samples
        if name == "pryv_operator_api_request_duration_seconds_count"
    }
    assert "watch" not in verbs
    assert {"get", "apply"} <= verbs
    heard = {
        dict(labels)["resource"]: time.time() - number
        for (name, labels), number in samples.items()
        if name == "pryv_operator_reflector_last_event_timestamp_seconds"
    }
    assert {"pryvplatforms", "secrets", "configmaps", "pods", "statefulsets"} <= heard.keys()
    assert max(heard.values()) < 400  # a watch lasts 300 s


def test_a_scrape_sends_no_request(operator: OperatorProcess) -> None:
    """On a platform-free moment nothing else does either, except for what was under way."""

    def requests() -> int:
        return operator.reads() + operator.writes()

    def quiet() -> bool:
        before = requests()
        for _ in range(20):
            operator.text("/metrics")
        return requests() == before

    wait_until(quiet, "twenty scrapes without a request", seconds=60)
