"""Options and fixtures of the fault tests.

They have their own control plane, because no other operator may write to it.
"""

from __future__ import annotations

import os
import secrets
import ssl
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import aiohttp
import pytest

import pryv_operator
from tests.api.fixtures import install_chart
from tests.cluster.control_plane import ControlPlane
from tests.cluster.simulated_nodes import SimulatedNodes
from tests.cluster.waiting import wait_until
from tests.faults import fork_server
from tests.faults.etcd_backup import ControlPlaneWithBackup
from tests.faults.faults import COUNTED, Kind
from tests.faults.sandbox import Rig

DEFAULT_POINTS = 9
DEFAULT_PAIRS = 1
DEFAULT_WORKERS = 8


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of ``pytest tests/faults``; a run of all tests uses the defaults."""
    parser.addoption(
        "--fault-points",
        type=int,
        help=f"faults to inject in each scenario (default: {DEFAULT_POINTS}; 0: all)",
    )
    parser.addoption(
        "--fault-pairs",
        type=int,
        help=f"pairs of faults to inject in each scenario (default: {DEFAULT_PAIRS})",
    )
    parser.addoption(
        "--fault-seed",
        type=int,
        help="seed of the choice of faults and pairs (default: 0)",
    )
    parser.addoption(
        "--fault-kinds",
        help="only these kinds of faults: names from faults.py, separated by commas",
    )
    parser.addoption(
        "--fault-workers", type=int, help=f"number of parallel runs (default: {DEFAULT_WORKERS})"
    )


def option(config: pytest.Config, name: str, default: int) -> int:
    """The value of an option, or its default."""
    found: int | None = config.getoption(name, None)
    return default if found is None else found


def kinds(config: pytest.Config) -> tuple[Kind, ...]:
    """The kinds of faults to inject."""
    given: str | None = config.getoption("fault_kinds", None)
    wanted = {each.strip() for each in given.split(",")} if given else set(COUNTED)
    unknown = wanted - set(COUNTED)
    if unknown:
        raise pytest.UsageError(
            f"--fault-kinds: unknown: {', '.join(sorted(unknown))}; known: {', '.join(COUNTED)}"
        )
    return tuple(kind for kind in COUNTED if kind in wanted)


@pytest.fixture(scope="session")
def only_with_fault_points(pytestconfig: pytest.Config) -> None:
    """Skip a test that takes minutes unless `--fault-points` is given."""
    if pytestconfig.getoption("fault_points", None) is None:
        pytest.skip("takes minutes: run with pytest tests/faults --long --fault-points N")


@pytest.fixture(scope="package")
def fault_cluster(cluster_echo: Callable[[str], None]) -> Iterator[ControlPlaneWithBackup]:
    """A control plane with simulated nodes."""
    running = ControlPlaneWithBackup(echo=cluster_echo)
    with running, SimulatedNodes(running, echo=cluster_echo):
        yield running


def start_fork_server(control_plane: ControlPlane) -> Path:
    """Start the process that forks operators; return the path of its socket."""
    # The path of a Unix socket has at most 107 bytes; the run's folder may be longer.
    path = Path(tempfile.gettempdir()) / f"fork-server-{os.getpid()}-{secrets.token_hex(4)}"
    server = control_plane.start_server(
        "fork server",
        [sys.executable, Path(fork_server.__file__), path, Path(pryv_operator.__file__).parents[1]],
    )

    def ready() -> bool:
        server.check_alive()
        return path.exists()

    wait_until(ready, "the socket_path", seconds=60)
    return path


@pytest.fixture(scope="package")
async def rig(fault_cluster: ControlPlaneWithBackup) -> AsyncIterator[Rig]:
    """Makes sandboxes on that control plane, with the permissions that the chart grants."""
    kubeconfig = install_chart(fault_cluster)
    path = start_fork_server(fault_cluster)
    async with new_session() as session:
        yield Rig(
            fault_cluster,
            kubeconfig,
            path,
            session,
            ssl.create_default_context(cafile=str(fault_cluster.ca_file)),
        )
    path.unlink()


def new_session() -> aiohttp.ClientSession:
    """The HTTP session that all sandboxes share."""
    return aiohttp.ClientSession(
        auto_decompress=False,
        headers={"Accept-Encoding": "identity"},
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=60),
    )
