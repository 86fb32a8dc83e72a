"""Why a workload is not ready: each cause by its own reason, and never a container's output."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from pryv_operator.api.kubernetes import Object
from pryv_operator.desired.state import WorkloadPlan
from pryv_operator.live import reduce
from pryv_operator.live.health import (
    READY,
    Health,
    HealthInputs,
    is_available,
    is_ready,
    unready_since,
    workload_health,
)
from tests.unit.builders import texts

HINT = "allow egress"
OUTPUT = "what the container wrote last"


def deployment(kind: str = "Deployment", **status: Any) -> Object:
    ready: dict[str, Any] = {
        "observedGeneration": 2,
        "replicas": 1,
        "updatedReplicas": 1,
        "readyReplicas": 1,
    }
    if kind == "StatefulSet":
        ready |= {"currentRevision": "r2", "updateRevision": "r2"}
    return {
        "kind": kind,
        "metadata": {"name": "acme-co1-core", "generation": 2},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"component": "core"}}},
        "status": ready | status,
    }


def pod(
    name: str = "p1",
    *,
    labels: dict[str, str] | None = None,
    created: str = "2026-01-01T00:00:00Z",
    **status: Any,
) -> Object:
    return {
        "metadata": {
            "name": name,
            "labels": {"component": "core"} if labels is None else labels,
            "creationTimestamp": created,
        },
        "spec": {
            "containers": [{"name": "core", "image": "core:1"}],
            "initContainers": [{"name": "logs", "image": "core:1"}],
            "volumes": [
                {"name": "data", "persistentVolumeClaim": {"claimName": "acme-co1-core-data"}}
            ],
        },
        "status": {"conditions": [{"type": "PodScheduled", "status": "True"}], **status},
    }


def waiting(
    reason: str, message: str = OUTPUT, *, kind: str = "containerStatuses", **more: Any
) -> dict[str, Any]:
    """A waiting container, with its last output where the cluster puts it."""
    ended = {"terminated": {"exitCode": 7, "reason": "Error", "message": OUTPUT}}
    name = "core" if kind == "containerStatuses" else "logs"
    return {
        kind: [
            {
                "name": name,
                "state": {"waiting": {"reason": reason, "message": message}},
                "lastState": ended,
                **more,
            }
        ]
    }


def unscheduled(message: str, reason: str = "Unschedulable") -> dict[str, Any]:
    return {
        "conditions": [
            {"type": "PodScheduled", "status": "False", "reason": reason, "message": message}
        ]
    }


def event(
    kind: str, name: str, reason: str, message: str, at: str = "2026-01-01T00:00:00Z"
) -> Object:
    return {
        "involvedObject": {"kind": kind, "name": name},
        "reason": reason,
        "message": message,
        "lastTimestamp": at,
    }


UNREADY = deployment(readyReplicas=0)
PENDING = {
    "acme-co1-core-data": {
        "metadata": {
            "name": "acme-co1-core-data",
            "annotations": {"volume.kubernetes.io/storage-provisioner": "ebs.csi.aws.com"},
        },
        "spec": {"storageClassName": "fast"},
        "status": {"phase": "Pending"},
    }
}


def of(workload: Object | None = UNREADY, *pods: Object, **health_inputs: Any) -> Health:
    kind = workload["kind"] if workload else "Deployment"
    there = {(kind, "acme-co1-core"): workload} if workload else {}
    plan = WorkloadPlan(kind, "acme-co1-core", "co1/core", hint=HINT)
    return workload_health(plan, HealthInputs(there, pods=pods, **health_inputs))


def reason(found: Health) -> str:
    assert found.problem is not None
    assert found.problem.message.startswith("co1/core: ")
    assert OUTPUT not in set(texts(found.problem.message))
    assert OUTPUT not in found.problem.message
    return found.problem.reason


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_ready(kind: str) -> None:
    assert is_ready(deployment(kind))
    assert of(deployment(kind)) == READY


@pytest.mark.parametrize(
    "workload",
    [
        deployment(observedGeneration=1),
        deployment(replicas=2),
        deployment(updatedReplicas=0),
        deployment(readyReplicas=0),
        deployment("StatefulSet", readyReplicas=0),
        deployment("StatefulSet", updateRevision="r3"),
        deployment("StatefulSet", observedGeneration=1),
        {**deployment(), "status": {}},
        None,
    ],
)
def test_not_ready(workload: Object | None) -> None:
    assert not is_ready(workload)


def test_scaled_to_zero_by_the_spec_is_ready() -> None:
    for kind in ("Deployment", "StatefulSet"):
        item = {
            **deployment(kind),
            "status": {"observedGeneration": 2, "currentRevision": "a", "updateRevision": "b"},
        }
        item["spec"] = item["spec"] | {"replicas": 0}
        assert is_ready(item, expects_pods=False)
        assert not is_ready(deployment(kind), expects_pods=False), "its pod has not terminated yet"


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_zero_pods_are_not_ready_unless_the_spec_says_so(kind: str) -> None:
    """``kubectl scale --replicas=0``, or an autoscaler."""
    item = deployment(kind, replicas=0, readyReplicas=0, updatedReplicas=0)
    item["spec"] = item["spec"] | {"replicas": 0}
    assert not is_ready(item)
    assert not is_available(item)
    assert reason(of(item)) == "ScaledToZero"


@pytest.mark.parametrize("kind", ["containerStatuses", "initContainerStatuses"])
@pytest.mark.parametrize("why", ["ImagePullBackOff", "ErrImagePull"])
def test_an_image_that_cannot_be_pulled_is_named(why: str, kind: str) -> None:
    found = of(UNREADY, pod(**waiting(why, kind=kind)))
    assert reason(found) == "ImagePullBackOff", "one name, so that the status does not flicker"
    assert found.failed
    assert "core:1" in str(found.problem)


def test_a_crash_is_reported_by_its_exit_code_without_output() -> None:
    found = of(UNREADY, pod(**waiting("CrashLoopBackOff")))
    assert reason(found) == "CrashLoopBackOff"
    assert found.failed
    assert "exit code 7" in str(found.problem)


def test_a_volume_that_its_user_cannot_write_to() -> None:
    status = waiting("CrashLoopBackOff", kind="initContainerStatuses")
    status["initContainerStatuses"][0]["name"] = "volume-owner"
    failing = pod(**status)
    failing["spec"]["securityContext"] = {"fsGroup": 9999}
    assert reduce.pod(failing)["spec"]["securityContext"] == {"fsGroup": 9999}
    found = of(UNREADY, failing)
    assert reason(found) == "VolumeNotWritable"
    assert found.failed
    assert 'PVC "acme-co1-core-data"' in str(found.problem)
    assert "9999:9999" in str(found.problem)


@pytest.mark.parametrize(
    "why", ["CreateContainerConfigError", "CreateContainerError", "InvalidImageName"]
)
def test_a_container_that_cannot_be_created(why: str) -> None:
    found = of(UNREADY, pod(**waiting(why, 'secret "x" not found')))
    assert reason(found) == why
    assert found.failed


def test_a_pod_without_a_node() -> None:
    found = of(UNREADY, pod(**unscheduled("0/3 nodes are available: 3 Insufficient cpu.")))
    assert reason(found) == "Unschedulable"
    assert found.waiting
    assert not found.failed
    assert "Insufficient cpu" in str(found.problem)


def test_a_pvc_without_a_volume() -> None:
    missing = pod(
        **unscheduled("0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.")
    )
    found = of(UNREADY, missing, pvcs=PENDING)
    assert reason(found) == "PVCPending"
    assert all(
        word in str(found.problem) for word in ("acme-co1-core-data", '"fast"', '"ebs.csi.aws.com"')
    )
    why = event(
        "PersistentVolumeClaim",
        "acme-co1-core-data",
        "ProvisioningFailed",
        "storageclass fast not found",
    )
    assert "storageclass fast not found" in str(
        of(UNREADY, missing, pvcs=PENDING, events=[why]).problem
    )


@pytest.mark.parametrize("storage_class", [{}, {"storageClassName": ""}])
def test_a_pvc_without_a_storage_class(storage_class: dict[str, str]) -> None:
    missing = pod(
        **unscheduled("0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.")
    )
    pvc = {**PENDING["acme-co1-core-data"], "metadata": {"name": "a"}, "spec": storage_class}
    found = of(UNREADY, missing, pvcs={"acme-co1-core-data": pvc})
    assert "no storage class" in str(found.problem)


def unready(since: str) -> dict[str, Any]:
    condition = {"type": "Ready", "status": "False", "lastTransitionTime": since}
    return {"conditions": [{"type": "PodScheduled", "status": "True"}, condition]}


@pytest.mark.parametrize("terminating", [False, True])
def test_a_node_that_is_not_ready_is_named(terminating: bool) -> None:
    lost = pod(**unready("2026-01-02T00:00:00Z"))
    lost["spec"]["nodeName"] = "node-7"
    if terminating:  # the pod of a StatefulSet, five minutes later
        lost["metadata"]["deletionTimestamp"] = "2026-01-02T00:05:00Z"
    why = event("Pod", "p1", "NodeNotReady", "Node is not ready", "2026-01-02T00:00:00Z")
    found = of(deployment("StatefulSet", readyReplicas=0), lost, events=[why])
    assert reason(found) == "NodeNotReady"
    assert found.waiting
    assert '"node-7"' in str(found.problem)


def test_a_node_that_is_ready_again_is_not_the_cause() -> None:
    why = event("Pod", "p1", "NodeNotReady", "Node is not ready", "2026-01-02T00:00:00Z")
    crashing = pod(**{**unready("2026-01-02T00:10:00Z"), **waiting("CrashLoopBackOff")})
    assert reason(of(UNREADY, crashing, events=[why])) == "CrashLoopBackOff"
    elsewhere = pod("p2", created="2026-01-02T00:05:00Z")
    lost = pod(**unready("2026-01-02T00:00:00Z"))
    lost["metadata"]["deletionTimestamp"] = "2026-01-02T00:05:00Z"
    assert reason(of(UNREADY, lost, elsewhere, events=[why])) == "Progressing"


def test_a_pvc_that_waits_for_its_pod_is_not_the_cause() -> None:
    """With WaitForFirstConsumer a PVC stays pending until its pod has a node."""
    found = of(
        UNREADY,
        pod(**unscheduled("0/3 nodes are available: 3 Insufficient memory.")),
        pvcs=PENDING,
    )
    assert reason(found) == "Unschedulable"


def test_a_volume_that_cannot_be_mounted() -> None:
    events = [
        event("Pod", "p1", "BackOff", "something else", "2026-01-03T00:00:00Z"),
        event("Pod", "p1", "FailedMount", "an older word"),
        event("Pod", "p1", "FailedMount", "MountVolume.SetUp failed", "2026-01-02T00:00:00Z"),
        event("Pod", "another", "FailedMount", "not of this pod", "2026-01-04T00:00:00Z"),
    ]
    found = of(UNREADY, pod(**waiting("ContainerCreating")), events=events)
    assert reason(found) == "FailedMount"
    assert found.waiting
    assert "MountVolume.SetUp failed" in str(found.problem)


@pytest.mark.parametrize(
    ("at", "expected"),
    [("00:00:01", "Progressing"), ("00:00:59", "Progressing"), ("00:01:10", "FailedMount")],
)
def test_a_failure_to_mount_counts_when_it_lasts(at: str, expected: str) -> None:
    """The node of a new pod does not know its ConfigMaps yet, and tries again at once."""
    new = pod(**waiting("ContainerCreating"))
    new["status"]["conditions"][0]["lastTransitionTime"] = "2026-01-02T00:01:00Z"
    mount = event("Pod", "p1", "FailedMount", "no such Secret", f"2026-01-02T{at}Z")
    assert reason(of(UNREADY, new, events=[mount])) == expected


@pytest.mark.parametrize(
    "state", [{"running": {}}, {"terminated": {"exitCode": 0, "reason": "Completed"}}]
)
def test_a_pod_whose_first_container_has_started_has_its_volumes(state: dict[str, Any]) -> None:
    started = {
        "initContainerStatuses": [{"name": "dependencies", "state": state}],
        **waiting("PodInitializing"),
    }
    mount = event("Pod", "p1", "FailedMount", "once")
    assert reason(of(UNREADY, pod(**started), events=[mount])) == "Progressing"


def test_the_hint_of_a_component_is_shown_where_it_may_be_the_cause() -> None:
    running: dict[str, Any] = {"containerStatuses": [{"name": "core", "state": {"running": {}}}]}
    for status in (waiting("CrashLoopBackOff"), running):
        found = of(UNREADY, pod(**status)).problem
        assert found
        assert found.message.endswith(f"; {HINT}")
    for status in (waiting("ImagePullBackOff"), unscheduled("no node"), {}):
        assert HINT not in str(of(UNREADY, pod(**status)).problem)


def test_a_running_pod_has_its_volumes() -> None:
    running: dict[str, Any] = {"containerStatuses": [{"name": "core", "state": {"running": {}}}]}
    found = of(UNREADY, pod(**running), events=[event("Pod", "p1", "FailedMount", "once")])
    assert reason(found) == "Progressing"
    assert not found.waiting


@pytest.mark.parametrize(
    "message",
    [
        'pods "x" is forbidden: exceeded quota',
        'pods "x" is forbidden: violates PodSecurity "restricted"',
    ],
)
@pytest.mark.parametrize(
    "old_pods", [(), (pod("old", containerStatuses=[{"name": "core", "state": {"running": {}}}]),)]
)
def test_no_new_pod_can_be_created(message: str, old_pods: tuple[Object, ...]) -> None:
    """The old pod of a Deployment keeps running meanwhile."""
    failure = {
        "type": "ReplicaFailure",
        "status": "True",
        "reason": "FailedCreate",
        "message": message,
    }
    found = of(deployment(updatedReplicas=0, conditions=[failure]), *old_pods)
    assert reason(found) == "FailedCreate"
    assert found.failed
    assert message in str(found.problem)


def test_a_stateful_set_reports_it_only_by_an_event() -> None:
    item = deployment("StatefulSet", readyReplicas=0, replicas=0)
    events = [
        event("StatefulSet", "acme-co1-core", "FailedCreate", "exceeded quota"),
        event(
            "StatefulSet", "acme-reg-redis", "FailedCreate", "of another", "2026-01-02T00:00:00Z"
        ),
    ]
    found = of(item, events=events)
    assert reason(found) == "FailedCreate"
    assert found.failed
    assert "exceeded quota" in str(found.problem)
    assert reason(of(item, pod(), events=events)) == "Progressing"


def test_events_of_an_earlier_object_of_the_name_are_ignored() -> None:
    """The pods of a StatefulSet keep their names when they are recreated."""
    mount = event("Pod", "p1", "FailedMount", "no such Secret")
    mount["involvedObject"]["uid"] = "former"
    now = pod()
    now["metadata"]["uid"] = "present"
    assert reason(of(UNREADY, now, events=[mount])) == "Progressing"
    mount["involvedObject"]["uid"] = "present"
    assert reason(of(UNREADY, now, events=[mount])) == "FailedMount"


def test_failures_to_create_pods_before_the_last_apply_are_ignored() -> None:
    item = deployment("StatefulSet", readyReplicas=0, replicas=0)
    item["metadata"] |= {
        "managedFields": [
            {"manager": "pryv-operator", "operation": "Apply", "time": "2026-01-01T00:10:00Z"}
        ]
    }
    before = event(
        "StatefulSet", "acme-co1-core", "FailedCreate", "exceeded quota", "2026-01-01T00:09:59Z"
    )
    assert reason(of(item, events=[before])) == "Progressing"
    after = event(
        "StatefulSet", "acme-co1-core", "FailedCreate", "exceeded quota", "2026-01-01T00:10:00Z"
    )
    assert reason(of(item, events=[before, after])) == "FailedCreate"


def test_since_when_a_pod_is_not_ready() -> None:
    def at(name: str, ready: str, when: str, **labels: str) -> Object:
        found = pod(name, labels={"component": "core", **labels})
        found["status"]["conditions"] = [
            {"type": "Ready", "status": ready, "lastTransitionTime": when}
        ]
        return found

    there = [at("a", "False", "2026-01-01T00:05:00Z"), at("b", "True", "2026-01-01T00:09:00Z")]
    other = at("c", "False", "2026-01-01T00:08:00Z", component="hfs")
    assert unready_since(UNREADY, [*there, other]) == dt.datetime(2026, 1, 1, 0, 5, tzinfo=dt.UTC)
    assert unready_since(UNREADY, [there[1], pod()]) is None


def test_an_evicted_pod() -> None:
    found = of(
        UNREADY,
        pod(
            phase="Failed",
            reason="Evicted",
            message="The node was low on resource: ephemeral-storage.",
        ),
    )
    assert reason(found) == "Evicted"


def test_the_newest_pod_decides() -> None:
    older = pod("z", created="2026-01-01T00:00:00Z", **waiting("CrashLoopBackOff"))
    newer = pod("a", created="2026-01-02T00:00:00Z", **waiting("ErrImagePull"))
    assert reason(of(UNREADY, older, newer)) == "ImagePullBackOff"


def test_other_pods_and_deleted_ones_are_ignored() -> None:
    going = pod(**waiting("CrashLoopBackOff"))
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    other = pod(labels={"component": "hfs"}, **waiting("CrashLoopBackOff"))
    assert reason(of(UNREADY, going, other)) == "Progressing"


@pytest.mark.parametrize(
    ("workload", "pods", "said"),
    [
        (None, (), "not created yet"),
        (UNREADY, (), "waiting for its pod"),
        (UNREADY, (pod(),), "is starting"),
        (
            UNREADY,
            (pod(containerStatuses=[{"name": "core", "state": {"running": {}}}]),),
            "not ready yet",
        ),
    ],
)
def test_progressing(workload: Object | None, pods: tuple[Object, ...], said: str) -> None:
    found = of(workload, *pods)
    assert reason(found) == "Progressing"
    assert not found.failed
    assert said in str(found.problem)


def test_failures_of_old_pods_are_ignored() -> None:
    old = pod(
        "old", labels={"component": "core", "pod-template-hash": "a"}, **waiting("CrashLoopBackOff")
    )
    new = pod(
        "new",
        labels={"component": "core", "pod-template-hash": "b"},
        created="2026-01-01T00:01:00Z",
    )
    assert reason(of(UNREADY, old, new)) == "Progressing"
    assert reason(of(UNREADY, old)) == "CrashLoopBackOff"
