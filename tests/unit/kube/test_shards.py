"""Which shard a namespace has, and which process should lead a shard."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.kube.shards import Shards, assign_shards, holder_of_number, shards_of_holder

NAMESPACES = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True)
COUNTS = st.integers(1, 32)


@given(NAMESPACES, COUNTS)
def test_every_namespace_has_one_shard(namespace: str, count: int) -> None:
    shard = Shards(count).of(namespace)
    assert 0 <= shard < count
    assert Shards(count).of(namespace) == shard


@given(NAMESPACES)
def test_one_shard_has_all(namespace: str) -> None:
    assert Shards().of(namespace) == 0


@given(NAMESPACES, COUNTS)
def test_a_further_shard_moves_namespaces_only_to_itself(namespace: str, count: int) -> None:
    before, after = Shards(count).of(namespace), Shards(count + 1).of(namespace)
    assert after in (before, count)


def test_shards_are_of_equal_size_and_a_further_one_takes_its_share() -> None:
    namespaces = [f"tenant-{number}" for number in range(4000)]
    for count in (1, 2, 3, 8):
        sizes = Counter(map(Shards(count).of, namespaces))
        fair = len(namespaces) / count
        assert all(0.85 * fair < sizes[shard] < 1.15 * fair for shard in range(count)), sizes
        moved = sum(Shards(count).of(each) != Shards(count + 1).of(each) for each in namespaces)
        share = len(namespaces) / (count + 1)
        assert 0.85 * share < moved < 1.15 * share


def test_shards_never_change() -> None:
    """Operators of two versions run at a time during an upgrade. These values are permanent."""
    names = ("", "default", "pryv", "pryv-system", "tenant-1", "tenant-2")
    assert {count: [Shards(count).of(each) for each in names] for count in (2, 3, 8)} == {
        2: [1, 1, 1, 1, 0, 1],
        3: [1, 2, 2, 1, 0, 2],
        8: [7, 6, 2, 1, 6, 6],
    }


MEMBERS = st.sets(st.sampled_from([f"member-{number}" for number in range(6)]), min_size=1)


@st.composite
def situations(
    draw: st.DrawFn,
) -> tuple[int, dict[int, str], set[str]]:
    """A number of shards, who leads which, and who takes part."""
    count = draw(COUNTS)
    members = draw(MEMBERS)
    everybody = [*sorted(members), "dead"]
    holders = draw(st.dictionaries(st.integers(0, count - 1), st.sampled_from(everybody)))
    return count, holders, members


@given(situations())
def test_every_shard_is_led_and_the_load_is_even(
    situation: tuple[int, dict[int, str], set[str]],
) -> None:
    count, holders, members = situation
    assigned = assign_shards(count, holders, members)
    assert set(assigned) == set(range(count))
    loads = Counter(assigned.values())
    assert max(loads.values()) - min(loads[each] for each in members) <= 1
    # A process that does not take part is given nothing.
    assert {shard for shard, to in assigned.items() if to not in members} <= {
        shard for shard, holder in holders.items() if holder not in members
    }


@given(situations())
def test_what_is_assigned_stays(situation: tuple[int, dict[int, str], set[str]]) -> None:
    count, holders, members = situation
    assigned = assign_shards(count, holders, members)
    assert assign_shards(count, assigned, members) == assigned


@given(situations())
def test_no_more_shards_move_than_must(
    situation: tuple[int, dict[int, str], set[str]],
) -> None:
    """Whoever leads no more than the fair share keeps all of it."""
    count, holders, members = situation
    assigned = assign_shards(count, holders, members)
    before, after = Counter(holders.values()), Counter(assigned.values())
    fair = math.ceil(count / len(members | set(holders.values())))
    for member, load in before.items():
        kept = sum(assigned[shard] == member for shard in holders if holders[shard] == member)
        assert kept >= min(load, fair - 1)
        if load <= fair - 1 or after[member] >= load:
            assert kept == load


@given(situations(), st.randoms(use_true_random=False))
def test_every_process_computes_the_same(
    situation: tuple[int, dict[int, str], set[str]], random: object
) -> None:
    count, holders, members = situation
    shuffled = list(holders.items())
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert assign_shards(count, dict(shuffled), sorted(members, reverse=True)) == assign_shards(
        count, holders, members
    )


def test_a_process_alone_leads_all_and_gives_half_to_a_second() -> None:
    assert assign_shards(4, {}, {"a"}) == dict.fromkeys(range(4), "a")
    alone = dict.fromkeys(range(4), "a")
    assert assign_shards(4, alone, {"a", "b"}) == {0: "a", 1: "a", 2: "b", 3: "b"}
    # One of two stops: its shards are free, and the other takes them.
    assert assign_shards(2, {0: "a"}, {"a"}) == {0: "a", 1: "a"}
    # More processes than shards: one leads nothing.
    assert assign_shards(2, {0: "a", 1: "b"}, {"a", "b", "c"}) == {0: "a", 1: "b"}


@given(COUNTS)
def test_the_number_of_shards_is_read_from_the_holder(count: int) -> None:
    assert shards_of_holder(holder_of_number(count)) == Shards(count)


@pytest.mark.parametrize(
    "holder", ["", "pod-7_0a1b2c3d", "0-shards", "2-shards-0_0a1b2c3d", "x-shards"]
)
def test_a_pod_is_no_number_of_shards(holder: str) -> None:
    assert shards_of_holder(holder) is None
