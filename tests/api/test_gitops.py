"""GitOps tools judge a real platform as docs/gitops.md says: Argo CD's script, and kstatus."""

from __future__ import annotations

from typing import Any

from tests.api.platforms import PlatformUser
from tests.argocd import health

WRONG = {"REGISTER_ADMIN_KEY": {"secretKeyRef": {"name": "nowhere", "key": "key"}}}


def kstatus(resource: dict[str, Any]) -> str:
    """The status by the rules of sigs.k8s.io/cli-utils/pkg/kstatus for custom resources."""
    status = resource.get("status", {})
    if status.get("observedGeneration") != resource["metadata"]["generation"]:
        return "InProgress"
    conditions = {each["type"]: each["status"] for each in status["conditions"]}
    if conditions.get("Stalled") == "True":
        return "Failed"
    if conditions.get("Reconciling") == "True":
        return "InProgress"
    return "Current" if conditions.get("Ready", "True") == "True" else "InProgress"


def judged(user: PlatformUser) -> tuple[str, str]:
    resource = user.get("pryvplatform", "acme")
    return health(resource)[0], kstatus(resource)


def test_health_of_a_platform(shared_platform: PlatformUser) -> None:
    user = shared_platform
    user.apply_and_wait()
    assert judged(user) == ("Healthy", "Current")

    user.apply_platform(secrets=WRONG)
    user.wait_reason("SecretNotFound")
    assert judged(user) == ("Degraded", "Failed")

    user.apply_and_wait(rollout={"paused": True})
    assert judged(user) == ("Suspended", "Current")
    user.apply_platform(rollout={"paused": True}, variables={"PLATFORM_NAME": "Another"})
    user.wait_reason("Paused")
    assert judged(user) == ("Suspended", "InProgress")

    user.apply_platform(stopped=True)
    user.wait_reason("Stopped")
    assert judged(user) == ("Suspended", "InProgress")
