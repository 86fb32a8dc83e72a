"""Gauges about objects that come and go: with an object, all that is known of it goes."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector


@dataclass(frozen=True)
class Family:
    """A gauge: its name, its help text, and the names of its labels."""

    name: str
    help: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Sample:
    """A value. ``labels``: the values of the family's labels, in their order."""

    family: Family
    labels: tuple[str, ...]
    value: float


class KeyedGauges(Collector):
    """The samples of each object, replaced as a whole."""

    def __init__(self, families: Iterable[Family]) -> None:
        """Nothing is known yet. ``families``: in the order of the output."""
        self._families: Final = tuple(families)
        self._samples: dict[Hashable, tuple[Sample, ...]] = {}

    def set(self, key: Hashable, samples: Iterable[Sample]) -> None:
        """Replace what is known of an object."""
        self._samples[key] = tuple(samples)

    def forget(self, key: Hashable) -> None:
        """An object was deleted: nothing is reported of it any more."""
        self._samples.pop(key, None)

    def knows(self, key: Hashable) -> bool:
        """Whether anything was recorded of an object."""
        return key in self._samples

    def describe(self) -> Iterable[Metric]:
        """The families without samples."""
        return self._new_families().values()

    def collect(self) -> Iterable[Metric]:
        """All samples, by family."""
        families = self._new_families()
        for samples in self._samples.values():
            for sample in samples:
                families[sample.family].add_metric(sample.labels, sample.value)
        return families.values()

    def _new_families(self) -> Mapping[Family, GaugeMetricFamily]:
        return {
            each: GaugeMetricFamily(each.name, each.help, labels=each.labels)
            for each in self._families
        }
