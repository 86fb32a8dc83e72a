"""Options, hypothesis profiles and shared fixtures of all tests."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.examples import FEW, FULL
from tests.rings import FolderScheduling, place

pytest_plugins = ["tests.cluster.fixtures", "tests.api.fixtures"]

_SHARED = Path(__file__).parents[2] / "shared" / "pryv"
_E2E = Path(__file__).parent / "e2e"
#: CI uses the same examples each time, so that a failure comes from the change under test.
_COMMON = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow],
    "print_blob": True,
    "derandomize": "CI" in os.environ,
}

settings.register_profile("default", max_examples=FEW, **_COMMON)
settings.register_profile("long", max_examples=FULL, **_COMMON)
settings.load_profile("default")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of the long tests."""
    parser.addoption(
        "--long",
        action="store_true",
        help="also run the tests marked long, and all hypothesis examples",
    )
    parser.addoption(
        "--edits",
        type=int,
        help="random spec edits against the real API server (default: 50, with --long 200)",
    )
    parser.addoption(
        "--histories",
        type=int,
        help="random histories against the real API server (default: 1, with --long 4)",
    )
    parser.addoption(
        "--every-write",
        action="store_true",
        help="freeze the leader at every write of an install and of a change (takes an hour)",
    )
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="write the golden files of tests/readers and tests/api instead of comparing with them",
    )
    parser.addoption("--edits-seed", type=int, help="seed of the random spec edits")


def pytest_configure(config: pytest.Config) -> None:
    """Load the profile before the tests are imported: `examples()` depends on it."""
    if config.getoption("--long"):
        settings.load_profile("long")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run tests without a control plane first, or folder by folder; deselect long tests.

    Long tests run with `--long`, `-m`, or if a test is given by its name. Those with real pods
    (`tests/e2e`) run only if their folder is named.
    """
    if not any("e2e" in Path(argument.partition("::")[0]).parts for argument in config.args):
        _deselect(config, items, [item for item in items if _E2E in item.path.parents])
    if config.getoption("numprocesses", default=None) or hasattr(config, "workerinput"):
        items.sort(key=lambda item: place(item.nodeid))
    else:
        items.sort(key=lambda item: "cluster_echo" in getattr(item, "fixturenames", ()))
    named = any("::" in argument for argument in config.args)
    if config.getoption("--long") or config.option.markexpr or named:
        return
    _deselect(config, items, [item for item in items if item.get_closest_marker("long")])


def _deselect(
    config: pytest.Config, items: list[pytest.Item], deselected: list[pytest.Item]
) -> None:
    config.hook.pytest_deselected(items=deselected)
    gone = {id(item) for item in deselected}
    items[:] = [item for item in items if id(item) not in gone]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FolderScheduling:
    """With ``--numprocesses``, a process takes one folder after another."""
    config.option.loadscopereorder = False
    return FolderScheduling(config, log)


@pytest.fixture(scope="session")
def shared_pryv() -> Path:
    """The folder with reference data of Pryv's releases, beside the repository."""
    if not _SHARED.is_dir():
        pytest.skip("needs the reference data of Pryv.io in ../shared/pryv")
    return _SHARED
