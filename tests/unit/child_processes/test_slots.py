"""Who computes next: by recent use, one of each namespace, one of all that are confined."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.child_processes.slots import RecentUse, Slots, Ticket

HALF_LIFE = 60.0


def new_slots(size: int = 2, confined_seconds: float = 600.0) -> Slots:
    return Slots(size, confined_seconds, RecentUse(HALF_LIFE))


def granted(slots: Slots, now: float = 0.0) -> list[str]:
    """All that get a slot now, in their order."""
    found = []
    while (ticket := slots.grant(now)) is not None:
        found.append(ticket.namespace)
    return found


def compute(slots: Slots, namespace: str, seconds: float, begin: float = 0.0) -> None:
    slots.wait(namespace)
    ticket = slots.grant(begin)
    assert ticket is not None
    assert ticket.namespace == namespace
    slots.leave(ticket, begin + seconds)


def test_use_halves_in_the_half_life_and_adds_up() -> None:
    use = RecentUse(HALF_LIFE)
    use.add("a", 8.0, 0.0)
    use.add("b", 2.0, 60.0)
    assert (use.of("a", 60.0), use.of("b", 60.0), use.of("c", 60.0)) == (4.0, 2.0, 0.0)
    use.add("a", 1.0, 120.0)
    assert (use.of("a", 120.0), use.of("b", 120.0)) == (3.0, 1.0)


@given(
    added=st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 60), st.floats(0, 600))),
    later=st.floats(0, 600),
)
def test_use_is_never_more_than_what_was_used_and_only_shrinks(
    added: list[tuple[str, float, float]], later: float
) -> None:
    use, total, now = RecentUse(HALF_LIFE), Counter[str](), 0.0
    for namespace, seconds, pause in added:
        now += pause
        before = use.of(namespace, now)
        use.add(namespace, seconds, now)
        assert use.of(namespace, now) >= max(seconds, before) - 0.02
        total[namespace] += seconds  # type: ignore[assignment]
    for namespace in "abc":
        assert use.of(namespace, now + later) <= use.of(namespace, now) <= total[namespace] + 1e-6


def test_of_those_that_wait_the_namespace_that_used_least_is_next() -> None:
    slots = new_slots(size=1)
    for seconds, namespace in enumerate(("none", "little", "more", "much")):
        compute(slots, namespace, seconds)
    for namespace in ("much", "more", "none", "little"):
        slots.wait(namespace)
    order = []
    while (ticket := slots.grant(10.0)) is not None:
        order.append(ticket.namespace)
        slots.leave(ticket, 10.0)
    assert order == ["none", "little", "more", "much"]


def test_equal_use_is_first_come_first_served() -> None:
    slots = new_slots(size=3)
    for namespace in ("b", "a", "c"):
        slots.wait(namespace)
    assert granted(slots) == ["b", "a", "c"]


def test_a_namespace_gets_one_slot_at_a_time() -> None:
    slots = new_slots(size=2)
    for namespace in ("a", "a", "b"):
        slots.wait(namespace)
    assert granted(slots) == ["a", "b"]


def test_many_confined_namespaces_leave_a_slot_to_others() -> None:
    slots = new_slots(size=2)
    for number in range(5):
        slots.confine(f"confined-{number}", 0.0)
        slots.wait(f"confined-{number}")
    assert granted(slots) == ["confined-0"]
    slots.wait("other")
    assert granted(slots) == ["other"]


def test_a_namespace_is_confined_for_a_while() -> None:
    slots = new_slots(size=2, confined_seconds=600.0)
    for namespace in ("a", "b"):
        slots.confine(namespace, 0.0)
        slots.wait(namespace)
    assert granted(slots, 599.0) == ["a"]
    assert granted(slots, 600.0) == ["b"]


def test_a_long_call_is_confined_although_its_namespace_is_not_any_more() -> None:
    slots = new_slots(size=2)
    slots.wait("a", confined=True)
    slots.wait("b", confined=True)
    assert granted(slots) == ["a"]


def test_confined_at_work_a_namespace_does_not_block_the_confined() -> None:
    """What began before its namespace was confined has a slot of the others."""
    slots = new_slots(size=3)
    slots.wait("a")
    assert granted(slots) == ["a"]
    slots.confine("a", 0.0)
    slots.confine("b", 0.0)
    slots.wait("b")
    assert granted(slots) == ["b"]


def test_who_leaves_the_line_gets_no_slot_and_has_used_nothing() -> None:
    slots = new_slots(size=1)
    first, second, third = (slots.wait(each) for each in "abc")
    assert slots.grant(0.0) is first
    slots.leave(second, 5.0)
    slots.leave(first, 5.0)
    assert slots.grant(5.0) is third
    assert (slots.use.of("a", 5.0), slots.use.of("b", 5.0)) == (5.0, 0.0)


_step = st.one_of(
    st.tuples(st.just("wait"), st.sampled_from("abcd")),
    st.tuples(st.just("confine"), st.sampled_from("abcd")),
    st.tuples(st.just("leave"), st.integers(0, 9)),
    st.tuples(st.just("pass"), st.floats(0, 200)),
)


@given(steps=st.lists(_step, max_size=60), size=st.integers(1, 3))
def test_in_every_history_the_rules_hold_and_nobody_is_forgotten(
    steps: list[tuple[str, str | int | float]], size: int
) -> None:
    slots, now = new_slots(size, confined_seconds=100.0), 0.0
    waiting: list[Ticket] = []
    at_work: list[Ticket] = []

    def grant() -> None:
        while (ticket := slots.grant(now)) is not None:
            waiting.remove(ticket)
            at_work.append(ticket)

    for kind, value in steps:
        if kind == "wait":
            waiting.append(slots.wait(str(value)))
        elif kind == "confine":
            slots.confine(str(value), now)
        elif kind == "leave" and (everyone := [*at_work, *waiting]):
            ticket = everyone[int(value) % len(everyone)]
            (at_work if ticket in at_work else waiting).remove(ticket)
            slots.leave(ticket, now)
        elif kind == "pass":
            now += float(value)
        grant()
        assert len(at_work) <= size
        assert len({each.namespace for each in at_work}) == len(at_work)
        assert sum(each.confined for each in at_work) <= 1
        assert all(
            len(at_work) == size
            or each.namespace in {other.namespace for other in at_work}
            or any(other.confined for other in at_work)
            for each in waiting
        ), "a slot is free for one that waits"
    for _ in range(len(waiting) + len(at_work)):
        if not at_work:
            break
        slots.leave(at_work.pop(), now)
        grant()
    assert not waiting


@given(data=st.data(), hostile=st.integers(1, 12))
def test_a_light_namespace_waits_for_one_call_of_others_at_most(
    data: st.DataObject, hostile: int
) -> None:
    """However many namespaces compute without a pause, once they have used more than it."""
    slots, now = new_slots(size=1), 0.0
    for number in range(hostile):
        compute(slots, f"hostile-{number}", 1.0)
        slots.wait(f"hostile-{number}")
    for _ in range(data.draw(st.integers(1, 30))):
        ticket = slots.grant(now)
        assert ticket is not None
        slots.wait("light")
        now += data.draw(st.floats(0.5, 2.0))
        slots.leave(ticket, now)
        slots.wait(ticket.namespace)
        light = slots.grant(now)
        assert light is not None
        assert light.namespace == "light"
        slots.leave(light, now + 0.001)


def test_equal_demand_gets_equal_time() -> None:
    """Two namespaces compute without a pause: one in calls of 0.2 s, the other of 2 s."""
    slots, now, used = new_slots(size=1), 0.0, Counter[str]()
    seconds = {"short": 0.2, "long": 2.0}
    for namespace in seconds:
        slots.wait(namespace)
    while now < 600.0:
        ticket = slots.grant(now)
        assert ticket is not None
        now += seconds[ticket.namespace]
        used[ticket.namespace] += seconds[ticket.namespace]  # type: ignore[assignment]
        slots.leave(ticket, now)
        slots.wait(ticket.namespace)
    assert abs(used["short"] - used["long"]) < 10.0
