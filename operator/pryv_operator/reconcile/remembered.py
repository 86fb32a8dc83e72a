"""Lists of platforms' own objects that were read before: a copy while nothing of them has moved.

While pods come up a platform is reconciled a few times within seconds, and only its workloads have
changed in between. What was read is kept as bytes, of limited size, until the platform is at rest.
"""

from __future__ import annotations

import json
import marshal
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from pryv_operator.api.kubernetes import Object
from pryv_operator.kube.known_objects import mark, sum_of
from pryv_operator.kube.read_meter import count_read
from pryv_operator.kube.work_queue import Key

#: Bytes of all lists together.
_MOST_BYTES: Final = 4 << 20
#: A watch may be delayed without anybody noticing, so a list is read again after so long.
_LONGEST_SECONDS: Final = 60.0


class ListKey(NamedTuple):
    """What was asked for: the resource's plural, the label selector, and the form of the answer.

    ``name``: of one object that was asked for by it; then there is no selector.
    """

    plural: str
    labels: str
    accept: str
    name: str = ""


@dataclass
class RememberedList:
    """The objects of one list by name: their marks, and they themselves in Python's own format.

    Writing that takes a sixth of the time of JSON. The bytes never leave the process.
    """

    read_at: float
    marks: dict[str, int] = field(default_factory=dict)
    items: dict[str, bytes] = field(default_factory=dict, repr=False)
    size: int = 0

    def set(self, item: Object) -> None:
        """Add an object, or replace it."""
        metadata = item["metadata"]
        name = metadata["name"]
        self.remove(name)
        self.marks[name] = mark(name, metadata["resourceVersion"])
        self.items[name] = written = _packed(item)
        self.size += len(written)

    def remove(self, name: str) -> None:
        """Remove an object."""
        self.marks.pop(name, None)
        self.size -= len(self.items.pop(name, b""))

    @property
    def sum(self) -> int:
        """What stands for the objects in their versions, as ``KnownObjects.sum``."""
        return sum_of(self.marks.values())

    def parsed(self) -> list[Object]:
        """The objects. They take as much memory as if they had been read."""
        count_read(self.size)
        return [_unpacked(written) for written in self.items.values()]


def _packed(item: Object) -> bytes:
    try:
        return marshal.dumps(item)
    except ValueError:  # nested more deeply than its 2,000 levels
        return marshal.dumps(json.dumps(item))


def _unpacked(written: bytes) -> Object:
    found = marshal.loads(written)  # noqa: S302 - written by this process
    item: Object = json.loads(found) if isinstance(found, str) else found
    return item


class RememberedLists:
    """The lists of all platforms. Those of the platforms that were read longest ago go first."""

    def __init__(
        self, most_bytes: int = _MOST_BYTES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Empty. ``clock``: in seconds."""
        self._lists: OrderedDict[Key, dict[ListKey, RememberedList]] = OrderedDict()
        self._most_bytes = most_bytes
        self._clock = clock

    def get(self, key: Key, wanted: ListKey, current: int | None) -> RememberedList | None:
        """A list as it is now. ``current``: the sum of the objects by the watches, if known."""
        found = self._lists.get(key, {}).get(wanted)
        if found is None or current is None or found.sum != current:
            return None
        return found if self._clock() - found.read_at < _LONGEST_SECONDS else None

    def last(self, key: Key, wanted: ListKey) -> RememberedList | None:
        """A list as it was last read, or written."""
        return self._lists.get(key, {}).get(wanted)

    def remember(self, key: Key, wanted: ListKey, items: list[Object]) -> RememberedList:
        """Keep the objects of a list that was read."""
        remembered = RememberedList(self._clock())
        for item in items:
            remembered.set(item)
        self._lists.setdefault(key, {})[wanted] = remembered
        self._lists.move_to_end(key)
        self.fit()
        return remembered

    def knows(self, key: Key, plural: str, name: str, version: int) -> bool:
        """Whether an object is remembered in this version (its mark)."""
        lists = self.of_resource(key, plural)
        return any(each.marks.get(name) == version for _, each in lists)

    def of_resource(self, key: Key, plural: str) -> Iterator[tuple[ListKey, RememberedList]]:
        """The lists of one resource."""
        lists = self._lists.get(key, {})
        return ((each, found) for each, found in lists.items() if each.plural == plural)

    def forget(self, key: Key) -> None:
        """Drop all lists of a platform."""
        self._lists.pop(key, None)

    def fit(self) -> None:
        """Drop lists until the rest is within the limit."""
        while self._lists and self.size() > self._most_bytes:
            self._lists.popitem(last=False)

    def size(self) -> int:
        """Bytes of all lists together."""
        return sum(each.size for lists in self._lists.values() for each in lists.values())


class UnservedResources:
    """Resources of other products that the API server was found not to serve."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """None yet. ``clock``: in seconds."""
        self._since: dict[str, float] = {}
        self._clock = clock

    def add(self, plural: str) -> None:
        """The API server does not serve a resource; it may, once the product is installed."""
        self._since[plural] = self._clock()

    def __contains__(self, plural: str) -> bool:
        """Whether a request for it would be in vain."""
        since = self._since.get(plural)
        return since is not None and self._clock() - since < _LONGEST_SECONDS
