"""`helm test`: the chart's test has the operator reconcile a platform, and removes it again.

No container runs on simulated nodes: the tests start the command of the pod themselves, with the
token of its ServiceAccount.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.api.fixtures import CHART, helm
from tests.api.operator_process import CODE
from tests.api.platforms import MANAGED_KINDS, PlatformUser
from tests.cluster.fixtures import new_namespace
from tests.cluster.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.api.operator_process import OperatorProcess
    from tests.cluster.control_plane import ControlPlane

pytestmark = pytest.mark.cluster

Object = dict[str, Any]

TEST_POD = "tested-pryv-operator-test"


def start(arguments: list[str], kubeconfig: Path) -> subprocess.Popen[str]:
    """Start the command of the test's pod; its own credentials are those of a kubeconfig."""
    command = [sys.executable, "-c", CODE, *arguments, f"--kubeconfig={kubeconfig}"]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ}
    )


def remaining(user: PlatformUser) -> list[str]:
    """What is left of test platforms, also of kinds that the command may not list."""
    return [
        f"{each['kind']} {each['metadata']['name']}"
        for each in user.list(f"pryvplatforms,{MANAGED_KINDS}", labels=None)
        if "self-test" in each["metadata"]["name"]
    ]


@pytest.fixture
def room(control_plane: ControlPlane, operator: OperatorProcess) -> Iterator[PlatformUser]:
    """A namespace; nothing of a test platform may remain in it."""
    with new_namespace(control_plane) as name:
        user = PlatformUser(control_plane, name)
        yield user
        wait_until(lambda: not remaining(user), "test platforms to be deleted", seconds=30)


def run_self_test(user: PlatformUser, *arguments: str) -> tuple[int, str]:
    """Run the command as an administrator in the namespace."""
    process = start(
        ["self-test", f"--namespace={user.namespace}", *arguments], user.control_plane.kubeconfig
    )
    output = process.communicate(timeout=90)[0]
    return process.returncode, output


def test_helm_test_shows_a_reconciliation_with_the_permissions_of_its_own_account(
    room: PlatformUser, tmp_path: Path
) -> None:
    """The release is one of its own, whose pod no simulated node runs."""
    control_plane, namespace = room.control_plane, room.namespace
    helm(
        control_plane,
        *("install", "tested", str(CHART), f"--namespace={namespace}"),
        *("--set=crds.install=false,replicas=0", "--set=nodeSelector.none=none"),
    )
    testing = subprocess.Popen(
        [control_plane.binaries.helm, "test", "tested", f"--namespace={namespace}"],
        env={"HOME": str(tmp_path), "KUBECONFIG": str(control_plane.kubeconfig)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    pod = wait_until(lambda: room.find("pod", TEST_POD), "helm to create the pod", seconds=30)
    (container,) = pod["spec"]["containers"]
    assert container["command"] == ["pryv-operator", "self-test"]
    assert f"--namespace={namespace}" in container["args"]
    assert pod["spec"]["serviceAccountName"] == TEST_POD
    token = room.kubectl("create", "token", TEST_POD).strip()
    process = start(
        ["self-test", *(each for each in container["args"] if each != "--in-cluster")],
        control_plane.kubeconfig_for_token(token, "self-test"),
    )
    output = process.communicate(timeout=90)[0]
    room.patch(
        "pod",
        TEST_POD,
        {"status": {"phase": "Failed" if process.returncode else "Succeeded"}},
        subresource="status",
    )
    answer = testing.communicate(timeout=90)[0]

    assert process.returncode == 0, output + answer
    assert re.search(r"ConfigRendered is True \(\w+\): ", output), output
    assert re.search(
        r"reconciled within [\d.]+ s: \d+ Service, \d+ Deployment, \d+ StatefulSet, ", output
    )
    assert output.endswith("deleted, with all that was created for it\nself-test: succeeded\n")
    assert testing.returncode == 0, answer
    assert re.search(r"Phase:\s+Succeeded", answer)
    assert not remaining(room)
    permissions = room.kubectl("get", "role,rolebinding,serviceaccount", "-o", "name")
    assert "-test" not in permissions, "its permissions exist only while it runs"
    helm(control_plane, "uninstall", "tested", f"--namespace={namespace}")


def test_nothing_runs_and_no_volume_is_provisioned(room: PlatformUser) -> None:
    process = start(["self-test", f"--namespace={room.namespace}"], room.control_plane.kubeconfig)
    seen: list[Object] = []
    while process.poll() is None:
        seen += room.list("pods,persistentvolumeclaims", labels=None)
    assert process.returncode == 0, process.communicate()[0]
    assert {each["kind"] for each in seen} == {"PersistentVolumeClaim"}
    assert {each["status"]["phase"] for each in seen} == {"Pending"}


def test_without_an_operator_it_fails_in_words_and_cleans_up(
    room: PlatformUser, operator: OperatorProcess
) -> None:
    operator.stop()
    try:
        code, output = run_self_test(room, "--timeout-seconds=2")
    finally:
        operator.start()
    assert code == 1
    assert (
        "not reconciled within 2 s: no status; check that an operator runs and watches "
        f'namespace "{room.namespace}"' in output
    )
    assert "deleted, with all that was created for it" in output
    assert "succeeded" not in output
    assert not remaining(room)


def test_reason_of_a_failed_reconciliation_is_shown(room: PlatformUser) -> None:
    """Here a quota rejects the Deployments."""
    room.control_plane.api.create(
        f"/api/v1/namespaces/{room.namespace}/resourcequotas",
        {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "no-deployments"},
            "spec": {"hard": {"count/deployments.apps": "0"}},
        },
    )
    code, output = run_self_test(room, "--timeout-seconds=20")
    assert code == 1
    assert "exceeded quota" in output
    assert "deleted, with all that was created for it" in output


def test_interrupted_test_cleans_up(room: PlatformUser, operator: OperatorProcess) -> None:
    operator.stop()
    try:
        process = start(
            ["self-test", f"--namespace={room.namespace}"], room.control_plane.kubeconfig
        )
        wait_until(lambda: remaining(room), "the test platform", seconds=30)
        process.send_signal(signal.SIGTERM)
        output = process.communicate(timeout=30)[0]
    finally:
        operator.start()
    assert process.returncode == 1
    assert "interrupted" in output
    assert not remaining(room)


@pytest.mark.usefixtures("operator")
def test_missing_namespace_is_named(control_plane: ControlPlane) -> None:
    code, output = run_self_test(PlatformUser(control_plane, "missing"))
    assert code == 1
    assert 'namespace "missing" not found; create it, or choose another one' in output


def test_missing_permission_is_named(room: PlatformUser) -> None:
    token = room.kubectl("create", "token", "default").strip()
    kubeconfig = room.control_plane.kubeconfig_for_token(token, "self-test-default")
    process = start(["self-test", f"--namespace={room.namespace}"], kubeconfig)
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 1
    assert f"namespace {room.namespace}: the API server refused a request: 403 Forbidden" in output
    assert "cannot create resource" in output
