"""Leader election: the decision as a table, and the state of the Lease that it is made from."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.kube import metrics
from pryv_operator.kube.errors import NotLeaderError
from pryv_operator.kube.leadership import Leadership, ShardedLeadership
from pryv_operator.kube.lease import LeaseState, Step, Timing, decide_step, next_state
from pryv_operator.kube.shards import Shards

TIMING = Timing(duration=15, retry=0.5)  # renews after 5 s, ends after 10 s; others wait 14 s
OURS = LeaseState("7", "me", 15, since=100, read_at=100)
THEIRS = LeaseState("7", "other", 15, since=100, read_at=100)


@pytest.mark.parametrize(
    ("state", "now", "renewed", "step"),
    [
        (LeaseState(), 100, None, Step.READ),  # nothing is known yet
        (LeaseState(read_at=100, since=100), 100, None, Step.ACQUIRE),  # does not exist
        (LeaseState("7", "", 15, since=100, read_at=100), 100, None, Step.ACQUIRE),  # released
        (THEIRS, 100.4, None, Step.WAIT),
        (THEIRS, 100.5, None, Step.READ),  # time to read again
        (LeaseState("7", "other", 15, since=100, read_at=111.9), 111.99, None, Step.WAIT),
        (
            LeaseState("7", "other", 15, since=100, read_at=111.9),
            112,
            None,
            Step.ACQUIRE,
        ),  # expired
        (
            LeaseState("7", "other", 15, since=100, read_at=111),
            112,
            None,
            Step.READ,
        ),  # never acquired without a recent read
        (
            LeaseState("7", "other", 60, since=100, read_at=140),
            140,
            None,
            Step.WAIT,
        ),  # the holder's duration counts
        (
            LeaseState("7", "me", 15, since=100, read_at=100),
            100,
            None,
            Step.ACQUIRE,
        ),  # the answer to our request was lost
        (OURS, 104.9, 100, Step.WAIT),
        (OURS, 105, 100, Step.RENEW),
        (OURS, 109.9, 100, Step.RENEW),
        (OURS, 110, 100, Step.LOST),  # not renewed in time, whoever holds it
        (
            LeaseState("7", "me", 15, since=100, read_at=None),
            106,
            100,
            Step.READ,
        ),  # a renewal was not answered
        (LeaseState("7", "me", 15, since=100, read_at=None), 110, 100, Step.LOST),
        (THEIRS, 101, 100, Step.LOST),
        (LeaseState(read_at=101, since=101), 101, 100, Step.LOST),  # it was deleted
    ],
)
def test_the_next_step(state: LeaseState, now: float, renewed: float | None, step: Step) -> None:
    assert decide_step(state, "me", now, renewed, TIMING) is step


@given(
    duration=st.integers(2, 60),
    retry=st.floats(0.05, 2),
    commit=st.floats(0, 5),
    skew=st.floats(-1e6, 1e6),
    looked_after=st.floats(0, 5),
    passed=st.floats(0, 100),
)
def test_never_two_leaders(
    duration: int, retry: float, commit: float, skew: float, looked_after: float, passed: float
) -> None:
    """A holder renews at 0 on its clock; a candidate with any other clock sees it later.

    It does not take over before the holder's own deadline has passed.
    """
    timing = Timing(duration, retry)
    seen_at = commit + looked_after
    state = LeaseState(
        "7", "holder", duration, since=seen_at + skew, read_at=seen_at + passed + skew
    )
    takes = decide_step(state, "other", seen_at + passed + skew, None, timing) is Step.ACQUIRE
    leads = (
        decide_step(
            LeaseState("7", "holder", duration, since=0, read_at=0),
            "holder",
            seen_at + passed,
            0,
            timing,
        )
        is not Step.LOST
    )
    assert not (takes and leads)


@given(duration=st.integers(2, 60), share=st.floats(0.001, 0.1))
def test_a_dead_leader_is_replaced_within_the_duration(duration: int, share: float) -> None:
    timing = Timing(duration, retry=duration * share)
    assert timing.retry + timing.expiry(duration) < duration
    assert timing.renew_every < timing.renew_deadline < timing.expiry(duration)


def lease(version: str, holder: str | None = "other") -> dict[str, object]:
    return {
        "metadata": {"resourceVersion": version},
        "spec": {"holderIdentity": holder, "leaseDurationSeconds": 20, "leaseTransitions": 3},
    }


def test_time_counts_from_the_last_change_that_was_read() -> None:
    first = next_state(LeaseState(), lease("1"), 10)
    assert first == LeaseState("1", "other", 20, 3, since=10, read_at=10)
    assert next_state(first, lease("1"), 15) == LeaseState(
        "1", "other", 20, 3, since=10, read_at=15
    )
    assert next_state(first, lease("2"), 15) == LeaseState(
        "2", "other", 20, 3, since=15, read_at=15
    )
    assert next_state(first, None, 15) == LeaseState(since=15, read_at=15)


def test_a_lease_without_a_holder_is_free() -> None:
    found = next_state(LeaseState(), {"metadata": {"resourceVersion": "1"}}, 10)
    assert decide_step(found, "me", 10, None, TIMING) is Step.ACQUIRE


# Leadership


def test_only_the_leader_writes_and_a_former_leader_does_not_read_either() -> None:
    now = 100.0
    leadership = Leadership(10, lambda: now)
    leadership.check_any()
    with pytest.raises(NotLeaderError):
        leadership.check_write()
    leadership.renewed(95)
    leadership.check_write()
    now = 105
    with pytest.raises(NotLeaderError):
        leadership.check_write()
    with pytest.raises(NotLeaderError):
        leadership.check_any()


def test_after_a_release_nothing_is_written() -> None:
    leadership = Leadership(10, lambda: 100)
    leadership.renewed(100)
    leadership.end()
    leadership.check_any()
    with pytest.raises(NotLeaderError):
        leadership.check_write()


def test_without_an_election_everything_is_allowed() -> None:
    leadership = Leadership()
    leadership.check_write()
    leadership.check_any()


SHARDS = Shards(2)
#: A namespace of shard 0, and one of shard 1.
FIRST, SECOND = "tenant-1", "pryv"


class Sharded:
    """A leadership of two shards, whose time can be made to pass."""

    def __init__(self) -> None:
        self.now = 100.0
        self.leadership = ShardedLeadership(SHARDS, 10, lambda: self.now)
        self.number = self.leadership.stand_for_number()
        self.tenures = [self.leadership.stand_for(shard) for shard in range(2)]

    def admitted(self) -> list[str]:
        """Namespaces to which a write is admitted."""
        found = []
        for namespace in (FIRST, SECOND):
            try:
                self.leadership.check_write(namespace)
            except NotLeaderError:
                continue
            found.append(namespace)
        return found


def test_only_namespaces_of_shards_that_are_led_are_written_to() -> None:
    assert (SHARDS.of(FIRST), SHARDS.of(SECOND)) == (0, 1)
    process = Sharded()
    assert process.admitted() == []
    process.tenures[0].renewed(100)
    assert process.admitted() == []  # a shard alone does not suffice
    process.number.renewed(100)
    assert process.admitted() == [FIRST]
    process.tenures[1].renewed(100)
    assert process.admitted() == [FIRST, SECOND]
    with pytest.raises(NotLeaderError, match="not the leader of shard 1"):
        Sharded().leadership.check_write(SECOND)


def test_the_leader_of_a_shard_may_write_what_is_kept_of_it() -> None:
    """Whichever shard the operator's own namespace belongs to."""
    process = Sharded()
    process.number.renewed(100)
    process.tenures[1].renewed(100)
    process.leadership.check_shard(1)
    with pytest.raises(NotLeaderError, match="not the leader of shard 0"):
        process.leadership.check_shard(0)
    process.leadership.close(1)
    process.leadership.check_shard(1)  # until it is handed over
    process.tenures[1].end()
    with pytest.raises(NotLeaderError):
        process.leadership.check_shard(1)
    alone = Leadership(10, lambda: 100)
    with pytest.raises(NotLeaderError):
        alone.check_shard(0)
    alone.renewed(100)
    alone.check_shard(0)


def test_a_shard_that_is_handed_over_takes_no_work_and_then_no_write() -> None:
    process = Sharded()
    for each in (process.number, *process.tenures):
        each.renewed(100)
    process.leadership.close(1)
    assert process.admitted() == [FIRST, SECOND]  # what is in progress may end
    assert process.leadership.admits(FIRST)
    assert not process.leadership.admits(SECOND)
    process.tenures[1].end()
    assert process.admitted() == [FIRST]
    again = process.leadership.stand_for(1)
    assert process.admitted() == [FIRST]
    again.renewed(100)
    assert process.admitted() == [FIRST, SECOND]
    assert process.leadership.admits(SECOND)


@pytest.mark.parametrize("expired", ["number", "shard 0", "shard 1"])
def test_one_lease_that_expires_ends_everything(expired: str) -> None:
    process = Sharded()
    leases = {
        "number": process.number,
        "shard 0": process.tenures[0],
        "shard 1": process.tenures[1],
    }
    for name, each in leases.items():
        each.renewed(95 if name == expired else 100)
    process.leadership.check_any()
    process.now = 105
    assert process.admitted() == []
    with pytest.raises(NotLeaderError):
        process.leadership.check_any()


def test_a_process_that_leads_no_shard_may_read_whatever_has_expired() -> None:
    process = Sharded()
    process.number.renewed(95)
    process.now = 105
    process.leadership.check_any()
    assert process.admitted() == []


def test_the_metrics_show_which_shards_are_led() -> None:
    process = Sharded()

    def shown() -> list[float | None]:
        sample = metrics.REGISTRY.get_sample_value
        of_shards = [sample("pryv_operator_shard_leader", {"shard": each}) for each in "01"]
        return [sample("pryv_operator_leader"), *of_shards]

    assert shown() == [0, 0, 0]
    process.number.renewed(100)
    process.tenures[1].renewed(100)
    assert shown() == [1, 0, 1]
    process.tenures[0].renewed(100)
    process.tenures[1].end()
    assert shown() == [1, 1, 0]
    process.tenures[0].end()
    assert shown() == [0, 0, 0]
    Leadership()
    assert shown()[:2] == [1, 1]
