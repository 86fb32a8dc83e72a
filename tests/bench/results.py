"""What a benchmark has measured: each figure beside a baseline of the same run. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

#: Of requests that are listed for a figure: their order.
_VERBS: Final = ("get", "list", "watch", "create", "apply", "patch", "update", "delete")


@dataclass(frozen=True)
class Measurement:
    """One figure: its rounds, and those of what it is compared with."""

    name: str
    unit: str
    values: tuple[float, ...]
    baseline: tuple[float, ...] = ()
    #: What the baseline is, in a few words.
    against: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def p95(self) -> float:
        return percentile(self.values, 95)

    @property
    def baseline_median(self) -> float | None:
        return statistics.median(self.baseline) if self.baseline else None

    @property
    def ratio(self) -> float | None:
        """Median by the median of the baseline; None without one, or where it is 0."""
        return self.median / self.baseline_median if self.baseline_median else None


@dataclass(frozen=True)
class Result:
    """What a scenario has measured, and what its reader needs to know about it."""

    scenario: str
    title: str
    measurements: tuple[Measurement, ...]
    notes: tuple[str, ...] = ()
    #: Label of a stretch of the scenario → verb → number of requests.
    requests: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """As it is written to a file, with what is computed from the rounds."""
        measurements = [
            {**asdict(each), "median": each.median, "p95": each.p95, "ratio": each.ratio}
            for each in self.measurements
        ]
        return {**asdict(self), "measurements": measurements}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Result:
        """The result that was written."""
        return cls(
            scenario=data["scenario"],
            title=data["title"],
            measurements=tuple(
                Measurement(
                    each["name"],
                    each["unit"],
                    tuple(each["values"]),
                    tuple(each["baseline"]),
                    each["against"],
                )
                for each in data["measurements"]
            ),
            notes=tuple(data["notes"]),
            requests=data["requests"],
        )


def percentile(values: Sequence[float], percent: float) -> float:
    """The least value that is not below ``percent`` of all (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def growth_exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """The k of values that grow as size to the power of k: the slope of their logarithms."""
    return statistics.linear_regression(
        [math.log(size) for size in sizes], [math.log(value) for value in values]
    ).slope


def slope(sizes: Sequence[float], values: Sequence[float]) -> float:
    """What each further one adds: the slope of a line through the values."""
    return statistics.linear_regression(sizes, values).slope


def in_order(by_verb: Mapping[str, float]) -> list[tuple[str, float]]:
    """Verbs and numbers: the known verbs first, those that read before those that write."""
    known = [verb for verb in _VERBS if verb in by_verb]
    return [(verb, by_verb[verb]) for verb in [*known, *sorted(set(by_verb) - set(known))]]
