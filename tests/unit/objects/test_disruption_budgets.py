"""Disruption budgets: which components have one, and what it selects."""

from __future__ import annotations

import pytest

from pryv_operator.objects.configuration import Configuration
from pryv_operator.objects.disruption_budgets import disruption_budget
from pryv_operator.objects.workloads import workload
from tests.unit.builders import component, platform, service

CORE = service("core", mounts=["core/data:/app/data"])
PREVIEW = service("preview", mounts=["core/data:/app/data"])


@pytest.mark.parametrize("replicas", [2, 3, 32])
@pytest.mark.parametrize("name", ["register", "dns", "mail", "reverse_proxy", "app_web_auth3"])
def test_of_several_pods_one_may_be_evicted(name: str, replicas: int) -> None:
    several = component(name, overrides={"replicas": replicas})
    found = disruption_budget(several)
    assert found
    live = workload(several, Configuration(), frozenset())
    assert found["spec"] == {
        "maxUnavailable": 1,
        "minAvailable": None,
        "selector": live["spec"]["selector"],
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }
    assert found["metadata"]["labels"] == live["metadata"]["labels"]
    assert found["metadata"]["ownerReferences"] == live["metadata"]["ownerReferences"]


@pytest.mark.parametrize("replicas", [None, 0, 1])
def test_one_pod_has_no_budget(replicas: int | None) -> None:
    """It would block a drain, or protect nothing; an autoscaler may decide on one."""
    assert disruption_budget(component("register", overrides={"replicas": replicas})) is None


def test_a_stopped_platform_has_no_budgets() -> None:
    stopped = component("register", overrides={"replicas": 2}, platform=platform(stopped=True))
    assert disruption_budget(stopped) is None


@pytest.mark.parametrize("name", ["core", "mfa", "webhooks", "redis", "mongodb"])
def test_what_runs_once_has_no_budget(name: str) -> None:
    assert disruption_budget(component(name, overrides={"replicas": 2})) is None


def test_pods_that_mount_a_pvc_have_no_budget() -> None:
    """They run on one node: one that stays there would keep all others from moving."""
    assert disruption_budget(component("preview", overrides={"replicas": 2}))
    sharing = component(PREVIEW, beside=[CORE], overrides={"replicas": 2})
    assert disruption_budget(sharing) is None
