"""Events are read as a parser of all of it would, whatever else is in them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.kube.watch_events import (
    END_OF_LIST,
    ErrorEvent,
    WatchEvent,
    read_event,
    read_metadata,
)

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
ANYTHING = st.recursive(
    LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)
MAPS = st.dictionaries(st.text(), st.text())
METADATA = st.fixed_dictionaries(
    {"name": st.text(), "resourceVersion": st.text()},
    optional={
        "namespace": st.text(),
        "generation": st.integers(0, 2**63 - 1),
        "labels": st.none() | MAPS,
        "annotations": st.none() | MAPS | st.just({END_OF_LIST: "true"}),
        "managedFields": ANYTHING,
        "ownerReferences": ANYTHING,
    },
)
KINDS = st.sampled_from(["ADDED", "MODIFIED", "DELETED", "BOOKMARK"])


@given(KINDS, METADATA, st.dictionaries(st.sampled_from(["spec", "data", "kind"]), ANYTHING))
def test_metadata_of_an_object(kind: str, metadata: dict[str, Any], rest: dict[str, Any]) -> None:
    line = json.dumps({"type": kind, "object": {**rest, "metadata": metadata}}).encode()
    event = read_event(line)
    assert isinstance(event, WatchEvent)
    assert event.type == kind
    found = event.metadata
    assert (found.name, found.resource_version) == (metadata["name"], metadata["resourceVersion"])
    assert found.namespace == metadata.get("namespace", "")
    assert found.generation == metadata.get("generation", 0)
    assert found.labels == metadata.get("labels")
    ends = (metadata.get("annotations") or {}).get(END_OF_LIST) == "true"
    assert event.is_end_of_list == (kind == "BOOKMARK" and ends)
    assert read_metadata(metadata) == found


@given(st.dictionaries(st.sampled_from(["code", "reason", "message", "details"]), ANYTHING))
def test_the_status_of_an_error_is_read_as_a_whole(status: dict[str, Any]) -> None:
    line = json.dumps({"type": "ERROR", "object": {"metadata": {}, **status}}).encode()
    event = read_event(line)
    assert isinstance(event, ErrorEvent)
    assert event.status == {"metadata": {}, **status}


@pytest.mark.parametrize(
    "line", [b"", b"{", b"[]", b"null", b'{"type": "ADDED"}', b'{"type": 1, "object": {}}', b"\xff"]
)
def test_what_is_no_event_is_an_error(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_event(line)


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_what_is_skipped_may_not_be_nested_without_end(opening: bytes) -> None:
    head = b'{"type": "ADDED", "object": {"metadata": {"managedFields": '
    with pytest.raises(RecursionError):
        read_event(head + opening * 1_000_000)
