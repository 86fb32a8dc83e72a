"""A newer operator that would change pods waits for a change of the platform."""

from __future__ import annotations

from tests.api.operator_process import OperatorProcess
from tests.api.platforms import PlatformUser
from tests.cluster.waiting import wait_until

#: Another version of the operator: it gives every pod another grace period.
NEWER = (
    "from pryv_operator.objects import pods; build = pods.pod_template; "
    "newer = lambda *a, **k: (t := build(*a, **k)) | "
    "{'spec': t['spec'] | {'terminationGracePeriodSeconds': 7}}; "
    "from pryv_operator.objects import workloads; workloads.pod_template = newer"
)
REVISIONS = "controllerrevisions"


def revisions(user: PlatformUser) -> set[str]:
    found = user.list(REVISIONS)
    return {item["metadata"]["name"] for item in found if "-revision-" in item["metadata"]["name"]}


def grace_periods(user: PlatformUser) -> set[int]:
    return {
        item["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        for item in user.list("deployments,statefulsets")
    }


def test_a_newer_operator_rolls_pods_with_the_next_change(
    user: PlatformUser, operator: OperatorProcess
) -> None:
    user.apply_platform()
    user.wait_ready()
    user.wait_steady()
    pods, before = user.pods(), revisions(user)
    with operator.running_version(NEWER):
        # The upgrade alone: nothing rolls, it is reported, and deleted workloads return as before.
        assert "co1/hfs" in user.wait_warning("UpdateDeferred")
        user.wait_ready()
        user.wait_steady()
        assert user.pods() == pods
        assert revisions(user) == before
        assert 7 not in grace_periods(user)
        steady = user.resource_versions()
        user.trigger_reconciliations(2)
        assert user.resource_versions() == steady

        user.delete("deployment", "acme-co1-hfs")
        user.wait_ready()
        user.wait_running()
        assert 7 not in grace_periods(user)

        # A change of the platform applies it, as one revision.
        user.apply_platform(variables={"PLATFORM_NAME": "Another"})
        user.wait_ready()
        user.wait_running()
        assert grace_periods(user) == {7}
        assert len(revisions(user)) == len(before) + 1


def test_the_annotation_applies_a_deferred_update(
    user: PlatformUser, operator: OperatorProcess
) -> None:
    user.apply_platform()
    user.wait_ready()
    with operator.running_version(NEWER):
        user.wait_warning("UpdateDeferred")
        user.annotate("pryvplatform", "acme", **{"pryv.io/update": "1"})
        wait_until(lambda: grace_periods(user) == {7}, "the update", seconds=60)
        user.wait_ready()
        status = user.get("pryvplatform", "acme")["status"]
        assert "UpdateDeferred" not in {each["reason"] for each in status["warnings"]}
