"""Options of the fuzz tests."""

from __future__ import annotations

import pytest

_SECONDS = 0.5


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of ``pytest tests/fuzz``; a run of all tests uses the defaults."""
    parser.addoption(
        "--fuzz-seconds",
        type=float,
        help=f"CPU seconds to fuzz each target (default: {_SECONDS}; 0: only replay the corpus)",
    )
    parser.addoption("--fuzz-seed", type=int, help="seed of the inputs (default: 0)")


@pytest.fixture(scope="session")
def fuzz_seconds(pytestconfig: pytest.Config) -> float:
    """CPU seconds for each target."""
    seconds: float | None = pytestconfig.getoption("fuzz_seconds", None)
    return _SECONDS if seconds is None else seconds


@pytest.fixture(scope="session")
def fuzz_seed(pytestconfig: pytest.Config) -> int:
    """The seed; the same in each run, so that a failure comes from the change under test."""
    seed: int | None = pytestconfig.getoption("fuzz_seed", None)
    return seed or 0
