"""Trials: what has to stop before it is started keeps its old pod until the new image is pulled."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.platforms import MANAGED, POLL_SECONDS, PlatformUser
from tests.cluster.waiting import wait_until

TRIALS = f"{MANAGED},pryv.io/purpose=trial"
UNKNOWN, NEWER = "docker.io/pryvio/core:does-not-exist", "docker.io/pryvio/core:1.9.3"
SOON = {"progressDeadlineSeconds": 5}


def with_core(image: str) -> dict[str, Any]:
    return {"core": {"instances": [{"name": "co1"}], "components": {"core": {"image": image}}}}


@pytest.fixture
def ready(shared: PlatformUser) -> PlatformUser:
    """A platform whose rollout is complete."""
    shared.apply_and_wait()
    wait_until(
        lambda: shared.condition("RolloutComplete")["status"] == "True",
        "the rollout to be complete",
        seconds=60,
    )
    return shared


def wait_trial(user: PlatformUser) -> dict[str, Any]:
    """The trial, once it exists."""
    found: list[dict[str, Any]] = wait_until(
        lambda: user.list("pods", TRIALS), "a trial", seconds=30, every=POLL_SECONDS
    )
    return found[0]


def wait_no_trial(user: PlatformUser) -> None:
    wait_until(lambda: not user.list("pods", TRIALS), "no trial", seconds=30, every=POLL_SECONDS)


def core_image(user: PlatformUser) -> str:
    template = user.get("statefulset", "acme-co1-core")["spec"]["template"]
    image: str = template["spec"]["containers"][0]["image"]
    return image


def is_ready(pod: dict[str, Any]) -> bool:
    return any(
        each["type"] == "Ready" and each["status"] == "True" for each in pod["status"]["conditions"]
    )


def test_unknown_image_of_core_is_held_while_the_old_pod_serves(ready: PlatformUser) -> None:
    before, image = ready.get("pod", "acme-co1-core-0"), core_image(ready)
    ready.apply_platform(roles=with_core(UNKNOWN))
    trial = wait_trial(ready)
    assert [each["image"] for each in trial["spec"]["containers"]] == [UNKNOWN]
    reported = ready.wait_reason("ImagePullBackOff")
    assert f'co1/core: image "{UNKNOWN}" cannot be pulled' in reported["message"]
    assert "not rolled out yet: co1/core" in reported["message"]
    assert ready.condition("Stalled")["status"] == "True"
    ready.apply_platform(roles=with_core(UNKNOWN), rollout=SOON)
    held = ready.wait_reason("RolloutHeld")
    assert "not pulled within 5 s" in held["message"]
    assert "not changed: co1/core" in held["message"]
    wait_no_trial(ready)
    # Neither the pod nor its workload was touched.
    after = ready.get("pod", "acme-co1-core-0")
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["status"]["conditions"] == before["status"]["conditions"]
    assert is_ready(after)
    assert core_image(ready) == image
    # A retry tries again.
    ready.annotate("pryvplatform", "acme", **{"pryv.io/reconcile": "again"})
    assert wait_trial(ready)["metadata"]["name"] != trial["metadata"]["name"]
    ready.wait_reason("RolloutHeld")
    assert ready.get("pod", "acme-co1-core-0")["metadata"]["uid"] == before["metadata"]["uid"]
    # The corrected image is pulled, then core is replaced.
    pods = ready.pods()
    ready.apply_platform(roles=with_core(NEWER), rollout=SOON)
    ready.wait_ready()
    ready.wait_running()
    assert core_image(ready) == NEWER
    assert {name for name in pods if pods[name] != ready.pods()[name]} == {"co1/core"}
    wait_no_trial(ready)


def test_change_without_a_new_image_needs_no_trial(ready: PlatformUser) -> None:
    ready.annotate("pryvplatform", "acme", **{"pryv.io/restart": "co1/core@1"})
    before = ready.pods()
    names = set()

    def restarted() -> bool:
        names.update(each["metadata"]["name"] for each in ready.list("pods", TRIALS))
        return bool(ready.pods().get("co1/core") not in (None, before["co1/core"]))

    wait_until(restarted, "core to be restarted", seconds=60, every=POLL_SECONDS)
    ready.wait_ready()
    assert not names


def test_quota_that_admits_no_trial_does_not_block_the_rollout(ready: PlatformUser) -> None:
    before = ready.pods()
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "full"},
        "spec": {"hard": {"pods": str(len(before))}},
    }
    ready.apply(quota)

    def full() -> bool:
        status = ready.get("resourcequota", "full").get("status", {})
        return bool(status.get("used", {}).get("pods") == str(len(before)))

    wait_until(full, "the quota to count the pods", seconds=30, every=POLL_SECONDS)
    try:
        image = "docker.io/pryvio/core:1.9.4"
        ready.apply_platform(roles=with_core(image))
        ready.wait_rolled({"co1/core": before["co1/core"]}, {"co1/core"})
        ready.wait_ready()
        assert core_image(ready) == image
    finally:
        ready.delete("resourcequota", "full")


def test_trial_is_deleted_when_the_change_is_taken_back(ready: PlatformUser) -> None:
    before = ready.pods()
    ready.apply_platform(roles=with_core(UNKNOWN))
    wait_trial(ready)
    ready.apply_and_wait()
    wait_no_trial(ready)
    assert ready.pods() == before
