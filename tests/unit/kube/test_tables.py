"""Rows of the API server become metadata and a few words."""

from __future__ import annotations

from pryv_operator.kube.tables import TableEvents

COLUMNS = [{"name": "Name"}, {"name": "Ready"}, {"name": "Age"}, {"name": "Available"}]
METADATA = {"metadata": {"name": "a", "resourceVersion": "7"}}


def row(*cells: object, columns: object = None, kind: str = "MODIFIED") -> dict[str, object]:
    rows = [{"cells": [*cells], "object": METADATA}]
    return {"type": kind, "object": {"kind": "Table", "columnDefinitions": columns, "rows": rows}}


def test_only_the_first_event_names_the_columns() -> None:
    events = TableEvents(["Ready", "Available"])
    first, shown = events.read(row("a", "0/1", "1s", 0, columns=COLUMNS))
    assert (first, shown) == ({"type": "MODIFIED", "object": METADATA}, "0/1 0")
    assert events.read(row("a", "1/1", "2s", 1)) == (first, "1/1 1")


def test_bookmarks_and_errors() -> None:
    events = TableEvents(["Ready"])
    assert events.read(row("", "0/0", "", 0, columns=COLUMNS, kind="BOOKMARK"))[0] == {
        "type": "BOOKMARK",
        "object": METADATA,
    }
    error = {"type": "ERROR", "object": {"kind": "Status", "code": 410}}
    assert events.read(error) == (error, "")


def test_metadata_without_a_table_are_left_as_they_are() -> None:
    event = {"type": "ADDED", "object": METADATA}
    assert TableEvents([]).read(event) == (event, "")
