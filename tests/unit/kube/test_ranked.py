"""Items by rank, compared with a dictionary."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.kube.ranked import Ranked

ITEMS = st.integers(0, 12)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), ITEMS, st.integers(0, 5)),
        st.tuples(st.just("discard"), ITEMS, st.just(0)),
        st.tuples(st.just("pop"), st.just(0), st.just(0)),
    ),
    max_size=200,
)


@given(STEPS)
def test_the_first_is_the_lowest(steps: list[tuple[str, int, int]]) -> None:
    ranked: Ranked[int, int] = Ranked()
    model: dict[int, int] = {}

    def lowest() -> tuple[int, int] | None:
        return min(((rank, item) for item, rank in model.items()), default=None)

    for action, item, rank in steps:
        if action == "set":
            ranked.set(item, rank)
            model[item] = rank
        elif action == "discard":
            ranked.discard(item)
            model.pop(item, None)
        else:
            expected = lowest()
            assert ranked.pop() == expected
            if expected:
                del model[expected[1]]
        assert ranked.first() == lowest()
        assert len(ranked) == len(model)


def test_outdated_entries_do_not_pile_up() -> None:
    ranked: Ranked[int, float] = Ranked()
    for number in range(10_000):
        ranked.set(number % 10, -number)
        assert len(ranked._heap) <= 2 * len(ranked) + 33
    for number in range(10):
        ranked.discard(number)
    assert ranked.first() is None
