"""Gauges about objects that come and go: with an object, all that is known of it goes.

Their text is rendered when they change, so that a scrape costs little however many objects there
are: it holds the event loop. Only that text is kept, compressed.
"""

from __future__ import annotations

import zlib
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from itertools import accumulate, chain
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric


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


@dataclass(frozen=True, slots=True)
class _Of:
    """What is known of an object.

    ``samples``: their hash. ``text``: that of all families in their order, compressed: it is
    twenty times as large, and there can be a thousand objects. ``ends``: where each family ends.
    """

    samples: int
    ends: tuple[int, ...]
    text: bytes = field(repr=False)


class KeyedGauges:
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
        before, found = self._known.get(key), hash(after)
        if before is None or before.samples != found:
            texts = self._rendered(after)
            ends = tuple(accumulate(map(len, texts)))
            self._known[key] = _Of(found, ends, zlib.compress(b"".join(texts)))

    def forget(self, key: Hashable) -> None:
        """An object was deleted: nothing is reported of it any more."""
        self._known.pop(key, None)

    def knows(self, key: Hashable) -> bool:
        """Whether anything was recorded of an object."""
        return key in self._known

    def text(self) -> bytes:
        """All samples as Prometheus reads them."""
        of_families: list[list[bytes]] = [[self._headers[each]] for each in self._families]
        for known in self._known.values():
            text, begin = zlib.decompress(known.text), 0
            for of_family, end in zip(of_families, known.ends, strict=True):
                of_family.append(text[begin:end])
                begin = end
        return b"".join(chain.from_iterable(of_families))

    def describe(self) -> Iterable[Metric]:
        """The families without samples."""
        return [_family(each) for each in self._families]

    def _rendered(self, samples: Iterable[Sample]) -> list[bytes]:
        """The lines of the samples of each family, without those that describe it."""
        found = {each: _family(each) for each in self._families}
        for sample in samples:
            found[sample.family].add_metric(sample.labels, sample.value)
        return [
            _text([metric]).removeprefix(self._headers[family]) if metric.samples else b""
            for family, metric in found.items()
        ]


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
