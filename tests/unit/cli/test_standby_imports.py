"""What a process that waits has loaded: nothing of what reconciles, and no client library."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

#: What only reconciling, ``--metrics-auth`` or an unusual kubeconfig needs.
HEAVY = {
    "ahocorasick_rs",
    "cryptography",
    "dns",
    "hjson",
    "jinja2",
    "kubernetes",
    "pydantic",
    "requests",
    "rich",
    "tree_sitter",
}
ROOMS = {"compose", "desired", "leader", "live", "objects", "pki", "rendering", "rollout"}

WAITING = """
import asyncio
from pryv_operator.cli import main, process
from pryv_operator.cli.plain_options import plain_options
from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.connection import Connection
from pryv_operator.kube.credentials import read_in_cluster, read_kubeconfig
from pryv_operator.kube.lease import Election, Timing
from pryv_operator.reconcile.rest_store import Place
from pryv_operator.reconcile.settings import Settings

plain_options(main.run, ["--in-cluster", "--allow=externalIPs", "--lease-seconds", "15"])["allow"]

async def wait():
    options = process.Options(
        namespaces=(),
        host="127.0.0.1",
        port=0,
        batch_seconds=0.1,
        settings=Settings("10.96.0.10"),
        metrics_address=("127.0.0.1", 0),
        election=Election("n", "lease", "me", Timing()),
        rests=Place("n", "lease"),
    )
    leadership = options.leadership()
    async with KubeClient(Connection("http://127.0.0.1:1"), leadership) as client:
        running = asyncio.create_task(process.run(client, leadership, options))
        await asyncio.sleep(0.5)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

asyncio.run(wait())
"""
RECONCILING = """
import asyncio
from pryv_operator.cli.lazy_reconciler import _load
_load()
"""


RESTORING = """
from pryv_operator.cli.rest_work import _load
_load()
"""


def loaded_by(program: str) -> set[str]:
    """The modules that a process has loaded at its end."""
    paths = os.pathsep.join(path for path in sys.path if path)
    ended = subprocess.run(
        [sys.executable, "-c", f"{program}\nimport json, sys; print(json.dumps([*sys.modules]))"],
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(ended.stdout.splitlines()[-1]))


@pytest.fixture(scope="module")
def waiting() -> set[str]:
    return loaded_by(WAITING)


def test_a_process_that_waits_has_loaded_no_heavy_library(waiting: set[str]) -> None:
    assert "aiohttp" in waiting
    assert not HEAVY & {name.partition(".")[0] for name in waiting}


def test_a_process_that_waits_has_loaded_no_room_of_the_core(waiting: set[str]) -> None:
    assert "pryv_operator.reconcile.triggers" in waiting
    assert not {f"pryv_operator.{room}" for room in ROOMS} & waiting


def test_platforms_at_rest_need_models_and_little_more() -> None:
    """A restart loads nothing of what renders, applies or rolls out."""
    loaded = loaded_by(RESTORING)
    assert "pydantic" in loaded
    assert not {"cryptography", "jinja2", "ahocorasick_rs"} & loaded
    assert not {"pryv_operator.live", "pryv_operator.rollout", "pryv_operator.rendering"} & loaded


def test_the_first_reconciliation_loads_them() -> None:
    loaded = loaded_by(RECONCILING)
    assert {f"pryv_operator.{room}" for room in ROOMS} < loaded
    assert {"pydantic", "jinja2", "cryptography"} < loaded
    assert "kubernetes" not in loaded


def test_the_authorities_of_the_system_are_not_read_when_the_program_is_loaded() -> None:
    program = f"""
import ssl
loads = []
load = ssl.SSLContext.set_default_verify_paths
ssl.SSLContext.set_default_verify_paths = lambda context: loads.append(context)
{WAITING}
assert loads == [], "once for each process that waits"
ssl.create_default_context()
assert len(loads) == 1, "whoever asks for a context has them"
"""
    assert "aiohttp.connector" in loaded_by(program)
