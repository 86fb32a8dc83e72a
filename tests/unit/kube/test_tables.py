"""Rows of the API server become a few words."""

from __future__ import annotations

import json

from pryv_operator.kube.tables import TableEvents
from pryv_operator.kube.watch_events import WatchEvent, read_event

COLUMNS = [{"name": "Name"}, {"name": "Ready"}, {"name": "Age"}, {"name": "Available"}]
METADATA = {"metadata": {"name": "a", "resourceVersion": "7"}}


def row(*cells: object, columns: object = None, kind: str = "MODIFIED") -> WatchEvent:
    rows = [{"cells": [*cells], "object": METADATA}]
    table = {"kind": "Table", "columnDefinitions": columns, "rows": rows}
    event = read_event(json.dumps({"type": kind, "object": table}).encode())
    assert isinstance(event, WatchEvent)
    return event


def test_only_the_first_event_names_the_columns() -> None:
    table = TableEvents(["Ready", "Available"])
    first = row("a", "0/1", "1s", 0, columns=COLUMNS)
    assert table.shown(first) == "0/1 0"
    assert first.metadata.resource_version == "7"
    assert table.shown(row("a", "1/1", "2s", 1)) == "1/1 1"


def test_a_bookmark_has_a_row() -> None:
    bookmark = row("", "0/0", "", 0, columns=COLUMNS, kind="BOOKMARK")
    assert TableEvents(["Ready"]).shown(bookmark) == "0/0"
    assert bookmark.metadata.resource_version == "7"


def test_metadata_without_a_table_show_nothing() -> None:
    event = read_event(json.dumps({"type": "ADDED", "object": METADATA}).encode())
    assert isinstance(event, WatchEvent)
    assert TableEvents([]).shown(event) == ""
