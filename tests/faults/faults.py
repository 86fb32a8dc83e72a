"""What can go wrong at a point of a run, as data."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

#: What points are counted by. ``write``: answered by the API server, dry runs aside; ``change``: writes and dry runs;
#: ``request``: all but watches; ``list``; ``pass``: a pass begins by reading the platform; ``event``: of a watch.
Counted = Literal["write", "change", "request", "list", "pass", "event"]

Kind = Literal[
    "killed",
    "killed before the answer",
    "killed after the answer",
    "answer lost",
    "done late",
    "409",
    "429",
    "500",
    "reset",
    "hangs",
    "hangs after it was done",
    "all refused for a while",
    "stale list",
    "stale pass",
    "watch delayed",
    "watches end",
    "watches gone",
    "event dropped",
]

COUNTED: Final[Mapping[Kind, Counted]] = {
    "killed": "request",
    "killed before the answer": "write",
    "killed after the answer": "write",
    "answer lost": "write",
    "done late": "write",
    "409": "change",
    "429": "request",
    "500": "request",
    "reset": "request",
    "hangs": "request",
    "hangs after it was done": "write",
    "all refused for a while": "request",
    "stale list": "list",
    "stale pass": "pass",
    "watch delayed": "event",
    "watches end": "event",
    "watches gone": "event",
    "event dropped": "event",
}
#: Kinds that take events of watches away: only looking at everything now and then makes up for them.
LOSES_EVENTS: Final = frozenset({"event dropped"})


@dataclass(frozen=True)
class Fault:
    """``kind`` happens at the ``at``-th (from 1) of what that kind is counted by."""

    kind: Kind
    at: int

    def __str__(self) -> str:
        return f"{self.kind} @ {COUNTED[self.kind]} {self.at}"


def every(counts: Mapping[Counted, int], kinds: Iterable[Kind] = COUNTED) -> list[Fault]:
    """All points of a run that has so many of each."""
    return [Fault(kind, at) for kind in kinds for at in range(1, counts.get(COUNTED[kind], 0) + 1)]


def spread(faults: Sequence[Fault], count: int, seed: str) -> list[Fault]:
    """So many of them (0: all), evenly, beginning where the seed says; each kind before any kind twice."""
    if count == 0 or count >= len(faults):
        return list(faults)
    choice = random.Random(seed)
    by_kind: dict[Kind, list[Fault]] = {}
    for fault in faults:
        by_kind.setdefault(fault.kind, []).append(fault)
    kinds = choice.sample(sorted(by_kind), len(by_kind))
    rounds, rest = divmod(count, len(kinds))
    found: list[Fault] = []
    for index, kind in enumerate(kinds):
        there, wanted = by_kind[kind], rounds + (index < rest)
        step, start = len(there) / max(1, wanted), choice.random()
        found += {
            there[int((number + start) * step) % len(there)]: None for number in range(wanted)
        }
    return found


def pairs(counts: Mapping[Counted, int], count: int, seed: str) -> list[tuple[Fault, ...]]:
    """So many pairs of faults at random points."""
    choice = random.Random(seed)
    points = every(counts)
    return [tuple(choice.sample(points, 2)) for _ in range(count)]
