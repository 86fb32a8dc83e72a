"""Which waiting key is next: by priority, and within one, namespaces take turns. Has no clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import Final, NamedTuple, TypeAlias

from pryv_operator.kube.ranked import Ranked

#: One of so many starts favours another priority than the highest, each in turn: none starves.
_SHARED_START: Final = 4


class Key(NamedTuple):
    """Namespace and name of a platform."""

    namespace: str
    name: str


class Priority(IntEnum):
    """Why a key waits; the lower number comes first."""

    #: A user changed the platform, and waits for it.
    CHANGE = 0
    #: An object of the platform changed.
    EVENT = 1
    #: Many platforms wait for the same reason, such as a Secret that all of them refer to.
    FAN_OUT = 2
    #: It is time again.
    RESYNC = 3


#: Number of the namespace's last turn, then the due time and the key that is its first.
_Rank: TypeAlias = tuple[int, float, Key]
#: Whether a group of namespaces may have no further worker at present.
IsFull: TypeAlias = Callable[[str], bool]


class _Namespaces:
    """Namespaces by rank. Those of full groups step aside, so that nobody walks past all of them.

    The group of a namespace is asked for when it comes first, of all or of those that stepped
    aside with it. So one that leaves a full group is found out then.
    """

    def __init__(self, group: Callable[[str], str]) -> None:
        self._group = group
        self._ranked: Ranked[str, _Rank] = Ranked()
        #: Group → its namespaces that stepped aside.
        self._aside: dict[str, Ranked[str, _Rank]] = {}
        #: Namespace → the group with which it stepped aside.
        self._aside_with: dict[str, str] = {}

    def set(self, namespace: str, rank: _Rank) -> None:
        """Add a namespace, or give it another rank."""
        self._of(namespace).set(namespace, rank)

    def discard(self, namespace: str) -> None:
        """Remove a namespace."""
        self._of(namespace).discard(namespace)
        group = self._aside_with.pop(namespace, None)
        if group is not None and not self._aside[group]:
            del self._aside[group]

    def first(self, is_full: IsFull) -> str | None:
        """The first namespace whose group is not full."""
        for group in tuple(self._aside):
            self._bring_back(group, is_full)
        while found := self._ranked.first():
            rank, namespace = found
            group = self._group(namespace)
            if not is_full(group):
                return namespace
            self._ranked.discard(namespace)
            self._step_aside(namespace, group, rank)
        return None

    def _of(self, namespace: str) -> Ranked[str, _Rank]:
        group = self._aside_with.get(namespace)
        return self._ranked if group is None else self._aside[group]

    def _step_aside(self, namespace: str, group: str, rank: _Rank) -> None:
        self._aside_with[namespace] = group
        self._aside.setdefault(group, Ranked()).set(namespace, rank)

    def _bring_back(self, group: str, is_full: IsFull) -> None:
        """Bring back the first of a group that is not full, and those that have left the group."""
        while found := self._aside[group].first():
            rank, namespace = found
            now_in = self._group(namespace)
            if now_in == group and is_full(group):
                return
            self.discard(namespace)
            if is_full(now_in):
                self._step_aside(namespace, now_in, rank)
            else:
                self._ranked.set(namespace, rank)
            if now_in == group or group not in self._aside:
                return


class _Line:
    """The waiting keys of one priority."""

    def __init__(self, group: Callable[[str], str]) -> None:
        #: Namespace → its keys by due time.
        self.keys: dict[str, Ranked[Key, float]] = {}
        self.namespaces = _Namespaces(group)


class FairOrder:
    """Waiting keys, and which of them a free worker takes."""

    def __init__(self, group: Callable[[str], str] = str) -> None:
        """``group``: namespace → its group at present; default: each is one by itself."""
        self._lines = {priority: _Line(group) for priority in Priority}
        #: Key → the priority with which it waits.
        self._waiting: dict[Key, Priority] = {}
        #: Namespace → how many keys had been taken when it last had its turn.
        self._turns: Counter[str] = Counter()
        self._taken = 0

    def __len__(self) -> int:
        """How many keys wait."""
        return len(self._waiting)

    @property
    def taken(self) -> int:
        """How many keys were taken so far."""
        return self._taken

    def put(self, key: Key, due: float, priority: Priority) -> None:
        """Let a key wait; one that waits already has this due time and priority from now on."""
        before = self._waiting.get(key)
        if before is not None and before != priority:
            self._remove(key)
        self._waiting[key] = priority
        self._lines[priority].keys.setdefault(key.namespace, Ranked()).set(key, due)
        self._update(priority, key.namespace)

    def take(self, is_full: IsFull) -> Key | None:
        """Remove the key that is next and return it; None when no waiting key may have a worker."""
        for priority in self._favoured():
            line = self._lines[priority]
            namespace = line.namespaces.first(is_full)
            first = line.keys[namespace].first() if namespace is not None else None
            if first is not None:
                key = first[1]
                self._taken += 1
                self._turns[key.namespace] = self._taken
                self._remove(key)
                for each in Priority:
                    self._update(each, key.namespace)
                return key
        return None

    def discard(self, key: Key) -> None:
        """Remove a key if it waits."""
        if key in self._waiting:
            self._remove(key)

    def forget(self, namespace: str) -> None:
        """Forget the last turn of a namespace without keys."""
        self._turns.pop(namespace, None)

    def _favoured(self) -> Iterator[Priority]:
        """The priorities in the order in which they get the next start."""
        rounds, number = divmod(self._taken, _SHARED_START)
        if number == _SHARED_START - 1:
            yield Priority(rounds % len(Priority))
        yield from Priority

    def _remove(self, key: Key) -> None:
        priority = self._waiting.pop(key)
        keys = self._lines[priority].keys
        keys[key.namespace].discard(key)
        if not keys[key.namespace]:
            del keys[key.namespace]
        self._update(priority, key.namespace)

    def _update(self, priority: Priority, namespace: str) -> None:
        """Bring the rank of a namespace in a line up to date."""
        line = self._lines[priority]
        first = line.keys[namespace].first() if namespace in line.keys else None
        if first is None:
            line.namespaces.discard(namespace)
        else:
            line.namespaces.set(namespace, (self._turns[namespace], *first))
