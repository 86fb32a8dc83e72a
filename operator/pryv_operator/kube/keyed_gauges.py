"""Gauges about objects that come and go: with an object, all that is known of it goes.

Their text is rendered when they change, so that a scrape costs little however many objects there
are: it holds the event loop.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
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


@dataclass(frozen=True)
class _Of:
    """What is known of an object, and its text for each family."""

    samples: tuple[Sample, ...]
    texts: Mapping[Family, bytes] = field(repr=False)


class KeyedGauges(Collector):
    """The samples of each object, replaced as a whole."""

    def __init__(self, families: Iterable[Family]) -> None:
        """Nothing is known yet. ``families``: in the order of the output."""
        self._families: Final = tuple(families)
        self._known: dict[Hashable, _Of] = {}
        self._headers: Final = {
            each: _text([_family(each)])  # without samples: the lines HELP and TYPE
            for each in self._families
        }

    def set(self, key: Hashable, samples: Iterable[Sample]) -> None:
        """Replace what is known of an object."""
        after = tuple(samples)
        before = self._known.get(key)
        if before is None or before.samples != after:
            self._known[key] = _Of(after, self._rendered(after))

    def forget(self, key: Hashable) -> None:
        """An object was deleted: nothing is reported of it any more."""
        self._known.pop(key, None)

    def knows(self, key: Hashable) -> bool:
        """Whether anything was recorded of an object."""
        return key in self._known

    def text(self) -> bytes:
        """All samples as Prometheus reads them."""
        known = list(self._known.values())
        return b"".join(
            text
            for family in self._families
            for text in (
                self._headers[family],
                *(each.texts[family] for each in known if family in each.texts),
            )
        )

    def describe(self) -> Iterable[Metric]:
        """The families without samples."""
        return [_family(each) for each in self._families]

    def collect(self) -> Iterable[Metric]:
        """All samples, by family."""
        samples = [sample for each in self._known.values() for sample in each.samples]
        return _families(self._families, samples).values()

    def _rendered(self, samples: Iterable[Sample]) -> dict[Family, bytes]:
        """Family → the lines of its samples, for families that have some."""
        return {
            family: _text([metric]).removeprefix(self._headers[family])
            for family, metric in _families(self._families, samples).items()
            if metric.samples
        }


class _One(CollectorRegistry):
    """Gives some families to the library's own writer."""

    def __init__(self, families: Iterable[Metric]) -> None:
        super().__init__()
        self._only = families

    def collect(self) -> Iterable[Metric]:
        return self._only


def _text(families: Iterable[Metric]) -> bytes:
    return generate_latest(_One(families))


def _family(family: Family) -> GaugeMetricFamily:
    return GaugeMetricFamily(family.name, family.help, labels=family.labels)


def _families(
    families: Iterable[Family], samples: Iterable[Sample]
) -> dict[Family, GaugeMetricFamily]:
    found = {each: _family(each) for each in families}
    for sample in samples:
        found[sample.family].add_metric(sample.labels, sample.value)
    return found
