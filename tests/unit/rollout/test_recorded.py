"""Revisions that are read with their data."""

from __future__ import annotations

import base64

import pytest

from pryv_operator.rollout.recorded import HistoryError, find_revision, parse_recorded
from tests.unit.rollout.recorded_revisions import revision_item


def test_unreadable_revisions_are_ignored() -> None:
    broken = revision_item(2)
    broken["data"] = {"spec": {}, "packedWorkloads": base64.b64encode(b"no zlib").decode()}
    assert [
        each.number
        for each in parse_recorded(
            [broken, {"metadata": {"name": "acme-revision-3"}}, revision_item(1)]
        )
    ] == [1]


def test_a_missing_revision_names_the_existing_ones() -> None:
    history = parse_recorded([revision_item(1), revision_item(4)])
    assert find_revision(history, 4).number == 4
    with pytest.raises(HistoryError, match=r"revision 2: not found; the history holds 1, 4"):
        find_revision(history, 2)
    with pytest.raises(HistoryError, match="the history is empty"):
        find_revision((), 2)
