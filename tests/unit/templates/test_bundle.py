"""Bundles: what is derived from one is kept with it, and with no other."""

from __future__ import annotations

import pickle

from pryv_operator.child_processes import frames
from pryv_operator.templates.builtin import load_release
from pryv_operator.templates.bundle import Bundle


def test_is_derived_once_for_each_bundle() -> None:
    first, second = Bundle("a", "1", {"core": {}}), Bundle("a", "1", {"core": {}})
    made: list[str] = []

    def compute() -> str:
        made.append("x")
        return "x"

    assert [first.derive("key", compute) for _ in range(3)] == ["x"] * 3
    assert made == ["x"]
    second.derive("key", compute)
    first.with_files({"core": {"a": b""}}).derive("key", compute)
    assert made == ["x"] * 3


def test_what_is_derived_changes_neither_equality_nor_what_a_child_process_gets() -> None:
    bundle = load_release()
    plain = frames.encode(pickle.loads(pickle.dumps(bundle)))
    bundle.derive("texts", lambda: {"derived text": "x"})
    assert frames.encode(pickle.loads(pickle.dumps(bundle))) == plain
    assert b"derived text" not in frames.encode(bundle)
    assert bundle == pickle.loads(pickle.dumps(bundle))
