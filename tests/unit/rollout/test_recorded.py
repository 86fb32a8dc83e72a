"""Revisions that are read with their data."""

from __future__ import annotations

import base64
import zlib

import pytest

from pryv_operator.rollout.recorded import HistoryError, find_revision, parse_recorded
from pryv_operator.rollout.revision_record import recorded_workloads
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


def test_a_record_of_a_few_bytes_that_stands_for_gigabytes_is_ignored() -> None:
    bomb = revision_item(2)
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(1024 * 1024)) for _ in range(64)) + packer.flush()
    bomb["data"] = {"spec": {}, "packedWorkloads": base64.b64encode(packed).decode()}
    deep = revision_item(3)
    deep["metadata"]["annotations"]["pryv.io/templates"] = "[" * 100_000
    assert [each.number for each in parse_recorded([bomb, deep, revision_item(1)])] == [1]
    with pytest.raises(ValueError, match="more than the operator records"):
        recorded_workloads(bomb)


def test_a_missing_revision_names_the_existing_ones() -> None:
    history = parse_recorded([revision_item(1), revision_item(4)])
    assert find_revision(history, 4).number == 4
    with pytest.raises(HistoryError, match=r"revision 2: not found; the history holds 1, 4"):
        find_revision(history, 2)
    with pytest.raises(HistoryError, match="the history is empty"):
        find_revision((), 2)
