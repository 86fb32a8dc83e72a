"""A control plane of its own, as no other operator may write there; and how much to try."""

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
from tests.faults import nursery
from tests.faults.faults import COUNTED, Kind
from tests.faults.restorable import RestorableControlPlane
from tests.faults.stage import Rig

DEFAULT_POINTS = 9
DEFAULT_PAIRS = 1
DEFAULT_STAGES = 8


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of ``pytest tests/faults``; a run from further up has the defaults."""
    parser.addoption(
        "--fault-points",
        type=int,
        help=f"points to try of each scenario ({DEFAULT_POINTS} when left out; 0: all)",
    )
    parser.addoption(
        "--fault-pairs",
        type=int,
        help=f"pairs of faults to try of each scenario ({DEFAULT_PAIRS} when left out)",
    )
    parser.addoption(
        "--fault-seed",
        type=int,
        help="which points and pairs: the same for a seed (0 when left out)",
    )
    parser.addoption(
        "--fault-kinds",
        help="only these kinds of faults, by their names in faults.py, with commas between them",
    )
    parser.addoption(
        "--fault-stages", type=int, help=f"how many runs at a time ({DEFAULT_STAGES} when left out)"
    )


def option(config: pytest.Config, name: str, default: int) -> int:
    """What was said, or the default."""
    found: int | None = config.getoption(name, None)
    return default if found is None else found


def kinds(config: pytest.Config) -> tuple[Kind, ...]:
    """The kinds of faults to try."""
    said: str | None = config.getoption("fault_kinds", None)
    wanted = {each.strip() for each in said.split(",")} if said else set(COUNTED)
    unknown = wanted - set(COUNTED)
    if unknown:
        raise pytest.UsageError(
            f"--fault-kinds: there is no {', '.join(sorted(unknown))}; there are {', '.join(COUNTED)}"
        )
    return tuple(kind for kind in COUNTED if kind in wanted)


@pytest.fixture(scope="session")
def when_asked_for(pytestconfig: pytest.Config) -> None:
    """Minutes each: only in a run of this folder that says how many points to try."""
    if pytestconfig.getoption("fault_points", None) is None:
        pytest.skip("takes minutes: run with pytest tests/faults --long --fault-points N")


@pytest.fixture(scope="package")
def fault_cluster(cluster_echo: Callable[[str], None]) -> Iterator[RestorableControlPlane]:
    """A control plane with nodes."""
    running = RestorableControlPlane(echo=cluster_echo)
    with running, SimulatedNodes(running, echo=cluster_echo):
        yield running


def start_nursery(control_plane: ControlPlane) -> Path:
    """Where operators come from; gives its socket."""
    # A socket's path has 107 bytes at most, and a run's folder may be deep.
    path = Path(tempfile.gettempdir()) / f"nursery-{os.getpid()}-{secrets.token_hex(4)}"
    server = control_plane.start_server(
        "nursery",
        [sys.executable, Path(nursery.__file__), path, Path(pryv_operator.__file__).parents[1]],
    )

    def ready() -> bool:
        server.check_alive()
        return path.exists()

    wait_until(ready, "the nursery", seconds=60)
    return path


@pytest.fixture(scope="package")
async def rig(fault_cluster: RestorableControlPlane) -> AsyncIterator[Rig]:
    """Stages on that control plane, with what the chart grants."""
    kubeconfig = install_chart(fault_cluster)
    path = start_nursery(fault_cluster)
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
    """For all stages together."""
    return aiohttp.ClientSession(
        auto_decompress=False,
        headers={"Accept-Encoding": "identity"},
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=60),
    )
