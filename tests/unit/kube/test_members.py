"""Who shares the shards, as read from the annotation of a Lease and written to it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.api import labels_annotations as keys
from pryv_operator.kube.members import Members, parse_members


def annotation(**members: str) -> dict[str, str]:
    return {keys.MEMBERS: json.dumps(members)}


def test_a_member_is_live_until_it_has_had_no_new_heartbeat_for_long() -> None:
    members = Members("me", expiry=12)
    assert members.live(0) == {"me"}
    members.observe(annotation(me="1", other="1"), 0)
    members.observe(annotation(me="1", other="1"), 8)
    assert members.live(11.9) == {"me", "other"}
    assert members.live(12) == {"me"}
    members.observe(annotation(me="1", other="2"), 13)
    assert members.live(13) == {"me", "other"}
    members.observe({}, 14)
    assert members.live(14) == {"me"}


def test_what_is_written_names_the_live_ones_with_their_heartbeats() -> None:
    members = Members("me", expiry=12)
    members.observe(annotation(other="1", gone="1"), 0)
    members.observe(annotation(other="2", gone="1"), 10)
    assert members.annotations("now", 12) == {keys.MEMBERS: '{"me":"now","other":"2"}'}
    members.leave()
    assert members.annotations("now", 12) == {keys.MEMBERS: '{"other":"2"}'}
    assert members.live(12) == {"other"}


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "1", '"a"', "{", '{"a": 1}', "[" * 100_000, 7, None]
)
def test_what_is_not_valid_names_nobody(text: Any) -> None:
    assert parse_members({keys.MEMBERS: text}) == {}
    assert parse_members({}) == {}


@given(st.dictionaries(st.text(), st.text()))
def test_what_was_written_is_read_again(others: dict[str, str]) -> None:
    members = Members("me", expiry=12)
    members.observe({keys.MEMBERS: json.dumps(others)}, 0)
    written = members.annotations("now", 0)
    assert parse_members(written) == others | {"me": "now"}
