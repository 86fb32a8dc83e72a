"""What a reflector keeps of the objects that it follows: little, as there may be 100,000 of them.

Of each, a mark (a hash of its name and version) and its labels. Objects with equal labels are a
group, and the sum of a group's marks shows whether anything in it has moved.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

#: Names and values, sorted.
Labels = tuple[tuple[str, str], ...]

_MARK_BYTES = 16
_MODULUS = 1 << (8 * _MARK_BYTES)


def mark(name: str, version: str) -> int:
    """A number that stands for one version of one object. It is the same in every process."""
    digest = blake2b(f"{name}\0{version}".encode(), digest_size=_MARK_BYTES).digest()
    return int.from_bytes(digest, "big")


def sum_of(marks: Iterable[int]) -> int:
    """What stands for a set of objects in certain versions, in whatever order they are given."""
    return sum(marks) % _MODULUS


@dataclass(slots=True)
class _Group:
    """The objects of a namespace that have the same labels."""

    namespace: str
    labels: Labels
    sum: int = 0
    size: int = 0


class Known(NamedTuple):
    """An object.

    ``shown``: what the API server shows of its status, where that is followed. ``generation``: it
    counts changes of the spec; 0 where nothing counts them.
    """

    mark: int
    group: _Group
    shown: str
    generation: int

    @property
    def labels(self) -> Labels:
        """Its labels, as far as they are kept."""
        return self.group.labels


class KnownObjects:
    """The objects of one resource."""

    def __init__(self) -> None:
        """None yet."""
        self._objects: dict[str, dict[str, Known]] = {}
        self._groups: dict[tuple[str, Labels], _Group] = {}

    def __len__(self) -> int:
        """How many there are."""
        return sum(map(len, self._objects.values()))

    def get(self, namespace: str, name: str) -> Known | None:
        """An object, if it exists."""
        return self._objects.get(namespace, {}).get(name)

    def set(
        self,
        namespace: str,
        name: str,
        version: int,
        labels: Labels,
        shown: str = "",
        generation: int = 0,
    ) -> None:
        """Keep an object in its new version. ``version``: its mark."""
        self.remove(namespace, name)
        group = self._group(namespace, labels)
        known = Known(version, group, sys.intern(shown), generation)
        group.sum = (group.sum + known.mark) % _MODULUS
        group.size += 1
        # Workloads, Services and policies of a component share its name.
        self._objects.setdefault(group.namespace, {})[sys.intern(name)] = known

    def remove(self, namespace: str, name: str) -> Known | None:
        """Forget an object; return what was known of it."""
        objects = self._objects.get(namespace, {})
        known = objects.pop(name, None)
        if known is None:
            return None
        group = known.group
        group.sum = (group.sum - known.mark) % _MODULUS
        group.size -= 1
        if not group.size:
            del self._groups[namespace, group.labels]
        if not objects:
            del self._objects[namespace]
        return known

    def others(self, listed: Collection[tuple[str, str]]) -> Iterator[tuple[str, str]]:
        """Namespace and name of those that are not in a list."""
        for namespace, objects in self._objects.items():
            yield from ((namespace, name) for name in objects if (namespace, name) not in listed)

    def sum(self, namespace: str, labels: Labels) -> int:
        """What stands for all objects with these labels, in their versions; 0 without any."""
        group = self._groups.get((namespace, labels))
        return group.sum if group else 0

    def count(self, namespace: str, labels: Labels) -> int:
        """How many objects have these labels."""
        group = self._groups.get((namespace, labels))
        return group.size if group else 0

    def _group(self, namespace: str, labels: Labels) -> _Group:
        found = self._groups.get((namespace, labels))
        if found is None:
            found = _Group(sys.intern(namespace), labels)
            self._groups[found.namespace, labels] = found
        return found
