"""The test cluster behaves like a real one, as far as tests of the operator rely on it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.binaries import KUBERNETES_VERSION
from tests.cluster.control_plane import ControlPlane, free_port
from tests.cluster.simulated_nodes import BEHAVIOUR
from tests.cluster.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("simulated_nodes")]

Manifest = dict[str, Any]
SECONDS = 30
"""Deadline for conditions that are usually met within a second."""


@pytest.fixture
def apply(control_plane: ControlPlane, namespace: str) -> Callable[..., None]:
    def apply(*manifests: Manifest) -> None:
        document = json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})
        control_plane.kubectl(
            "apply",
            "--server-side",
            "--force-conflicts",
            f"--namespace={namespace}",
            "-f-",
            stdin=document,
        )

    return apply


@pytest.fixture
def pod(control_plane: ControlPlane, namespace: str) -> Callable[[str], Manifest]:
    def read(name: str) -> Manifest:
        found: Manifest | None = control_plane.api.find(
            f"/api/v1/namespaces/{namespace}/pods/{name}"
        )
        return found or {"status": {}}

    return read


def wait(check: Callable[[], Any], what: str) -> Any:
    return wait_until(check, what, seconds=SECONDS, every=0.05)


def test_servers_and_client_report_their_version(control_plane: ControlPlane) -> None:
    versions = json.loads(control_plane.kubectl("version", "-o", "json").stdout)
    assert versions["serverVersion"]["gitVersion"] == f"v{KUBERNETES_VERSION}"
    assert versions["clientVersion"]["gitVersion"] == f"v{KUBERNETES_VERSION}"


def test_helm_works(control_plane: ControlPlane, namespace: str) -> None:
    listed = subprocess.run(
        [
            control_plane.binaries.helm,
            f"--kubeconfig={control_plane.kubeconfig}",
            "list",
            "-n",
            namespace,
            "-o",
            "json",
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=SECONDS,
        env={"PATH": os.defpath, "HOME": str(control_plane.folder)},
    )
    assert json.loads(listed.stdout) == []


def test_service_account_token_has_no_further_permissions(
    control_plane: ControlPlane, namespace: str
) -> None:
    token = control_plane.kubectl(
        "create", "token", "default", f"--namespace={namespace}"
    ).stdout.strip()
    kubeconfig = control_plane.kubeconfig_for_token(token, f"default-{namespace}")
    asked = control_plane.kubectl(
        f"--kubeconfig={kubeconfig}", "get", "pods", f"--namespace={namespace}", check=False
    )
    assert "forbidden" in asked.stderr
    assert f"system:serviceaccount:{namespace}:default" in asked.stderr


def test_pod_security_is_enforced(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.kubectl(
        "label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted"
    )
    refused = control_plane.kubectl(
        "run", "any", "--image=any", f"--namespace={namespace}", check=False
    )
    assert 'violates PodSecurity "restricted' in refused.stderr


def test_deployment_becomes_ready_on_both_nodes(
    control_plane: ControlPlane, namespace: str, apply: Callable[..., None]
) -> None:
    apply(_workload("Deployment", "web", "example.com/web:1", replicas=3))
    control_plane.kubectl(
        "rollout", "status", "deployment/web", f"--namespace={namespace}", f"--timeout={SECONDS}s"
    )
    pods = control_plane.api.get(f"/api/v1/namespaces/{namespace}/pods")["items"]
    addresses = {pod["status"]["podIP"] for pod in pods}
    assert len(addresses) == 3
    assert {pod["spec"]["nodeName"] for pod in pods} == {"node-1", "node-2"}
    assert all(
        "running" in status["state"]
        for pod in pods
        for status in pod["status"]["containerStatuses"]
    )


def test_job_completes_and_crashing_job_fails(
    control_plane: ControlPlane, namespace: str, apply: Callable[..., None]
) -> None:
    apply(_job("good", "example.com/job:1"), _job("bad", "example.com/job:crash"))
    for name, condition in (("good", "Complete"), ("bad", "Failed")):
        control_plane.kubectl(
            "wait",
            f"job/{name}",
            f"--for=condition={condition}",
            f"--namespace={namespace}",
            f"--timeout={SECONDS}s",
        )


@pytest.mark.parametrize(
    "storage_class", ["simulated", pytest.param("simulated-late", marks=pytest.mark.long)]
)
def test_pvc_is_bound_expanded_and_deleted_with_its_volume(
    control_plane: ControlPlane, namespace: str, apply: Callable[..., None], storage_class: str
) -> None:
    pvc_path = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/data"
    storage = {} if storage_class == "simulated" else {"storageClassName": storage_class}
    apply(
        _pvc("data", "1Gi", **storage),
        _with_pvc(_workload("StatefulSet", "db", "example.com/db:1"), "data"),
    )
    control_plane.kubectl(
        "rollout", "status", "statefulset/db", f"--namespace={namespace}", f"--timeout={SECONDS}s"
    )
    pvc = control_plane.api.get(pvc_path)
    assert pvc["status"]["phase"] == "Bound"
    assert pvc["spec"]["storageClassName"] == storage_class

    apply(_pvc("data", "2Gi", **storage))
    volume_path = f"/api/v1/persistentvolumes/{pvc['spec']['volumeName']}"
    wait(
        lambda: control_plane.api.get(pvc_path)["status"]["capacity"]["storage"] == "2Gi",
        "the PVC to be expanded",
    )
    assert control_plane.api.get(volume_path)["spec"]["capacity"]["storage"] == "2Gi"

    control_plane.kubectl(
        "delete", "statefulset/db", "pvc/data", f"--namespace={namespace}", f"--timeout={SECONDS}s"
    )
    wait(lambda: control_plane.api.find(volume_path) is None, "the volume to be deleted")


def test_pvc_without_provisioner_keeps_its_pod_pending(
    control_plane: ControlPlane,
    apply: Callable[..., None],
    pod: Callable[[str], Manifest],
    namespace: str,
) -> None:
    apply(
        _pvc("data", "1Gi", storageClassName="simulated-never"),
        _with_pvc(_workload("StatefulSet", "db", "example.com/db:1"), "data"),
    )

    def unscheduled() -> bool:
        """At the first attempt, the scheduler may not have seen the PVC yet."""
        condition = _condition(pod("db-0"), "PodScheduled")
        assert condition.get("status") != "True"
        return "unbound immediate PersistentVolumeClaims" in condition.get("message", "")

    wait(unscheduled, "the scheduler to report the PVC")


@pytest.mark.parametrize(
    "by",
    [
        "tag",
        pytest.param("annotation", marks=pytest.mark.long),
        pytest.param("label", marks=pytest.mark.long),
    ],
)
def test_pod_that_never_becomes_ready(
    apply: Callable[..., None], pod: Callable[[str], Manifest], by: str
) -> None:
    apply(_misbehaving_pod("never-ready", by))
    wait(lambda: _statuses(pod("one")), "the pod's containers")
    assert pod("one")["status"]["phase"] == "Running"
    assert "running" in _statuses(pod("one"))["main"]["state"]
    assert not _statuses(pod("one"))["main"]["ready"]
    assert _condition(pod("one"), "Ready")["status"] == "False"


@pytest.mark.parametrize("by", [pytest.param("annotation", marks=pytest.mark.long), "tag"])
def test_crash_loop(apply: Callable[..., None], pod: Callable[[str], Manifest], by: str) -> None:
    apply(_misbehaving_pod("crash", by))
    wait(lambda: _waiting_reason(pod("one")) == "CrashLoopBackOff", "the crash loop")
    status = _statuses(pod("one"))["main"]
    assert status["lastState"]["terminated"]["exitCode"] == 1
    first = status["restartCount"]
    assert first >= 1
    wait(lambda: _statuses(pod("one"))["main"]["restartCount"] > first, "another restart")


@pytest.mark.parametrize("by", [pytest.param("annotation", marks=pytest.mark.long), "tag"])
def test_image_that_does_not_exist(
    apply: Callable[..., None], pod: Callable[[str], Manifest], by: str
) -> None:
    apply(_misbehaving_pod("does-not-exist", by))
    wait(lambda: _waiting_reason(pod("one")) == "ImagePullBackOff", "the pull to fail")
    assert pod("one")["status"]["phase"] == "Pending"
    wait(lambda: _waiting_reason(pod("one")) == "ErrImagePull", "the pull to be tried again")


@pytest.mark.parametrize("by", ["annotation", pytest.param("tag", marks=pytest.mark.long)])
def test_pod_waits_for_its_mount_and_recovers(
    control_plane: ControlPlane,
    namespace: str,
    apply: Callable[..., None],
    pod: Callable[[str], Manifest],
    by: str,
) -> None:
    apply(_misbehaving_pod("waits-for-mount", by))
    wait(lambda: _waiting_reason(pod("one")) == "ContainerCreating", "the pod to wait")
    assert pod("one")["status"]["phase"] == "Pending"
    get_reasons = ("get", "events", f"--namespace={namespace}", "-o", "jsonpath={.items[*].reason}")
    wait(lambda: "FailedMount" in control_plane.kubectl(*get_reasons).stdout, "the event")
    if by == "annotation":
        control_plane.kubectl("annotate", "pod/one", f"{BEHAVIOUR}-", f"--namespace={namespace}")
        wait(lambda: _is_ready(pod("one")), "the pod to become ready")


@pytest.mark.long
def test_image_tag_affects_only_its_container(
    apply: Callable[..., None], pod: Callable[[str], Manifest]
) -> None:
    manifest = _misbehaving_pod("crash", "tag")
    manifest["spec"]["containers"].append({"name": "side", "image": "example.com/side:1"})
    apply(manifest)
    wait(lambda: _waiting_reason(pod("one")) == "CrashLoopBackOff", "the crash loop")
    assert _statuses(pod("one"))["side"]["ready"]
    assert not _is_ready(pod("one"))


@pytest.mark.long
def test_ready_pod_fails_and_recovers(
    control_plane: ControlPlane,
    namespace: str,
    apply: Callable[..., None],
    pod: Callable[[str], Manifest],
) -> None:
    apply(_pod("example.com/one:1"))
    wait(lambda: _is_ready(pod("one")), "the pod to become ready")
    for behaviour in ("never-ready", "crash"):
        control_plane.kubectl(
            "annotate", "pod/one", f"{BEHAVIOUR}={behaviour}", f"--namespace={namespace}"
        )
        wait(lambda: not _is_ready(pod("one")), f"the pod to be {behaviour}")
        control_plane.kubectl("annotate", "pod/one", f"{BEHAVIOUR}-", f"--namespace={namespace}")
        wait(lambda: _is_ready(pod("one")), "the pod to recover")


@pytest.mark.parametrize(
    "tag",
    [
        "does-not-exist",
        *(pytest.param(tag, marks=pytest.mark.long) for tag in ("crash", "never-ready")),
    ],
)
def test_stateful_set_recovers_from_a_bad_image(
    control_plane: ControlPlane,
    namespace: str,
    apply: Callable[..., None],
    pod: Callable[[str], Manifest],
    tag: str,
) -> None:
    apply(_workload("StatefulSet", "db", f"example.com/db:{tag}", podManagementPolicy="Parallel"))
    wait(lambda: _statuses(pod("db-0")), "the bad pod")
    assert not _is_ready(pod("db-0"))
    apply(_workload("StatefulSet", "db", "example.com/db:1", podManagementPolicy="Parallel"))
    control_plane.kubectl(
        "rollout", "status", "statefulset/db", f"--namespace={namespace}", f"--timeout={SECONDS}s"
    )
    assert _statuses(pod("db-0"))["main"]["image"] == "example.com/db:1"


@pytest.mark.long
@pytest.mark.parametrize("abruptly", [False, True])
def test_api_server_can_be_restarted(
    control_plane: ControlPlane,
    namespace: str,
    apply: Callable[..., None],
    pod: Callable[[str], Manifest],
    abruptly: bool,
) -> None:
    url = control_plane.url
    control_plane.stop_api_server(abruptly=abruptly)
    try:
        with pytest.raises(OSError, match="refused"):
            control_plane.api.get("/version")
    finally:
        control_plane.start_api_server()
    assert control_plane.url == url
    apply(_pod("example.com/one:1"))
    wait(lambda: _is_ready(pod("one")), "a pod to become ready afterwards")


@pytest.mark.long
def test_port_in_use_is_replaced_by_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The one who has the port never answers; from the API server's second try on, it is asked."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        busy = taken.getsockname()[1]
        ports = [busy, free_port(), busy, busy, free_port()]
        expected = f"https://127.0.0.1:{ports[-1]}"
        monkeypatch.setattr("tests.cluster.control_plane.free_port", lambda: ports.pop(0))
        with ControlPlane() as second:
            assert second.url == expected
            assert second.api.get("/version")


@pytest.mark.long
@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
def test_servers_exit_with_the_process_that_started_them(ending: signal.Signals) -> None:
    """Also shows that a second cluster can run beside the first."""
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-m", "tests.cluster.up"],
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as run:
        assert run.stdout is not None
        written = []
        for line in run.stdout:
            written.append(line)
            if "KUBECONFIG=" in line:
                break
        else:
            pytest.fail("".join(written))
        folder = str(Path(line.strip().partition("=")[2]).parent)
        assert len(_processes_of(folder)) >= 5
        run.send_signal(ending)
        killed = time.monotonic()
        run.stdout.read()
        wait_until(lambda: not _processes_of(folder), "the servers to end", seconds=15)
    print(f"gone after {time.monotonic() - killed:.1f} s")
    if ending == signal.SIGTERM:
        assert run.returncode == 0
        assert not Path(folder).exists()


def _processes_of(folder: str) -> list[str]:
    """Command lines that contain the path of the folder."""
    listed = subprocess.run(
        ["ps", "-A", "-ww", "-o", "args="], capture_output=True, text=True, check=True
    )
    return [line for line in listed.stdout.splitlines() if folder in line]


def _statuses(pod: Manifest) -> Manifest:
    return {status["name"]: status for status in pod["status"].get("containerStatuses", [])}


def _waiting_reason(pod: Manifest) -> str:
    main = _statuses(pod).get("main", {"state": {}})
    reason: str = main["state"].get("waiting", {}).get("reason", "")
    return reason


def _condition(pod: Manifest, kind: str) -> Manifest:
    return next(
        (found for found in pod["status"].get("conditions", []) if found["type"] == kind), {}
    )


def _is_ready(pod: Manifest) -> bool:
    return _condition(pod, "Ready").get("status") == "True"


def _pod(image: str, **metadata: Any) -> Manifest:
    containers = [{"name": "main", "image": image}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "one", **metadata},
        "spec": {"containers": containers},
    }


def _misbehaving_pod(behaviour: str, by: str) -> Manifest:
    match by:
        case "annotation":
            return _pod("example.com/one:1", annotations={BEHAVIOUR: behaviour})
        case "label":
            return _pod("example.com/one:1", labels={BEHAVIOUR: behaviour})
        case _:
            return _pod(f"example.com:5000/one:{behaviour}")


def _workload(kind: str, name: str, image: str, *, replicas: int = 1, **spec: Any) -> Manifest:
    labels = {"app": name}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "main", "image": image}]},
    }
    if kind == "StatefulSet":
        spec["serviceName"] = name
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": template,
            **spec,
        },
    }


def _with_pvc(workload: Manifest, pvc: str) -> Manifest:
    pod = workload["spec"]["template"]["spec"]
    pod["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": pvc}}]
    pod["containers"][0]["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
    return workload


def _pvc(name: str, size: str, **spec: Any) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": size}},
            **spec,
        },
    }


def _job(name: str, image: str) -> Manifest:
    pod = {"restartPolicy": "Never", "containers": [{"name": "main", "image": image}]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"backoffLimit": 0, "template": {"spec": pod}},
    }
