"""Fixtures of the test cluster; loaded by tests/conftest.py."""

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
    """A running control plane without nodes: pods stay Pending."""
    with ControlPlane(echo=cluster_echo) as running:
        yield running


@pytest.fixture(scope="session")
def simulated_nodes(
    control_plane: ControlPlane, cluster_echo: Callable[[str], None]
) -> Iterator[SimulatedNodes]:
    """Two simulated nodes of the control plane: pods become Ready."""
    with SimulatedNodes(control_plane, echo=cluster_echo) as running:
        yield running


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    """A new namespace that admits pods; it is deleted after the test, without waiting."""
    with new_namespace(control_plane) as name:
        yield name


@contextmanager
def new_namespace(control_plane: ControlPlane) -> Iterator[str]:
    """Create a namespace with a random name; delete it on exit, without waiting."""
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
    """Print progress of a long start to the terminal, past pytest's capturing."""
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def echo(line: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\n[cluster] {line}", end="", file=sys.stderr, flush=True)

    return echo
