"""Watches of what ``kubectl get`` shows: an object's metadata, and its status in a few words.

The API server writes such rows for every resource (``Table`` of meta.k8s.io/v1). They cost little
more than metadata, and whole objects many times as much.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from pryv_operator.kube.watch_events import WatchEvent

TABLE: Final = "application/json;as=Table;g=meta.k8s.io;v=v1"
#: A row has its object's metadata.
TABLE_QUERY: Final = {"includeObject": "Metadata"}


class TableEvents:
    """What the events of one such watch show. Only the first one names the columns."""

    def __init__(self, columns: Collection[str]) -> None:
        """``columns``: those that are kept, as the API server names them."""
        self._wanted = columns
        self._indices: tuple[int, ...] = ()

    def shown(self, event: WatchEvent) -> str:
        """The cells of the event's row, with spaces between them; empty if it has none."""
        if event.row is None:
            return ""
        if event.columns:
            self._indices = tuple(
                index for index, each in enumerate(event.columns) if each.name in self._wanted
            )
        return " ".join(str(event.row.cells[index]) for index in self._indices)
