"""Items by rank: the first is found at once, and a rank changes in logarithmic time."""

from __future__ import annotations

import heapq
from typing import Any, Final, Generic, TypeVar

Item = TypeVar("Item")
Rank = TypeVar("Rank", bound=Any)

#: So many outdated entries are not worth a look.
_NEGLIGIBLE: Final = 32


class Ranked(Generic[Item, Rank]):
    """Items with a rank each, the lowest first; of equal ranks the lower item.

    An outdated entry stays in the heap until it is the first, or until half of them are outdated.
    """

    def __init__(self) -> None:
        """Without items."""
        self._ranks: dict[Item, Rank] = {}
        self._heap: list[tuple[Rank, Item]] = []

    def __len__(self) -> int:
        """How many items there are."""
        return len(self._ranks)

    def set(self, item: Item, rank: Rank) -> None:
        """Add an item, or give it another rank."""
        if self._ranks.get(item) == rank:
            return
        self._ranks[item] = rank
        heapq.heappush(self._heap, (rank, item))
        self._drop_outdated()

    def discard(self, item: Item) -> None:
        """Remove an item if it is there."""
        if self._ranks.pop(item, None) is not None:
            self._drop_outdated()

    def first(self) -> tuple[Rank, Item] | None:
        """The lowest rank and its item."""
        while self._heap:
            rank, item = self._heap[0]
            if self._ranks.get(item) == rank:
                return rank, item
            heapq.heappop(self._heap)
        return None

    def pop(self) -> tuple[Rank, Item] | None:
        """Remove the first item and return it with its rank."""
        found = self.first()
        if found is not None:
            heapq.heappop(self._heap)
            del self._ranks[found[1]]
        return found

    def _drop_outdated(self) -> None:
        if len(self._heap) > 2 * len(self._ranks) + _NEGLIGIBLE:
            self._heap = [(rank, item) for item, rank in self._ranks.items()]
            heapq.heapify(self._heap)
