"""One fleet, measured at each of several sizes, for all scenarios that need many platforms."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, Protocol

from tests.bench.at_sizes import AtSize, Change, ColdStart, change_variable
from tests.bench.measured_operator import MeasuredOperator, Stretch
from tests.bench.platforms import Fleet, spec
from tests.bench.usage import Usage

#: Intervals of resync that are measured.
_INTERVALS: Final = 2
#: Seconds that an installation may take, each.
_EACH_SECONDS: Final = 15


class FleetOf(Protocol):
    """Creates namespaces for platforms."""

    def __call__(self, prefix: str, size: int) -> AbstractContextManager[Fleet]: ...


class Operate(Protocol):
    """Starts an operator."""

    def __call__(self, *arguments: str, name: str) -> AbstractContextManager[MeasuredOperator]: ...


def measure_sizes(
    fleet_of: FleetOf,
    operate: Operate,
    sizes: Sequence[int],
    *,
    rounds: int,
    stopped: bool,
    echo: Callable[[str], None],
) -> tuple[AtSize, ...]:
    """Install more and more platforms, and measure at each size."""
    found: list[AtSize] = []
    further = {"stopped": True} if stopped else {}
    with fleet_of("fleet", sizes[-1]) as fleet:
        there = 0
        for size in sizes:
            with operate(name=f"at-{size}") as operator:
                operator.wait_at_rest()
                install = _install(operator, fleet, range(there, size), further)
                memory = operator.memory()
                changes = _changes(operator, fleet, rounds, further)
            with operate(name=f"start-{size}") as operator:
                start = _cold_start(operator)
            resync, seconds = _resync(operate, size)
            found.append(
                AtSize(
                    size=size,
                    objects=fleet.objects(0),
                    added=size - there,
                    install=install,
                    after_install=memory,
                    changes=changes,
                    start=start,
                    resync=resync,
                    resync_seconds=seconds,
                )
            )
            echo(_line(found[-1]))
            there = size
    return tuple(found)


def _install(
    operator: MeasuredOperator, fleet: Fleet, numbers: range, further: dict[str, Any]
) -> Stretch:
    def install() -> None:
        fleet.apply(numbers, **further)
        fleet.wait_ready(numbers, seconds=60 + _EACH_SECONDS * len(numbers))

    return operator.during(install)


def _changes(
    operator: MeasuredOperator, fleet: Fleet, rounds: int, further: dict[str, Any]
) -> tuple[Change, ...]:
    return tuple(
        change_variable(
            fleet.user(0),
            spec(0, variables={"PLATFORM_NAME": f"Acme {time.time_ns()}"}, **further),
            operator,
        )
        for _ in range(rounds)
    )


def _cold_start(operator: MeasuredOperator) -> ColdStart:
    began = time.monotonic() - operator.start_seconds
    rest = operator.wait_at_rest()
    return ColdStart(operator.start_seconds, rest - began, operator.usage(), operator.memory())


def _resync(operate: Operate, size: int) -> tuple[Usage, float]:
    """What one interval of resync uses, and how many seconds it was."""
    seconds = max(10, size // 4)
    with operate(f"--resync-seconds={seconds}", name=f"rest-{size}") as operator:
        operator.wait_at_rest(quiet=min(3.0, seconds / 4))
        stretch = operator.during(lambda: time.sleep(seconds * _INTERVALS), rest=False)
    return stretch.usage.divided_by(_INTERVALS), seconds


def _line(at: AtSize) -> str:
    return (
        f"{at.size} platforms: installed with {at.install.usage.cpu_seconds / at.added:.2f} s of "
        f"CPU each, {at.after_install.resident:.0f} MiB; started in {at.start.rest_seconds:.1f} s, "
        f"{at.start.memory.resident:.0f} MiB; a resync {at.resync.cpu_seconds:.2f} s of CPU, "
        f"{at.resync.reads:.0f} reads"
    )
