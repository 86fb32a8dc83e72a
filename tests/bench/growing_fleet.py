"""One fleet, measured at each of several sizes, for all scenarios that need many platforms.

The operator installs the first platform; the others are copies of it (see ``copies``). Controllers
and nodes work for all of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, Protocol

from tests.bench.at_sizes import AtSize, AtSizes, Change, ColdStart, change_variable
from tests.bench.copies import PATCH, copy_namespace
from tests.bench.measured_operator import NO_RESYNC, MeasuredOperator, Stretch
from tests.bench.platforms import Fleet, spec

#: Seconds of an interval of resync for each platform, and at least.
_INTERVAL_OF_EACH: Final = 0.3
_INTERVAL: Final = 10
_INSTALL_SECONDS: Final = 300


class Operate(Protocol):
    """Starts an operator."""

    def __call__(
        self, *arguments: str, name: str, patch: str
    ) -> AbstractContextManager[MeasuredOperator]: ...


def measure_sizes(
    fleet: Fleet,
    operate: Operate,
    sizes: Sequence[int],
    *,
    rounds: int,
    stopped: bool,
    echo: Callable[[str], None],
) -> AtSizes:
    """Install a platform, copy it more and more often, and measure at each size."""
    further = {"stopped": True} if stopped else {}
    fleet.create_namespaces([0])
    with operate(*NO_RESYNC, name="first", patch=PATCH) as operator:
        install = _install(operator, fleet, further)
    found: list[AtSize] = []
    there, copied = 1, 0
    for size in sizes:
        new = [fleet.namespace(number) for number in range(there, size)]
        if new:
            copied = copy_namespace(fleet.cluster, fleet.namespace(0), new, echo)
            echo(f"{len(new)} copies of {copied} objects")
        there = size
        with operate(*NO_RESYNC, name=f"at-{size}", patch=PATCH) as operator:
            operator.wait_at_rest()  # a copy's revision has a digest of another place: one write
            changes = _changes(operator, fleet, rounds, further)
            memory = operator.memory()
        seconds = max(_INTERVAL, _INTERVAL_OF_EACH * size)
        resyncing = f"--resync-seconds={seconds}"
        with operate(resyncing, name=f"rest-{size}", patch=PATCH) as operator:
            start = _cold_start(operator)
            resync = operator.during(lambda: time.sleep(seconds), rest=False).usage  # noqa: B023
        found.append(AtSize(size, start, changes, memory, resync, seconds))
        echo(_line(found[-1]))
    return AtSizes(install, fleet.objects(0), copied, tuple(found))


def _install(operator: MeasuredOperator, fleet: Fleet, further: dict[str, Any]) -> Stretch:
    def install() -> None:
        fleet.apply([0], **further)
        fleet.wait_ready([0], seconds=_INSTALL_SECONDS)

    operator.wait_at_rest()
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


def _line(at: AtSize) -> str:
    return (
        f"{at.size} platforms: started in {at.start.rest_seconds:.1f} s with "
        f"{at.start.usage.cpu_seconds:.1f} s of CPU, {at.start.memory.resident:.0f} MiB; "
        f"a resync {at.resync.cpu_seconds:.2f} s of CPU, {at.resync.reads:.0f} reads"
    )
