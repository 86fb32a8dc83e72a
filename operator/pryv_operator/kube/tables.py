"""Watches of what ``kubectl get`` shows: an object's metadata, and its status in a few words.

The API server writes such rows for every resource (``Table`` of meta.k8s.io/v1). They cost little
more than metadata, and whole objects many times as much.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from pryv_operator.api.kubernetes import Object

TABLE: Final = "application/json;as=Table;g=meta.k8s.io;v=v1"
#: A row has its object's metadata.
TABLE_QUERY: Final = {"includeObject": "Metadata"}


class TableEvents:
    """Turns the events of one such watch into those of metadata, and what is shown.

    Only the first event of a watch names the columns.
    """

    def __init__(self, columns: Collection[str]) -> None:
        """``columns``: those that are kept, as the API server names them."""
        self._wanted = columns
        self._indices: tuple[int, ...] = ()

    def read(self, event: Object) -> tuple[Object, str]:
        """The event with metadata only, and the cells of its row with spaces between them."""
        table = event["object"]
        if event["type"] == "ERROR" or "rows" not in table:
            return event, ""
        columns = table.get("columnDefinitions")
        if columns:
            self._indices = tuple(
                index for index, each in enumerate(columns) if each["name"] in self._wanted
            )
        (row,) = table["rows"]
        shown = " ".join(str(row["cells"][index]) for index in self._indices)
        return {**event, "object": row["object"]}, shown
