"""Another client that may write ControllerRevisions has the operator run nothing of its own."""

from __future__ import annotations

import copy
from typing import Any

from tests.api.platforms import MANAGED, PlatformUser
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
