"""Another client that may write ControllerRevisions has the operator run nothing of its own."""

from __future__ import annotations

import copy
import json
from typing import Any

from tests.api.platforms import MANAGED, PlatformUser
from tests.attacks.hostile_tenant import LEVELS
from tests.cluster.waiting import wait_until

Object = dict[str, Any]
EVIL = "registry.example.com/evil:1"
ROLLBACK = {"progressDeadlineSeconds": 5, "onFailure": "Rollback"}
CRASHING = {"core": {"components": {"hfs": {"image": "docker.io/pryvio/hfs:crash"}}}}


def newest(user: PlatformUser) -> Object:
    history = user.list("controllerrevisions", f"{MANAGED},pryv.io/purpose=history")
    return max(history, key=lambda item: int(item["revision"]))


def hostile(revision: Object, number: int, **annotations: str) -> Object:
    """A copy of a revision, its MAC included, in which every container runs another image."""
    found = copy.deepcopy(revision)
    for workload in found["data"]["workloads"].values():
        for container in workload["spec"]["template"]["spec"]["containers"]:
            container["image"] = EVIL
    kept = ("labels", "annotations", "ownerReferences", "namespace")
    found["metadata"] = {key: found["metadata"][key] for key in kept}
    found["metadata"]["name"] = f"acme-revision-{number}"
    found["metadata"]["annotations"] |= {
        f"pryv.io/{key}": text for key, text in annotations.items()
    }
    return found | {"revision": number}


def plant_deep(user: PlatformUser, revision: Object) -> None:
    """Create a revision with data of very many levels."""
    body = json.dumps(revision | {"data": "DEEP"})
    deep = '{"a":' * LEVELS + "1" + "}" * LEVELS
    user.control_plane.api.text(
        "POST", user.path("controllerrevisions"), body.replace('"DEEP"', deep)
    )


def test_an_old_revision_is_not_rolled_back_to_after_the_history_was_deleted(
    shared_platform: PlatformUser,
) -> None:
    """It has a valid MAC, from when it was the last good one."""
    user = shared_platform

    def wait_complete() -> Object:
        def complete() -> Object | None:
            found = newest(user)
            return found if "pryv.io/complete" in found["metadata"]["annotations"] else None

        return wait_until(complete, "the revision to be complete", seconds=60)

    user.apply_and_wait()
    old = wait_complete()
    newer = {"core": {"components": {"hfs": {"image": "docker.io/pryvio/hfs:fixed"}}}}
    user.apply_and_wait(roles=newer)
    current = wait_complete()
    assert current["revision"] > old["revision"]
    pods = user.pods()

    # While the rollout is paused the operator records nothing.
    user.apply_platform(roles=newer, rollout={"paused": True})
    user.wait_observed()
    for item in user.list("controllerrevisions", f"{MANAGED},pryv.io/purpose=history"):
        user.delete("controllerrevisions", item["metadata"]["name"])
    kept = ("name", "labels", "annotations", "ownerReferences", "namespace")
    user.apply(old | {"metadata": {key: old["metadata"][key] for key in kept}})
    user.apply_platform(roles=CRASHING, rollout=ROLLBACK)
    held = user.wait_reason("RolloutHeld")["message"]
    assert f"revision {old['revision']} is not rolled back to automatically" in held
    assert newest(user)["revision"] == current["revision"] + 1, "no number is used twice"
    assert {key for key, uid in user.pods().items() if pods[key] != uid} <= {"co1/hfs"}
    images = {
        container["image"]
        for item in user.list("deployments")
        for container in item["spec"]["template"]["spec"]["containers"]
    }
    assert "docker.io/pryvio/hfs:crash" in images
    user.delete("controllerrevisions", old["metadata"]["name"])
    user.apply_and_wait()


def test_planted_and_exchanged_revisions_are_never_applied(shared_platform: PlatformUser) -> None:
    user = shared_platform
    user.apply_and_wait()
    wait_until(
        lambda: "pryv.io/complete" in newest(user)["metadata"]["annotations"],
        "the revision to be complete",
        seconds=60,
    )
    good = newest(user)
    number, before = good["revision"], user.pods()

    # Planted: as if it were what the workloads keep after an upgrade of the operator.
    user.apply(hostile(good, number + 1, desired="0123456789abcdef"))
    user.reconcile()
    wait_until(lambda: newest(user)["revision"] == number + 2, "its own revision", seconds=30)
    user.wait_ready()
    wait_until(
        lambda: "pryv.io/complete" in newest(user)["metadata"]["annotations"],
        "the revision to be complete",
        seconds=60,
    )
    assert user.pods() == before

    # Exchanged: the last good revision, with its own annotations.
    # While the rollout is paused the operator records nothing: it creates no other one in between.
    user.apply_platform(rollout={"paused": True})
    user.wait_observed()
    exchanged = hostile(newest(user), number + 2)
    user.delete("controllerrevisions", f"acme-revision-{number + 2}")
    user.apply(exchanged)
    user.apply_platform(roles=CRASHING, rollout=ROLLBACK)
    held = user.wait_reason("RolloutHeld")
    assert f"revision {number + 2} is not rolled back to automatically" in held["message"]
    assert EVIL not in str(user.list("deployments,statefulsets,replicasets,pods"))

    # Once they are deleted, the last revision that the operator has signed is restored.
    for each in (number + 1, number + 2):
        user.delete("controllerrevisions", f"acme-revision-{each}")
    back = user.wait_reason("RolledBack")
    assert f"revision {number} runs again" in back["message"]
    assert {key for key, uid in user.pods().items() if before[key] != uid} <= {"co1/hfs"}


def test_planted_revisions_stop_no_rollout(shared_platform: PlatformUser) -> None:
    """One that cannot be parsed, and those with the highest number that counts and the next one."""
    user = shared_platform
    user.apply_and_wait()
    wait_until(
        lambda: "pryv.io/complete" in newest(user)["metadata"]["annotations"],
        "the revision to be complete",
        seconds=60,
    )
    good = newest(user)
    number, before = good["revision"], user.pods()
    deep, highest = number + 1, number + 2 + 1000

    def wait_revision(expected: int) -> None:
        def current() -> bool:
            status = user.get("pryvplatform", "acme")["status"]
            return bool(status["revision"] == expected)

        wait_until(current, f"revision {expected}", seconds=30)
        user.wait_ready()

    try:
        plant_deep(user, hostile(good, deep, desired="0123456789abcdef"))
        user.reconcile()
        wait_revision(deep + 1)
        assert user.pods() == before
        # While the rollout is paused the operator records nothing: the next number is that of
        # `newer`.
        user.apply_platform(rollout={"paused": True})
        user.wait_observed()
        for each in (highest, highest + 1):
            user.apply(hostile(good, each, desired="0123456789abcdef"))
        newer = {"core": {"components": {"hfs": {"image": "docker.io/pryvio/hfs:newer"}}}}
        user.apply_platform(roles=newer)
        wait_revision(highest + 2)
        assert {key for key, uid in user.pods().items() if before[key] != uid} == {"co1/hfs"}
        assert EVIL not in str(user.list("deployments,statefulsets,replicasets,pods"))
    finally:
        for each in (deep, highest, highest + 1):
            user.control_plane.api.delete(user.path("controllerrevisions", f"acme-revision-{each}"))
    user.apply_and_wait()
