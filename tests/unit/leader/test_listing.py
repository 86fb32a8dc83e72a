"""Which files the leader offers, and which a follower writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.leader.listing import is_written_by_follower, offered_paths

_NAMES = ["a", "b.json", "b.yml", "a.b.json", ".k", ".json", ".json.yml", "é", "A", "conf", "b"]
_PATHS = st.lists(
    st.lists(st.sampled_from(_NAMES), min_size=1, max_size=3).map("/".join),
    unique=True,
)


def test_lists_as_the_leader_does(shared_pryv: Path) -> None:
    vectors = json.loads((shared_pryv / "leader-vectors.json").read_text())["listing"]
    assert vectors
    for vector in vectors:
        assert offered_paths(vector["files"]) == vector["listed"]


def test_a_json_file_is_replaced_by_another_of_its_stem_in_any_folder() -> None:
    assert offered_paths(["core/conf/core.json", "core/conf/core.yml"]) == ["core/conf/core.yml"]
    assert offered_paths(["x/a.json", "y/b.txt", "z/a.yml"]) == ["y/b.txt", "z/a.yml"]


def test_a_leading_dot_starts_no_extension() -> None:
    assert offered_paths(["x/.yml", "y/.json", "z/.yml"]) == ["x/.yml", "y/.json", "z/.yml"]


def test_a_file_named_dot_json_is_a_json_file() -> None:
    assert offered_paths(["x/.json", "y/.json"]) == ["y/.json"]
    assert offered_paths(["x/.json", "y/.json.yml", "z/.json.json"]) == ["y/.json.yml"]


@given(_PATHS)
def test_input_order_does_not_matter_and_listing_is_idempotent(
    paths: list[str],
) -> None:
    once = offered_paths(paths)
    assert once == offered_paths(reversed(paths))
    assert offered_paths(once) == once
    assert set(once) <= set(paths)


@given(_PATHS)
def test_only_json_files_are_omitted(paths: list[str]) -> None:
    assert all(path.endswith(".json") for path in set(paths) - set(offered_paths(paths)))


@pytest.mark.parametrize(
    ("path", "written"),
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
def test_a_follower_writes_configuration_only(path: str, written: bool) -> None:
    assert is_written_by_follower(path) is written
