"""Fixtures of the tests that run the operator against a real API server."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.api.operator_process import OperatorProcess
from tests.api.platforms import PlatformUser
from tests.bench.measured_operator import NO_RESYNC, MeasuredOperator
from tests.cluster.control_plane import ControlPlane
from tests.cluster.fixtures import new_namespace
from tests.cluster.simulated_nodes import SimulatedNodes
from tests.cluster.waiting import wait_until

CHART = Path(__file__).parents[2] / "charts" / "pryv-operator"
OPERATOR_NAMESPACE = "pryv-system"


@pytest.fixture(scope="session")
def chart_kubeconfig(control_plane: ControlPlane) -> Path:
    """A kubeconfig of the chart's ServiceAccount: a missing permission fails a test."""
    return install_chart(control_plane)


def install_chart(
    control_plane: ControlPlane, release: str = "pryv-operator", *values: str
) -> Path:
    """Install the chart; return a kubeconfig with its ServiceAccount's token.

    The chart's Deployment does not run: the tests run the operator as a local process.
    """
    helm(
        control_plane,
        "install",
        release,
        str(CHART),
        f"--namespace={OPERATOR_NAMESPACE}",
        "--create-namespace",
        *values,
    )
    wait_until(
        lambda: control_plane.kubectl("get", "pryvplatforms", "-A", check=False).returncode == 0,
        "the CRD to be served",
        seconds=30,
    )
    token = control_plane.kubectl(
        "create", "token", release, f"--namespace={OPERATOR_NAMESPACE}", "--duration=6h"
    ).stdout.strip()
    return control_plane.kubeconfig_for_token(token, release)


def helm(control_plane: ControlPlane, *arguments: str) -> str:
    """Run helm against the control plane; return its stdout."""
    done = subprocess.run(
        [control_plane.binaries.helm, f"--kubeconfig={control_plane.kubeconfig}", *arguments],
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "HOME": str(control_plane.folder)},
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"helm {' '.join(arguments)}:\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def operator(
    control_plane: ControlPlane,
    simulated_nodes: SimulatedNodes,
    chart_kubeconfig: Path,
    cluster_echo: Callable[[str], None],
) -> Iterator[OperatorProcess]:
    """A running operator that watches all namespaces."""
    process = OperatorProcess(
        control_plane, chart_kubeconfig, "--batch-seconds=0.2", "--full-resync-seconds=5"
    )
    process.start()
    cluster_echo("operator ready")
    yield process
    assert process.alive, f"the operator died:\n{process.log[-5000:]}"
    process.stop()


@pytest.fixture
def user(
    control_plane: ControlPlane, operator: OperatorProcess, namespace: str
) -> Iterator[PlatformUser]:
    """A user with a new namespace; its platforms are deleted after the test."""
    new_user = PlatformUser(control_plane, namespace)
    yield new_user
    new_user.delete_all()


@pytest.fixture
def measured(operator: OperatorProcess, user: PlatformUser) -> Iterator[MeasuredOperator]:
    """The operator, which reconciles only what is changed, with nothing to do."""
    user.wait_other_platforms()
    with operator.started_with(*NO_RESYNC):
        running = MeasuredOperator(operator)
        running.wait_at_rest()
        yield running


@pytest.fixture(scope="session")
def shared_platform(
    control_plane: ControlPlane, operator: OperatorProcess
) -> Iterator[PlatformUser]:
    """A user with a namespace and a platform that all tests share.

    A test begins with `apply_and_wait`, which costs one reconciliation if nothing differs. It may
    leave any state that the next `apply_and_wait` can repair.
    """
    with new_namespace(control_plane) as name:
        new_user = PlatformUser(control_plane, name)
        yield new_user
        new_user.delete_all()


@pytest.fixture(scope="module")
def shared(control_plane: ControlPlane, operator: OperatorProcess) -> Iterator[PlatformUser]:
    """A namespace that the tests of a module share, and a platform of any state in it."""
    with new_namespace(control_plane) as name:
        new_user = PlatformUser(control_plane, name)
        yield new_user
        new_user.delete_all()


@pytest.fixture(autouse=True)
def _operator_survives(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail the test if the operator has exited or logged a traceback."""
    yield
    if "operator" in request.fixturenames:
        process: OperatorProcess = request.getfixturevalue("operator")
        assert process.alive or process.stopped, f"the operator died:\n{process.log[-5000:]}"
        assert "Traceback" not in process.log, process.log[process.log.index("Traceback") - 2000 :][
            :6000
        ]


def pretty(value: object) -> str:
    """A value as indented JSON, for messages of assertions."""
    return json.dumps(value, indent=1, default=str)
