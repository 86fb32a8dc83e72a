"""Faults as data: what can go wrong, and at which request or event of a run."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

#: What faults are counted by. ``write``: writes without dry runs; ``change``: writes and dry runs;
#: ``request``: all requests but watches; ``list``; ``reconciliation``: each starts by reading the
#: platform; ``event``: of a watch.
Counted = Literal["write", "change", "request", "list", "reconciliation", "event"]

Kind = Literal[
    "killed",
    "killed before the response",
    "killed after the response",
    "response lost",
    "applied late",
    "409",
    "429",
    "500",
    "reset",
    "hangs",
    "hangs after it was applied",
    "all requests refused",
    "stale list",
    "stale reconciliation",
    "watches delayed",
    "watches end",
    "watches expired",
    "event dropped",
]

COUNTED: Final[Mapping[Kind, Counted]] = {
    "killed": "request",
    "killed before the response": "write",
    "killed after the response": "write",
    "response lost": "write",
    "applied late": "write",
    "409": "change",
    "429": "request",
    "500": "request",
    "reset": "request",
    "hangs": "request",
    "hangs after it was applied": "write",
    "all requests refused": "request",
    "stale list": "list",
    "stale reconciliation": "reconciliation",
    "watches delayed": "event",
    "watches end": "event",
    "watches expired": "event",
    "event dropped": "event",
}
#: Kinds that lose watch events: only the periodic resync makes up for them.
LOSE_EVENTS: Final = frozenset({"event dropped"})


@dataclass(frozen=True)
class Fault:
    """A fault of this ``kind`` at the ``at``-th (from 1) request or event that it is counted by."""

    kind: Kind
    at: int

    def __str__(self) -> str:
        return f"{self.kind} @ {COUNTED[self.kind]} {self.at}"


def every(counts: Mapping[Counted, int], kinds: Iterable[Kind] = COUNTED) -> list[Fault]:
    """All faults of these kinds that fit into a run with these numbers of requests and events."""
    return [Fault(kind, at) for kind in kinds for at in range(1, counts.get(COUNTED[kind], 0) + 1)]


def spread(faults: Sequence[Fault], count: int, seed: str) -> list[Fault]:
    """``count`` of the faults (0: all), spread evenly over the kinds and over the run.

    Every kind is used once before any kind is used twice. The seed determines the choice.
    """
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
        available, wanted = by_kind[kind], rounds + (index < rest)
        step, start = len(available) / max(1, wanted), choice.random()
        indices = (int((number + start) * step) % len(available) for number in range(wanted))
        found += dict.fromkeys(available[index] for index in indices)
    return found


def pairs(counts: Mapping[Counted, int], count: int, seed: str) -> list[tuple[Fault, ...]]:
    """``count`` pairs of faults at random points; the seed determines the choice."""
    choice = random.Random(seed)
    points = every(counts)
    return [tuple(choice.sample(points, 2)) for _ in range(count)]
