"""Which waiting key is next, compared with a search of all that wait."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.kube.fair_order import FairOrder, Key, Priority

NAMESPACES = st.sampled_from("abcde")
KEYS = st.builds(Key, NAMESPACES, st.sampled_from("xyz"))
PRIORITIES = st.sampled_from(Priority)
PUTS = st.tuples(KEYS, st.integers(0, 9).map(float), PRIORITIES)


class SearchingOrder:
    """The same rules without any index."""

    def __init__(self, group: Callable[[str], str]) -> None:
        self.group = group
        self.waiting: dict[Key, tuple[float, Priority]] = {}
        self.turns: Counter[str] = Counter()
        self.taken = 0

    def put(self, key: Key, due: float, priority: Priority) -> None:
        self.waiting[key] = (due, priority)

    def take(self, is_full: Callable[[str], bool]) -> Key | None:
        favoured = self.taken // 4 % 4 if self.taken % 4 == 3 else None
        found = min(
            (
                (priority != favoured, priority, self.turns[key.namespace], due, key)
                for key, (due, priority) in self.waiting.items()
                if not is_full(self.group(key.namespace))
            ),
            default=None,
        )
        if found is None:
            return None
        key = found[-1]
        self.taken += 1
        self.turns[key.namespace] = self.taken
        del self.waiting[key]
        return key


@given(
    together=st.sets(NAMESPACES),
    steps=st.lists(st.one_of(PUTS, st.sets(st.sampled_from(["", *"abcde"]))), max_size=80),
)
def test_it_takes_what_a_search_would_find(together: set[str], steps: list[Any]) -> None:
    """``steps``: what begins to wait, or the groups that are full while a key is taken."""

    def group(namespace: str) -> str:
        return "" if namespace in together else namespace

    order, searching = FairOrder(group), SearchingOrder(group)
    for step in steps:
        if isinstance(step, set):
            assert order.take(step.__contains__) == searching.take(step.__contains__)
        else:
            order.put(*step)
            searching.put(*step)
        assert len(order) == len(searching.waiting)


@given(
    steps=st.lists(
        st.one_of(PUTS, st.tuples(st.sets(NAMESPACES), st.sets(st.sampled_from(["", *"abcde"])))),
        max_size=80,
    )
)
def test_groups_may_change_at_any_time(steps: list[Any]) -> None:
    """``steps``: what begins to wait, or which namespaces form a group and which are full."""
    together: set[str] = set()

    def group(namespace: str) -> str:
        return "" if namespace in together else namespace

    order = FairOrder(group)
    waiting: set[Key] = set()
    for step in steps:
        if len(step) == 3:
            order.put(*step)
            waiting.add(step[0])
            continue
        together, full = step
        key = order.take(full.__contains__)
        if key is not None:
            assert group(key.namespace) not in full
            waiting.remove(key)
        assert len(order) == len(waiting)
    taken = {order.take(lambda _: False) for _ in range(len(waiting))}
    assert taken == waiting, "whatever the groups were, nothing that waits is lost"


def test_a_change_overtakes_what_waits_already() -> None:
    order = FairOrder()
    for number in range(500):
        order.put(Key("many", f"p{number:03}"), 0.0, Priority.FAN_OUT)
    assert [order.take(lambda _: False) for _ in range(20)]
    order.put(Key("many", "p400"), 0.0, Priority.CHANGE)
    order.put(Key("other", "a"), 9.0, Priority.CHANGE)
    soon = [order.take(lambda _: False) for _ in range(3)]
    assert Key("many", "p400") in soon
    assert Key("other", "a") in soon


@given(PRIORITIES, st.integers(0, 40))
def test_no_priority_starves(priority: Priority, before: int) -> None:
    """However many wait with any other priority: one of 16 starts favours each."""
    order = FairOrder()
    waiting = Key("patient", "a")
    for number in range(400):
        order.put(Key("many", f"{number}"), 0.0, Priority(number % 4))
    for _ in range(before):
        order.take(lambda _: False)
    order.put(waiting, 100.0, priority)
    assert waiting in [order.take(lambda _: False) for _ in range(16)]


def calls_to_take(namespaces: int, keys: int, *, group: Callable[[str], str]) -> float:
    """Function calls that a start costs, of 200 while two workers of a group are at work."""
    order = FairOrder(group)
    for namespace in range(namespaces):
        for key in range(keys):
            order.put(Key(f"n{namespace}", f"{key}"), float(key), Priority.EVENT)
    order.take(lambda name: name == "full")
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    sys.setprofile(count)
    try:
        for _ in range(200):
            order.take(lambda name: name == "full")
    finally:
        sys.setprofile(None)
    return calls / 200


def test_a_start_costs_the_same_however_many_wait() -> None:
    """Also while half of the namespaces belong to a group that is full."""
    for group in (str, lambda name: "full" if name < "n5" else name):
        few = calls_to_take(600, 1, group=group)
        assert calls_to_take(6000, 1, group=group) <= 1.5 * few
        assert calls_to_take(600, 10, group=group) <= 1.5 * few
