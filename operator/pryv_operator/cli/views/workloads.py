"""Workloads and pods of a platform, as their labels and status describe them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names
from pryv_operator.api.kubernetes import Object

#: Reasons of a waiting container that is about to start.
_STARTING: Final = ("", "ContainerCreating", "PodInitializing")


class State(StrEnum):
    """What a component is doing."""

    READY = "Ready"
    UPDATING = "Updating"
    NOT_READY = "NotReady"
    STOPPED = "Stopped"
    MISSING = "Missing"


@dataclass(frozen=True)
class ComponentStatus:
    """A component of an instance: its workload, and why it is not ready.

    ``waits_for`` None: for nothing that is known.
    """

    name: str
    kind: str
    workload: str
    ready: int
    desired: int
    state: State
    image: str
    waits_for: str | None = None


def labels_of(item: Object) -> Mapping[str, str]:
    """The labels of an object."""
    found: Mapping[str, str] = item["metadata"].get("labels") or {}
    return found


def component_label(item: Object) -> str:
    """``instance/component``, by the labels of a workload or pod."""
    labels = labels_of(item)
    return f"{labels.get(keys.INSTANCE, '')}/{labels.get(keys.COMPONENT, '')}"


def rollout_key(item: Object) -> tuple[int, str, str]:
    """Order of workloads: by role as they are rolled out, then by instance and component."""
    labels = labels_of(item)
    role = labels.get(keys.ROLE, "")
    order = names.ROLES.index(role) if role in names.ROLES else len(names.ROLES)
    return order, labels.get(keys.INSTANCE, ""), labels.get(keys.COMPONENT, "")


def component_status(workload: Object, pods: Sequence[Object]) -> ComponentStatus:
    """The status of a component. ``pods``: of the platform."""
    spec, status = workload["spec"], workload.get("status") or {}
    desired = spec.get("replicas", 1)
    ready = status.get("readyReplicas", 0)
    own = [pod for pod in pods if component_label(pod) == component_label(workload)]
    state = _state(workload, desired, ready)
    reasons = dict.fromkeys(filter(None, map(pod_reason, own)))
    return ComponentStatus(
        name=labels_of(workload).get(keys.COMPONENT, ""),
        kind=workload["kind"],
        workload=workload["metadata"]["name"],
        ready=ready,
        desired=desired,
        state=state,
        image=_image(workload),
        waits_for="; ".join(reasons) or None if state is not State.READY else None,
    )


def is_rolled_out(workload: Object) -> bool:
    """Whether all pods of a workload run its spec and are ready."""
    desired = workload["spec"].get("replicas", 1)
    ready = (workload.get("status") or {}).get("readyReplicas", 0)
    return _state(workload, desired, ready) in (State.READY, State.STOPPED)


def _state(workload: Object, desired: int, ready: int) -> State:
    status = workload.get("status") or {}
    if status.get("observedGeneration", 0) < workload["metadata"].get("generation", 0):
        return State.UPDATING
    if desired == 0:
        return State.STOPPED if not status.get("replicas") else State.UPDATING
    updated = status.get("updatedReplicas", 0)
    if updated < desired or status.get("replicas", 0) > desired:
        return State.UPDATING
    return State.READY if ready >= desired else State.NOT_READY


def _image(workload: Object) -> str:
    containers = workload["spec"]["template"]["spec"].get("containers") or [{}]
    return str(containers[0].get("image", ""))


def pod_reason(pod: Object) -> str | None:
    """Why a pod is not ready, in Kubernetes' word for it; None: it is, or nothing is known."""
    if pod["metadata"].get("deletionTimestamp"):
        return "Terminating"
    status: Mapping[str, Any] = pod.get("status") or {}
    conditions = {each.get("type"): each for each in status.get("conditions") or ()}
    if conditions.get("Ready", {}).get("status") == "True":
        return None
    if status.get("phase") == "Failed":
        return str(status.get("reason") or "Failed")
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("status") == "False":
        return str(scheduled.get("reason") or "Unschedulable")
    return _container_reason(status)


def _container_reason(status: Mapping[str, Any]) -> str | None:
    containers = [
        *(status.get("initContainerStatuses") or ()),
        *(status.get("containerStatuses") or ()),
    ]
    for each in containers:
        waiting = (each.get("state") or {}).get("waiting") or {}
        if waiting.get("reason", "") not in _STARTING:
            return str(waiting["reason"])
        ended = (each.get("state") or {}).get("terminated") or {}
        if ended.get("exitCode"):
            return f"{ended.get('reason') or 'Error'} (exit code {ended['exitCode']})"
    if any("running" in (each.get("state") or {}) for each in containers):
        return "starting"
    return "ContainerCreating" if containers or status.get("phase") == "Pending" else None


def of_platform(items: Iterable[Object], platform: str) -> list[Object]:
    """The objects with the labels of a platform."""
    return [item for item in items if labels_of(item).get(keys.PLATFORM) == platform]
