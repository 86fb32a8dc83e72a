"""How long to fuzz."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of ``pytest tests/fuzz``; a run from further up has the defaults."""
    parser.addoption(
        "--fuzz-seconds",
        type=float,
        help="seconds to fuzz each target (half a one when left out; 0 replays the kept inputs only)",
    )
    parser.addoption("--fuzz-seed", type=int, help="seed of the fuzzer's choices, to repeat a run")


@pytest.fixture(scope="session")
def fuzz_seconds(pytestconfig: pytest.Config) -> float:
    """For each target."""
    seconds: float | None = pytestconfig.getoption("fuzz_seconds", None)
    return 0.5 if seconds is None else seconds


@pytest.fixture(scope="session")
def fuzz_seed(pytestconfig: pytest.Config) -> int:
    """The same every time, unless another is asked for: a change to the code does not fail for what it has not done."""
    seed: int | None = pytestconfig.getoption("fuzz_seed", None)
    return seed or 0
