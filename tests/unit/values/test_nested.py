"""Nested values: read, replaced and searched by paths."""

from __future__ import annotations

from typing import Any

import pytest

from pryv_operator.templates.bundle import UNSET
from pryv_operator.values.nested import (
    blanked_at,
    leaves,
    map_leaves,
    texts_in,
    value_at,
    with_value_at,
    without_paths,
)

VALUE: Any = {"a": {"b": 1, "c": [{"d": "x"}]}, "e": None}


@pytest.mark.parametrize(
    ("path", "expected"),
    [((), VALUE), (("a", "b"), 1), (("e",), None), (("e", "f"), UNSET), (("a", "c", "d"), UNSET)],
)
def test_value_at(path: tuple[str, ...], expected: Any) -> None:
    assert value_at(VALUE, path) == expected


def test_with_value_at_copies() -> None:
    assert with_value_at(VALUE, ("a", "b"), 2)["a"] == {"b": 2, "c": [{"d": "x"}]}
    assert with_value_at(VALUE, ("e", "f"), 2)["e"] == {"f": 2}
    assert VALUE["a"]["b"] == 1
    assert VALUE["e"] is None


def test_without_paths_removes_maps_that_become_empty() -> None:
    assert without_paths({"a": {"b": 1}, "c": 2}, [("a", "b"), ("x", "y")]) == {"c": 2}


def test_blanked_paths_preserve_the_order() -> None:
    found = blanked_at({"a": {"b": 1}, "c": 2}, [("a", "b"), ("x",)])
    assert list(found.items()) == [("a", {"b": ""}), ("c", 2)]  # type: ignore[union-attr]


def test_leaves_and_texts() -> None:
    assert list(leaves(VALUE)) == [(("a", "b"), 1), (("a", "c"), [{"d": "x"}]), (("e",), None)]
    assert list(texts_in(VALUE)) == ["a", "b", "c", "d", "x", "e"]
    assert map_leaves(VALUE, str) == {"a": {"b": "1", "c": [{"d": "x"}]}, "e": "None"}
