"""The leader's listing rules, and what a follower keeps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.leader.listing import kept_by_follower, listed

_NAMES = ["a", "b.json", "b.yml", "a.b.json", ".k", ".json", ".json.yml", "é", "A", "conf", "b"]
_PATHS = st.lists(
    st.lists(st.sampled_from(_NAMES), min_size=1, max_size=3).map("/".join),
    unique=True,
)


def test_lists_as_the_leader_does(shared_pryv: Path) -> None:
    vectors = json.loads((shared_pryv / "leader-vectors.json").read_text())["listing"]
    assert vectors
    for vector in vectors:
        assert listed(vector["files"]) == vector["listed"]


def test_a_json_file_gives_way_to_its_stem_wherever_it_stands() -> None:
    assert listed(["core/conf/core.json", "core/conf/core.yml"]) == ["core/conf/core.yml"]
    assert listed(["x/a.json", "y/b.txt", "z/a.yml"]) == ["y/b.txt", "z/a.yml"]


def test_a_leading_dot_starts_no_extension() -> None:
    assert listed(["x/.yml", "y/.json", "z/.yml"]) == ["x/.yml", "y/.json", "z/.yml"]


def test_a_file_named_just_json_is_one_by_the_end_of_its_path() -> None:
    assert listed(["x/.json", "y/.json"]) == ["y/.json"]
    assert listed(["x/.json", "y/.json.yml", "z/.json.json"]) == ["y/.json.yml"]


@given(_PATHS)
def test_the_order_given_does_not_matter_and_listing_twice_changes_nothing(
    paths: list[str],
) -> None:
    once = listed(paths)
    assert once == listed(reversed(paths))
    assert listed(once) == once
    assert set(once) <= set(paths)


@given(_PATHS)
def test_only_json_files_are_left_out(paths: list[str]) -> None:
    assert all(path.endswith(".json") for path in set(paths) - set(listed(paths)))


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("pryv.yml", True),
        ("nginx/conf/nginx.conf", True),
        ("nginx/conf/secret/dhsecure.pem", True),
        ("mail/templates/en/html.pug", True),
        ("nginx/log/.gitkeep", False),
        ("core/data/conf/x", False),
        ("conf/x", False),
        ("nginx/conf", False),
    ],
)
def test_a_follower_keeps_configuration_only(path: str, kept: bool) -> None:
    assert kept_by_follower(path) is kept
