"""Options, profiles and the fixtures everybody uses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.examples import FEW, FULL

pytest_plugins = ["tests.cluster.fixtures", "tests.api.fixtures"]

_SHARED = Path(__file__).parents[2] / "shared" / "pryv"
#: In CI the same examples each time: what fails there is of the change. Everybody else tries others.
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
    """Options of the longer tests."""
    parser.addoption(
        "--long",
        action="store_true",
        help="also the tests marked long, and hypothesis with all its examples",
    )
    parser.addoption(
        "--edits",
        type=int,
        help="random spec edits in a row against the real API server (50, with --long 500)",
    )
    parser.addoption(
        "--histories",
        type=int,
        help="random histories against the real API server (1, with --long 6)",
    )
    parser.addoption(
        "--every-write",
        action="store_true",
        help="freeze the leader at every write of an install and of a change (an hour)",
    )
    parser.addoption(
        "--edits-seed", type=int, help="seed of the random spec edits, to repeat a run"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Before the tests are imported: they scale their own numbers of examples by the profile's."""
    if config.getoption("--long"):
        settings.load_profile("long")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Pure tests first, with no control plane idling beside them. Long ones only when asked for: by --long, by -m, or by name."""
    items.sort(key=lambda item: "cluster_echo" in getattr(item, "fixturenames", ()))
    named = any("::" in argument for argument in config.args)
    if config.getoption("--long") or config.option.markexpr or named:
        return
    left_out = [item for item in items if item.get_closest_marker("long")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if not item.get_closest_marker("long")]


@pytest.fixture(scope="session")
def shared_pryv() -> Path:
    """The reference data of Pryv's releases, kept beside the repository."""
    if not _SHARED.is_dir():
        pytest.skip("the reference data of Pryv.io (../shared/pryv) is not on this machine")
    return _SHARED
