"""pytest fixtures of the real cluster; loaded by the top conftest."""

from __future__ import annotations

import secrets
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.cluster.control_plane import ControlPlane
from tests.cluster.simulated_nodes import SimulatedNodes
from tests.cluster.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="session")
def control_plane(cluster_echo: Callable[[str], None]) -> Iterator[ControlPlane]:
    """A running control plane, without nodes: pods stay Pending."""
    with ControlPlane(echo=cluster_echo) as running:
        yield running


@pytest.fixture(scope="session")
def simulated_nodes(
    control_plane: ControlPlane, cluster_echo: Callable[[str], None]
) -> Iterator[SimulatedNodes]:
    """Two simulated nodes of the control plane: pods get Ready."""
    with SimulatedNodes(control_plane, echo=cluster_echo) as running:
        yield running


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    """The name of a new namespace that can take pods; its deletion is started at the end, and not waited for."""
    with new_namespace(control_plane) as name:
        yield name


@contextmanager
def new_namespace(control_plane: ControlPlane) -> Iterator[str]:
    """A namespace for a while."""
    name = f"test-{secrets.token_hex(4)}"
    control_plane.api.create("/api/v1/namespaces", {"metadata": {"name": name}})
    wait_until(
        lambda: control_plane.api.find(f"/api/v1/namespaces/{name}/serviceaccounts/default"),
        f"the service account of namespace {name}",
        seconds=30,
        every=0.02,
    )
    yield name
    control_plane.api.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture(scope="session")
def cluster_echo(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Tell what goes on during a long start, although pytest captures output."""
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def echo(line: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\n[cluster] {line}", end="", file=sys.stderr, flush=True)

    return echo
