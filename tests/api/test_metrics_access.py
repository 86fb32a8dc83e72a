"""Metrics with authentication: the API server decides about each client."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.api.fixtures import OPERATOR_NAMESPACE, helm, install_chart
from tests.api.operator_process import OperatorProcess
from tests.cluster.control_plane import ControlPlane
from tests.cluster.waiting import wait_until

RELEASE = "pryv-operator-metrics"
READER = f"{OPERATOR_NAMESPACE}-{RELEASE}-metrics-reader"


@pytest.fixture
def process(
    control_plane: ControlPlane, chart_kubeconfig: object, namespace: str
) -> Iterator[OperatorProcess]:
    """An operator with the permissions that the chart gives for authentication."""
    assert chart_kubeconfig  # the CRD is installed
    kubeconfig = install_chart(
        control_plane,
        RELEASE,
        "--set=metrics.authentication=true,crds.install=false,replicas=0",
        f"--set=watchNamespaces={{{namespace}}}",
    )
    running = OperatorProcess(
        control_plane,
        kubeconfig,
        "--metrics-auth",
        "--metrics-listen=127.0.0.1:0",
        f"--namespace={namespace}",
        name=RELEASE,
    )
    running.start()
    yield running
    running.stop()
    helm(control_plane, "uninstall", RELEASE, f"--namespace={OPERATOR_NAMESPACE}")


def read_metrics(process: OperatorProcess, token: str | None) -> tuple[int, str]:
    """Status and text of the answer at the port with authentication."""
    found = re.search(r"serving /metrics .* on 127\.0\.0\.1:(\d+)", process.log)
    assert found
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = Request(f"https://127.0.0.1:{found[1]}/metrics", headers=headers)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with urlopen(request, timeout=10, context=context) as response:
            return response.status, response.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


def test_only_bound_accounts_read_metrics(
    control_plane: ControlPlane, process: OperatorProcess, namespace: str
) -> None:
    api, account = control_plane.api, f"/api/v1/namespaces/{namespace}/serviceaccounts/default"

    def new_token() -> str:
        token: str = api.create(f"{account}/token", {"spec": {}})["status"]["token"]
        return token

    assert process.status("/healthz") == process.status("/readyz") == 200
    assert process.status("/metrics") == 404
    assert read_metrics(process, None) == (401, "Unauthorized\n")
    assert read_metrics(process, "no-token")[0] == 401
    assert read_metrics(process, new_token()) == (403, "Forbidden\n")

    bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
    binding = {
        "metadata": {"name": f"{namespace}-metrics"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": READER,
        },
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": namespace}],
    }
    api.create(bindings, binding)
    try:
        _, text = wait_until(
            lambda: answer if (answer := read_metrics(process, new_token()))[0] == 200 else None,
            "the binding to be in effect",
            seconds=30,
        )
    finally:
        api.delete(f"{bindings}/{namespace}-metrics")
    assert "pryv_operator_leader" in text
    assert "Traceback" not in process.log
    assert "no-token" not in process.log
