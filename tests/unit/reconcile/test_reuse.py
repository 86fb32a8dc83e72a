"""A desired state is reused only for what is the same in every respect."""

from __future__ import annotations

import copy
import json
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.reconcile.reuse import ReusedComputation, is_identical
from tests.unit.builders import inputs, platform

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 1) | st.sampled_from([0.0, 1.0, "", "1"]),
    lambda inside: st.lists(inside, max_size=2) | st.dictionaries(st.sampled_from("ab"), inside),
    max_leaves=4,
)


class Counting:
    """Computes, and counts how often."""

    def __init__(self) -> None:
        self.runs = 0

    async def run(self, _platform: Any, function: Any, *arguments: Any) -> Any:
        self.runs += 1
        return function(*arguments)


def variables(of: Any) -> str:
    return json.dumps(of.platform.spec.variables)


async def test_the_same_inputs_are_computed_once() -> None:
    counting = Counting()
    reused = ReusedComputation(counting)
    for _ in range(3):
        of = platform(variables={"A": [1, {"b": None}]})
        await reused.run(of, variables, inputs(of))
    assert counting.runs == 1


@pytest.mark.parametrize(
    ("before", "after"),
    [(1, True), (0, False), (1, 1.0), ([0], [False]), ({"a": {"b": 1}}, {"a": {"b": True}})],
)
async def test_values_that_python_takes_for_equal_are_different_inputs(
    before: Any, after: Any
) -> None:
    reused = ReusedComputation(Counting())
    for value in (before, after):
        of = platform(variables={"A": value})
        assert await reused.run(of, variables, inputs(of)) == json.dumps({"A": value})


async def test_inputs_are_not_compared_on_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has to renew the lease, however many variables a platform has."""
    threads: set[int] = set()

    def compare(one: Any, other: Any) -> bool:
        threads.add(threading.get_ident())
        return is_identical(one, other)

    monkeypatch.setattr("pryv_operator.reconcile.reuse.is_identical", compare)
    reused = ReusedComputation(Counting())
    for _ in range(2):
        await reused.run(platform(), variables, inputs())
    assert threads
    assert threading.get_ident() not in threads


@given(JSON, JSON)
def test_inputs_are_the_same_exactly_if_their_json_is(one: Any, other: Any) -> None:
    these, those = (inputs(platform(variables={"A": each})) for each in (one, other))
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert is_identical((these,), (those,)) == same
    assert is_identical(these, copy.deepcopy(these))


@pytest.mark.parametrize(
    "different",
    [{"secrets": {"A": "b"}}, {"restart": "core@2"}, {"authorities": "x"}, {"hash_key": b"k"}],
    ids=lambda each: next(iter(each)),
)
def test_every_input_counts(different: dict[str, Any]) -> None:
    assert not is_identical((inputs(),), (inputs(**different),))
