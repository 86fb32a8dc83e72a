"""How workloads are, and why: from the workload, its pods and their events to one reason and message. Pure.

Messages are our own where the cluster's change with every look (back-off times) or may quote a container's output.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.findings import Explanation, Finding, Problem, Waiting
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.reasons import Reason

#: Why a container cannot run, so that somebody has to mend something.
_FAILURES: Final[Mapping[str, str]] = {
    "ImagePullBackOff": "its image {image} cannot be pulled: is the name right, does the registry have it, is a login needed?",
    "ErrImagePull": "its image {image} cannot be pulled: is the name right, does the registry have it, is a login needed?",
    "ErrImageNeverPull": "its image {image} is not on the node and must not be pulled",
    "InvalidImageName": "{image} is no name of an image",
    "CrashLoopBackOff": "it starts and ends again{exit}: see its log",
    "CreateContainerConfigError": "its container cannot be set up: {detail}",
    "CreateContainerError": "its container cannot be made: {detail}",
    "RunContainerError": "its container cannot be run: {detail}",
}
_BLAMES_VOLUMES: Final = re.compile("persistent ?volume", re.IGNORECASE)
#: The same trouble under one name, so that the status does not flicker between two looks.
_SAME: Final = {"ErrImagePull": "ImagePullBackOff"}
#: What the cluster marks pods of one template with: Deployments, StatefulSets.
_REVISION_LABELS: Final = ("pod-template-hash", "controller-revision-hash")
#: Events that say why a pod does not get its volumes or its sandbox.
_POD_EVENTS: Final = (
    "FailedMount",
    "FailedAttachVolume",
    "FailedMapVolume",
    "FailedCreatePodSandBox",
)


@dataclass(frozen=True)
class HealthInputs:
    """What was observed of a platform's workloads."""

    workloads: Mapping[tuple[str, str], Object]
    pods: Sequence[Object] = ()
    pvcs: Mapping[str, Object] | None = None
    #: Warning events (core/v1) of the namespace.
    events: Sequence[Object] = ()


@dataclass(frozen=True)
class Health:
    """``failed``: somebody has to mend something. ``waiting``: on its way, and something particular is awaited."""

    ready: bool
    failed: bool = False
    waiting: bool = False
    problem: Finding | None = None


READY: Final = Health(ready=True)


def is_ready(workload: Object | None) -> bool:
    """Whether a Deployment or StatefulSet runs what its spec says, all of it, and nothing else."""
    if workload is None:
        return False
    spec, status = workload["spec"], workload.get("status", {})
    if status.get("observedGeneration", 0) < workload["metadata"]["generation"]:
        return False
    wanted = spec.get("replicas", 1)
    updated = status.get("updatedReplicas", 0)
    ready = status.get("readyReplicas", 0)
    total = status.get("replicas", 0)
    if workload["kind"] == "StatefulSet":
        same = status.get("updateRevision") == status.get("currentRevision") or wanted == 0
        return bool(same and ready == wanted and total == wanted)
    return bool(updated == wanted and ready == wanted and total == wanted)


def is_available(workload: Object | None) -> bool:
    """Whether it is ready, and has been so for the time that its spec asks for."""
    if workload is None or not is_ready(workload):
        return False
    status = workload.get("status", {})
    return bool(status.get("availableReplicas", 0) >= status.get("readyReplicas", 0))


def workload_health(kind: str, name: str, label: str, health_inputs: HealthInputs) -> Health:
    """How one workload is. ``label`` is what people know it by: ``co1/core``."""
    workload = health_inputs.workloads.get((kind, name))
    if is_ready(workload):
        return READY
    if workload is None:
        return Health(ready=False, problem=Waiting(Reason.PROGRESSING, f"{label}: not made yet"))
    pods = [
        pod
        for pod in health_inputs.pods
        if _selected(pod, workload) and not pod["metadata"].get("deletionTimestamp")
    ]
    failure = _container_failure(label, _of_newest_revision(pods)) or _no_pod(
        label, workload, pods, health_inputs
    )
    if failure:
        return Health(ready=False, failed=True, problem=failure)
    awaited = _unschedulable(label, pods, health_inputs) or _without_volume(
        label, pods, health_inputs
    )
    if awaited:
        return Health(ready=False, waiting=True, problem=awaited)
    return Health(ready=False, problem=_on_its_way(label, pods))


def _selected(pod: Object, workload: Object) -> bool:
    labels = pod["metadata"].get("labels", {})
    return all(
        labels.get(key) == value
        for key, value in workload["spec"]["selector"]["matchLabels"].items()
    )


def _of_newest_revision(pods: Sequence[Object]) -> list[Object]:
    """Pods made from the newest template: that an old one still fails says nothing about the one that mends it."""
    ordered = _newest_first(pods)

    def revision(pod: Object) -> tuple[Any, ...]:
        return tuple(pod["metadata"].get("labels", {}).get(label) for label in _REVISION_LABELS)

    return [pod for pod in ordered if revision(pod) == revision(ordered[0])]


def _container_failure(label: str, pods: Iterable[Object]) -> Finding | None:
    for pod in _newest_first(pods):
        status = pod.get("status", {})
        images = {
            each["name"]: each["image"]
            for each in (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"])
        }
        for container in (
            *status.get("initContainerStatuses", ()),
            *status.get("containerStatuses", ()),
        ):
            waiting = container.get("state", {}).get("waiting", {})
            reason = waiting.get("reason", "")
            if reason not in _FAILURES:
                continue
            last = (
                container.get("lastState", {}).get("terminated")
                or container.get("state", {}).get("terminated")
                or {}
            )
            text = _FAILURES[reason].format(
                image=images.get(container["name"], "?"),
                exit=f" (exit code {last['exitCode']}, {last.get('reason', 'Error')})"
                if "exitCode" in last
                else "",
                detail=waiting.get("message", "no further word"),
            )
            return Problem(_SAME.get(reason, reason), f"{label}: {text}")
        if status.get("phase") == "Failed":
            reason = status.get("reason", "PodFailed")
            return Problem(reason, f"{label}: its pod failed: {status.get('message', reason)}")
    return None


def _unschedulable(
    label: str, pods: Iterable[Object], health_inputs: HealthInputs
) -> Finding | None:
    for pod in _newest_first(pods):
        condition = _condition(pod, "PodScheduled")
        if condition.get("status") != "False":
            continue
        claim = _pending_claim(pod, health_inputs)
        why = _newest_event(health_inputs.events, "PersistentVolumeClaim", claim) if claim else None
        # A claim may be pending only because its pod is not scheduled, for some other reason.
        if claim and (why or _BLAMES_VOLUMES.search(condition.get("message", "persistent volume"))):
            detail = f": {why['message']}" if why else " yet"
            return Explanation(
                Reason.PVC_PENDING,
                f"{label}: its claim {claim['metadata']['name']} is not bound{detail}",
            )
        if condition.get("reason") == "Unschedulable":
            return Explanation(
                Reason.UNSCHEDULABLE,
                f"{label}: no node takes its pod: {condition.get('message', 'no further word')}",
            )
    return None


def _pending_claim(pod: Object, health_inputs: HealthInputs) -> Object | None:
    for volume in pod["spec"].get("volumes", ()):
        name = volume.get("persistentVolumeClaim", {}).get("claimName")
        if name is None or health_inputs.pvcs is None:
            continue
        claim = health_inputs.pvcs.get(name)
        if claim is not None and claim.get("status", {}).get("phase") == "Pending":
            return claim
    return None


def _without_volume(
    label: str, pods: Iterable[Object], health_inputs: HealthInputs
) -> Finding | None:
    """A pod on a node that does not get its volumes or its network."""
    for pod in _newest_first(pods):
        started = any(
            "running" in each.get("state", {})
            for each in pod.get("status", {}).get("containerStatuses", ())
        )
        if started or _condition(pod, "PodScheduled").get("status") != "True":
            continue
        event = _newest_event(health_inputs.events, "Pod", pod, *_POD_EVENTS)
        if event:
            return Problem(event["reason"], f"{label}: its pod cannot start: {event['message']}")
    return None


def _no_pod(
    label: str, workload: Object, pods: Sequence[Object], health_inputs: HealthInputs
) -> Finding | None:
    """No pod, or no new one, could be made: Pod Security, a quota, an admission webhook."""
    for condition in workload.get("status", {}).get("conditions", ()):
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            return Problem(
                condition.get("reason") or "FailedCreate",
                f"{label}: no pod can be made: {condition['message']}",
            )
    if pods:  # events tell of the past
        return None
    applied = last_applied(workload)
    event = _newest_event(
        health_inputs.events, workload["kind"], workload, "FailedCreate", since=applied
    )
    return (
        Explanation(Reason.FAILED_CREATE, f"{label}: no pod can be made: {event['message']}")
        if event
        else None
    )


def _on_its_way(label: str, pods: Sequence[Object]) -> Finding:
    if not pods:
        return Waiting(Reason.PROGRESSING, f"{label}: waiting for its pod")
    running = any(
        "running" in each.get("state", {})
        for pod in pods
        for each in pod.get("status", {}).get("containerStatuses", ())
    )
    return Waiting(
        Reason.PROGRESSING,
        f"{label}: its pod runs and is not ready yet"
        if running
        else f"{label}: its pod is starting",
    )


def _newest_first(pods: Iterable[Object]) -> list[Object]:
    return sorted(
        pods,
        key=lambda pod: (pod["metadata"].get("creationTimestamp", ""), pod["metadata"]["name"]),
        reverse=True,
    )


def _condition(item: Object, kind: str) -> Mapping[str, Any]:
    return next(
        (each for each in item.get("status", {}).get("conditions", ()) if each["type"] == kind), {}
    )


def last_applied(workload: Object) -> dt.datetime | None:
    """When the operator last changed a workload, as the API server notes it."""
    times = [
        entry["time"]
        for entry in workload["metadata"].get("managedFields", ())
        if entry.get("manager") == keys.FIELD_MANAGER
        and not entry.get("subresource")
        and "time" in entry
    ]
    return max(map(dt.datetime.fromisoformat, times), default=None)


def unready_since(workload: Object, pods: Iterable[Object]) -> dt.datetime | None:
    """When the newest of a workload's pods that are not ready got so; None when there is none."""
    conditions = [
        _condition(pod, "Ready")
        for pod in pods
        if _selected(pod, workload) and not pod["metadata"].get("deletionTimestamp")
    ]
    times = [
        each["lastTransitionTime"]
        for each in conditions
        if each.get("status") == "False" and each.get("lastTransitionTime")
    ]
    return max(map(dt.datetime.fromisoformat, times), default=None)


def _newest_event(
    events: Iterable[Object],
    kind: str,
    item: Object,
    *reasons: str,
    since: dt.datetime | None = None,
) -> Object | None:
    """The newest event about this very object: one that had its name before it is another."""
    metadata = item["metadata"]
    found = [
        event
        for event in events
        if event["involvedObject"].get("kind") == kind
        and event["involvedObject"].get("name") == metadata["name"]
        and event["involvedObject"].get("uid", metadata.get("uid")) == metadata.get("uid")
        and (not reasons or event.get("reason") in reasons)
        and (since is None or not _time(event) or dt.datetime.fromisoformat(_time(event)) >= since)
    ]
    return max(found, key=_time, default=None)


def _time(event: Object) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or "")
