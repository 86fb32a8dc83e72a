"""Health of workloads: from a workload, its pods and their events to one finding. Pure.

The cluster's messages are not quoted where they change all the time (back-off times) or may quote
a container's output.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.findings import Explanation, Finding, Problem, Waiting
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.reasons import Reason
from pryv_operator.desired.state import WorkloadPlan
from pryv_operator.objects.init_containers import VOLUME_OWNER

#: Reason of a waiting container → message; these do not end without a change.
_FAILURES: Final[Mapping[str, str]] = {
    "ImagePullBackOff": (
        'image "{image}" cannot be pulled; check its name, the registry and spec.imagePullSecrets'
    ),
    "ErrImageNeverPull": (
        'image "{image}" is not on the node and must not be pulled; load it onto the node'
    ),
    "InvalidImageName": '"{image}" is not a valid image name; correct it',
    "CrashLoopBackOff": "container exits repeatedly{exit}; see its log",
    "CreateContainerConfigError": "container cannot be configured: {detail}",
    "CreateContainerError": "container cannot be created: {detail}",
    "RunContainerError": "container cannot be started: {detail}",
}
#: Reasons that alternate while the cause is the same; the status reports one of them.
_SAME_REASON: Final = {"ErrImagePull": "ImagePullBackOff"}
#: Reasons of a waiting container whose image is on the node. Source: ``EnsureImageExists`` comes
#: before them in ``startContainer`` of
#: https://github.com/kubernetes/kubernetes/blob/v1.36.3/pkg/kubelet/kuberuntime/kuberuntime_container.go
_IMAGE_PRESENT: Final = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")
#: Reasons of a waiting container that is about to start.
_STARTING: Final = ("", "ContainerCreating", "PodInitializing")
_NO_DETAILS: Final = "no details"
#: A scheduler's message about volumes.
_BLAMES_VOLUMES: Final = re.compile("persistent ?volume", re.IGNORECASE)
#: Labels that tell pod templates apart: of Deployments, of StatefulSets.
_REVISION_LABELS: Final = ("pod-template-hash", "controller-revision-hash")
#: Event of the node controller about each pod of a node that is not ready any more. Source:
#: https://github.com/kubernetes/kubernetes/blob/v1.36.3/pkg/controller/util/node/controller_utils.go
_NODE_NOT_READY: Final = "NodeNotReady"
#: Who provisions the volume of a PVC: the former name is still in use. Source:
#: https://kubernetes.io/docs/reference/labels-annotations-taints/
_PROVISIONER: Final = (
    "volume.kubernetes.io/storage-provisioner",
    "volume.beta.kubernetes.io/storage-provisioner",
)
#: Events that say why a pod does not get its volumes or its network.
_POD_EVENTS: Final = (
    "FailedMount",
    "FailedAttachVolume",
    "FailedMapVolume",
    "FailedCreatePodSandBox",
)
#: A node that gets a new pod does not know its ConfigMaps yet, reports that as a failed mount, and
#: tries again half a second later. Seen on kind: "failed to sync configmap cache".
_POD_EVENTS_COUNT_AFTER: Final = dt.timedelta(seconds=10)


@dataclass(frozen=True)
class HealthInputs:
    """What the health of a platform's workloads is computed from.

    ``workloads``: by (kind, name). ``pvcs``: by name; None when they were not read.
    ``events``: warning events (core/v1) of the namespace.
    """

    workloads: Mapping[tuple[str, str], Object] = field(repr=False)
    pods: Sequence[Object] = field(default=(), repr=False)
    pvcs: Mapping[str, Object] | None = field(default=None, repr=False)
    events: Sequence[Object] = field(default=(), repr=False)


@dataclass(frozen=True)
class Health:
    """The health of one workload.

    ``failed``: it does not become ready without a change. ``waiting``: it waits for something
    outside of it, such as a volume.
    """

    ready: bool
    failed: bool = False
    waiting: bool = False
    problem: Finding | None = None


READY: Final = Health(ready=True)


def is_ready(workload: Object | None, *, expects_pods: bool = True) -> bool:
    """Whether all replicas of a Deployment or StatefulSet run its spec and are ready.

    What has no pod is not ready, unless none is expected: then what has one is not.
    """
    if workload is None or (workload["spec"].get("replicas", 1) > 0) is not expects_pods:
        return False
    spec, status = workload["spec"], workload.get("status", {})
    if status.get("observedGeneration", 0) < workload["metadata"]["generation"]:
        return False
    desired = spec.get("replicas", 1)
    updated = status.get("updatedReplicas", 0)
    ready = status.get("readyReplicas", 0)
    total = status.get("replicas", 0)
    if workload["kind"] == "StatefulSet":
        same = status.get("updateRevision") == status.get("currentRevision") or desired == 0
        return bool(same and ready == desired and total == desired)
    return bool(updated == desired and ready == desired and total == desired)


def is_available(workload: Object | None, *, expects_pods: bool = True) -> bool:
    """Whether a workload is ready, and has been so for its ``minReadySeconds``."""
    if workload is None or not is_ready(workload, expects_pods=expects_pods):
        return False
    status = workload.get("status", {})
    return bool(status.get("availableReplicas", 0) >= status.get("readyReplicas", 0))


def workload_health(plan: WorkloadPlan, health_inputs: HealthInputs) -> Health:
    """The health of one workload.

    ``health_inputs``: the workloads, and what explains why one is not ready.
    """
    label, expects_pods = plan.label, not plan.scaled_to_zero
    workload = health_inputs.workloads.get((plan.kind, plan.name))
    if is_ready(workload, expects_pods=expects_pods):
        return READY
    if workload is None:
        return Health(ready=False, problem=Waiting(Reason.PROGRESSING, f"{label}: not created yet"))
    if not expects_pods:
        terminating = Waiting(Reason.PROGRESSING, f"{label}: pods are terminating")
        return Health(ready=False, problem=terminating)
    if workload["spec"].get("replicas", 1) == 0:
        return Health(ready=False, failed=True, problem=_scaled_to_zero(label))
    selected = [pod for pod in health_inputs.pods if _selected(pod, workload)]
    pods = [pod for pod in selected if not pod["metadata"].get("deletionTimestamp")]
    # A pod of a lost node is terminating until the node is back; a StatefulSet waits for it.
    lost = _on_unready_node(label, pods or selected, health_inputs)
    if lost:
        return Health(ready=False, waiting=True, problem=lost)
    failure = _container_failure(plan, _of_newest_revision(pods)) or _no_pod(
        label, workload, pods, health_inputs
    )
    if failure:
        return Health(ready=False, failed=True, problem=failure)
    awaited = _unschedulable(label, pods, health_inputs) or _without_volume(
        label, pods, health_inputs
    )
    if awaited:
        return Health(ready=False, waiting=True, problem=awaited)
    return Health(ready=False, problem=_progressing(plan, pods))


def _selected(pod: Object, workload: Object) -> bool:
    labels = pod["metadata"].get("labels", {})
    return all(
        labels.get(key) == value
        for key, value in workload["spec"]["selector"]["matchLabels"].items()
    )


def _of_newest_revision(pods: Sequence[Object]) -> list[Object]:
    """Pods of the newest template: failures of older ones do not count."""
    ordered = _newest_first(pods)

    def revision(pod: Object) -> tuple[Any, ...]:
        return tuple(pod["metadata"].get("labels", {}).get(label) for label in _REVISION_LABELS)

    return [pod for pod in ordered if revision(pod) == revision(ordered[0])]


def _container_failure(plan: WorkloadPlan, pods: Iterable[Object]) -> Finding | None:
    """Why a container, or its whole pod, does not run."""
    for pod in _newest_first(pods):
        status = pod.get("status", {})
        for container in (
            *status.get("initContainerStatuses", ()),
            *status.get("containerStatuses", ()),
        ):
            reason = container.get("state", {}).get("waiting", {}).get("reason", "")
            reason = _SAME_REASON.get(reason, reason)
            if reason in _FAILURES:
                if container["name"] == VOLUME_OWNER and reason == Reason.CRASH_LOOP_BACK_OFF:
                    return Problem(Reason.VOLUME_NOT_WRITABLE, _not_writable(plan, pod))
                message = f"{plan.label}: {_failure_message(reason, container, pod)}"
                if reason == Reason.CRASH_LOOP_BACK_OFF:
                    message = _with_hint(message, plan)
                return Problem(reason, message)
        if status.get("phase") == "Failed":
            reason = status.get("reason", "PodFailed")
            return Problem(reason, f"{plan.label}: pod failed: {status.get('message', reason)}")
    return None


def is_pulled(container: Object) -> bool:
    """Whether the image of a container (an entry of ``containerStatuses``) is on the node.

    It may be without the container running, as when the image has no such command.
    """
    waiting = container.get("state", {}).get("waiting") or {}
    return bool(container.get("imageID")) or waiting.get("reason") in _IMAGE_PRESENT


def pull_failure(plan: WorkloadPlan, pod: Object) -> Finding | None:
    """Why an image of a pod is not pulled; None while nothing is reported."""
    status = pod.get("status", {})
    waiting = [each for each in status.get("containerStatuses", ()) if not is_pulled(each)]
    known = _container_failure(plan, [{**pod, "status": {"containerStatuses": waiting}}])
    if known:
        return known
    for container in waiting:
        reason = container.get("state", {}).get("waiting", {}).get("reason", "")
        if reason not in _STARTING:
            image = container.get("image", "?")
            return Problem(reason, f'{plan.label}: image "{image}" is not pulled: {reason}')
    return None


def _not_writable(plan: WorkloadPlan, pod: Object) -> str:
    """What to do about volumes that the init container cannot give to the component's user."""
    claims = [
        claim["claimName"]
        for volume in pod["spec"].get("volumes", ())
        if (claim := volume.get("persistentVolumeClaim"))
    ]
    user = pod["spec"].get("securityContext", {}).get("fsGroup", "?")
    return (
        f"{plan.label}: PVC {', '.join(map(json.dumps, claims))}: user {user} cannot write to the "
        "volume: its storage ignores fsGroup, and does not let root change the owner; give its "
        f"folder to {user}:{user} on the storage"
    )


def _failure_message(reason: str, container: Object, pod: Object) -> str:
    state = container.get("state", {})
    images = {
        each["name"]: each["image"]
        for each in (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"])
    }
    ended = container.get("lastState", {}).get("terminated") or state.get("terminated") or {}
    exit_code = (
        f" (exit code {ended['exitCode']}, {ended.get('reason', 'Error')})"
        if "exitCode" in ended
        else ""
    )
    return _FAILURES[reason].format(
        image=images.get(container["name"], "?"),
        exit=exit_code,
        detail=state.get("waiting", {}).get("message", _NO_DETAILS),
    )


def _on_unready_node(
    label: str, pods: Iterable[Object], health_inputs: HealthInputs
) -> Finding | None:
    """The node of a pod that the node controller has marked as not ready, with all of its pods."""
    for pod in _newest_first(pods):
        event = _newest_event(health_inputs.events, "Pod", pod, _NODE_NOT_READY)
        condition = _condition(pod, "Ready")
        # Since then the node may be ready again, and the pod unready for another reason.
        if event and condition.get("status") == "False" and _time(event) >= _since(condition):
            return Explanation(
                Reason.NODE_NOT_READY,
                f'{label}: node "{pod["spec"].get("nodeName", "?")}" of its pod is not ready; '
                "repair or remove the node",
            )
    return None


def _unschedulable(
    label: str, pods: Iterable[Object], health_inputs: HealthInputs
) -> Finding | None:
    """Why a pod is not scheduled: its volume, or no node fits."""
    for pod in _newest_first(pods):
        condition = _condition(pod, "PodScheduled")
        if condition.get("status") != "False":
            continue
        pvc = _pending_pvc(pod, health_inputs)
        event = _newest_event(health_inputs.events, "PersistentVolumeClaim", pvc) if pvc else None
        # A PVC may be pending only because its pod is not scheduled, for another reason.
        blames_volumes = _BLAMES_VOLUMES.search(condition.get("message", "persistent volume"))
        if pvc and (event or blames_volumes):
            return Explanation(Reason.PVC_PENDING, f"{label}: {_not_bound(pvc, event)}")
        if condition.get("reason") == "Unschedulable":
            detail = condition.get("message", _NO_DETAILS)
            return Explanation(
                Reason.UNSCHEDULABLE,
                f"{label}: pod cannot be scheduled: {detail}; check resources and taints",
            )
    return None


def _pending_pvc(pod: Object, health_inputs: HealthInputs) -> Object | None:
    for volume in pod["spec"].get("volumes", ()):
        name = volume.get("persistentVolumeClaim", {}).get("claimName")
        if name is None or health_inputs.pvcs is None:
            continue
        pvc = health_inputs.pvcs.get(name)
        if pvc is not None and pvc.get("status", {}).get("phase") == "Pending":
            return pvc
    return None


def _not_bound(pvc: Object, event: Object | None) -> str:
    """Which PVC is not bound, who should provision its volume, and what it says."""
    name, storage_class = pvc["metadata"]["name"], pvc["spec"].get("storageClassName")
    detail = f": {event['message']}" if event else " yet"
    if not storage_class:
        return (
            f'PVC "{name}" has no storage class and is not bound{detail}; make a StorageClass the '
            "default of the cluster, or create a PersistentVolume"
        )
    annotations = pvc["metadata"].get("annotations") or {}
    provisioner = next((annotations[key] for key in _PROVISIONER if key in annotations), None)
    by = f', provisioner "{provisioner}"' if provisioner else ""
    return (
        f'PVC "{name}" (storage class "{storage_class}"{by}) is not bound{detail}; '
        "check that the storage class exists and that its provisioner runs"
    )


def _without_volume(
    label: str, pods: Iterable[Object], health_inputs: HealthInputs
) -> Finding | None:
    """Why a scheduled pod does not get its volumes or its network."""
    for pod in _newest_first(pods):
        scheduled = _condition(pod, "PodScheduled")
        if _has_started(pod) or scheduled.get("status") != "True":
            continue
        since = _after(scheduled, _POD_EVENTS_COUNT_AFTER)
        event = _newest_event(health_inputs.events, "Pod", pod, *_POD_EVENTS, since=since)
        if event:
            return Problem(event["reason"], f"{label}: pod cannot start: {event['message']}")
    return None


def _has_started(pod: Object) -> bool:
    """Whether a container runs, or one that runs before it has: then the volumes are mounted."""
    status = pod.get("status", {})
    before = [each.get("state", {}) for each in status.get("initContainerStatuses", ())]
    states = [each.get("state", {}) for each in status.get("containerStatuses", ())]
    return any("terminated" in state for state in before) or any(
        "running" in state for state in (*before, *states)
    )


def _no_pod(
    label: str, workload: Object, pods: Sequence[Object], health_inputs: HealthInputs
) -> Finding | None:
    """Why no pod, or no new one, can be created: Pod Security, a quota, an admission webhook."""
    for condition in workload.get("status", {}).get("conditions", ()):
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            return Problem(
                condition.get("reason") or "FailedCreate",
                f"{label}: pod cannot be created: {condition['message']}",
            )
    if pods:  # events may be older
        return None
    applied = last_applied(workload)
    event = _newest_event(
        health_inputs.events, workload["kind"], workload, "FailedCreate", since=applied
    )
    return (
        Explanation(Reason.FAILED_CREATE, f"{label}: pod cannot be created: {event['message']}")
        if event
        else None
    )


def _scaled_to_zero(label: str) -> Finding:
    return Problem(
        Reason.SCALED_TO_ZERO,
        f"{label}: scaled to zero by another client; scale it up, or set replicas: 0 of the "
        "component in the spec",
    )


def _progressing(plan: WorkloadPlan, pods: Sequence[Object]) -> Finding:
    running = any(
        "running" in each.get("state", {})
        for pod in pods
        for each in pod.get("status", {}).get("containerStatuses", ())
    )
    if not pods:
        message = "waiting for its pod"
    elif running:
        message = _with_hint("pod is running and not ready yet", plan)
    else:
        message = "pod is starting"
    return Waiting(Reason.PROGRESSING, f"{plan.label}: {message}")


def _with_hint(message: str, plan: WorkloadPlan) -> str:
    return f"{message}; {plan.hint}" if plan.hint else message


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
    """When the operator last applied a workload, according to its managed fields."""
    times = [
        entry["time"]
        for entry in workload["metadata"].get("managedFields", ())
        if entry.get("manager") == keys.FIELD_MANAGER
        and not entry.get("subresource")
        and "time" in entry
    ]
    return max(map(dt.datetime.fromisoformat, times), default=None)


def unready_since(workload: Object, pods: Iterable[Object]) -> dt.datetime | None:
    """When the newest unready pod of a workload became unready; None when all are ready."""
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
    """The newest event about this object; an earlier object of the same name has another uid."""
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


def _after(condition: Mapping[str, Any], delay: dt.timedelta) -> dt.datetime | None:
    """Some time after the condition became what it is; None if that is unknown."""
    since = _since(condition)
    return dt.datetime.fromisoformat(since) + delay if since else None


def _since(condition: Mapping[str, Any]) -> str:
    return str(condition.get("lastTransitionTime") or "")


def _time(event: Object) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or "")
