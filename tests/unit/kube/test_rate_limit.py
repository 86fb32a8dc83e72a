"""The token bucket and who is served next, on a simulated clock."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from itertools import accumulate
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.kube.rate_limit import UNLIMITED, Rate, RateLimiter, TokenBucket
from tests.unit.kube.simulated_clock import SimulatedClock

T = TypeVar("T")
RATES = st.builds(Rate, st.sampled_from([0.5, 3.0, 200.0]), st.integers(1, 20))
STEPS = st.lists(st.tuples(st.floats(0, 5), st.booleans()), min_size=1, max_size=60)


def on_simulated_clock(coroutine: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=SimulatedClock) as runner:
        return runner.run(coroutine)


@given(rate=RATES, steps=STEPS)
def test_a_bucket_never_gives_more_than_its_burst_and_rate(
    rate: Rate, steps: list[tuple[float, bool]]
) -> None:
    """In no stretch of time, and whenever it refuses, it tells when it will not."""
    bucket = TokenBucket(rate)
    given_at: list[float] = []
    for now, take_all in zip(accumulate(step for step, _ in steps), steps, strict=True):
        while bucket.take(now):
            given_at.append(now)
            if not take_all[1]:
                break
        else:
            wait = bucket.seconds_until_token(now)
            assert 0 < wait <= (1 + 1e-5) / rate.per_second  # times are rounded
    for first, start in enumerate(given_at):
        for count, end in enumerate(given_at[first:], start=1):
            assert count <= rate.burst + (end - start) * rate.per_second + 1e-6


@given(rate=RATES, pauses=st.lists(st.tuples(st.floats(0, 5), st.floats(0, 40)), max_size=8))
def test_a_pause_holds_and_no_burst_follows(rate: Rate, pauses: list[tuple[float, float]]) -> None:
    bucket = TokenBucket(rate)
    now = until = 0.0
    for after, seconds in pauses:
        now += after
        bucket.pause(seconds, now)
        until = max(until, now + min(seconds, 30.0))
        assert not bucket.take(max(now, until - 0.01))
        now = max(now, until - 0.01)
    if pauses:
        later = until + 1 / rate.per_second + 1e-6
        assert [bucket.take(later) for _ in range(2)] == [True, False]


def test_without_a_limit_only_a_pause_counts() -> None:
    bucket = TokenBucket(UNLIMITED)
    assert all(bucket.take(0.0) for _ in range(1000))
    bucket.pause(2.0, 1.0)
    assert not bucket.take(2.9)
    assert bucket.seconds_until_token(2.0) == 1.0
    assert all(bucket.take(3.0) for _ in range(1000))


def test_a_long_pause_is_shortened() -> None:
    bucket = TokenBucket(UNLIMITED)
    bucket.pause(3600.0, 0.0)
    assert bucket.seconds_until_token(0.0) == 30.0


def test_requests_wait_for_the_rate() -> None:
    async def scene() -> tuple[list[float], float]:
        limiter = RateLimiter(Rate(per_second=10.0, burst=5))
        waited = await asyncio.gather(*(limiter.wait("ns") for _ in range(25)))
        return waited, asyncio.get_running_loop().time()

    waited, ended = on_simulated_clock(scene())
    assert sum(each == 0 for each in waited) == 5
    assert max(waited) == pytest.approx(2.0)
    assert ended == pytest.approx(2.0)


@given(crowd=st.integers(1, 200), namespaces=st.integers(1, 5))
def test_namespaces_are_served_in_turn(crowd: int, namespaces: int) -> None:
    """Whoever comes waits for at most one request of each other namespace."""

    async def scene() -> list[str]:
        limiter = RateLimiter(Rate(per_second=100.0, burst=1))
        order: list[str] = []

        async def send(namespace: str) -> None:
            await limiter.wait(namespace)
            order.append(namespace)

        async with asyncio.TaskGroup() as tasks:
            for number in range(crowd):
                tasks.create_task(send(f"many-{number % namespaces}"))
            await asyncio.sleep(0)
            tasks.create_task(send("one"))
        return order

    order = on_simulated_clock(scene())
    assert len(order) == crowd + 1
    assert order.index("one") <= 1 + namespaces


def test_a_pause_stops_requests_of_all_namespaces() -> None:
    async def scene() -> list[float]:
        limiter = RateLimiter(UNLIMITED)
        assert await limiter.wait("a") == 0
        limiter.pause(3.0)
        waiting = [asyncio.create_task(limiter.wait(each)) for each in "aabc"]
        await asyncio.sleep(1.0)
        limiter.pause(5.0)  # another request was refused meanwhile
        await asyncio.wait(waiting)
        return [each.result() for each in waiting]

    assert on_simulated_clock(scene()) == pytest.approx([6.0] * 4)


def test_a_request_that_is_given_up_takes_no_token() -> None:
    async def scene() -> float:
        limiter = RateLimiter(Rate(per_second=1.0, burst=1))
        await limiter.wait("a")
        given_up = [asyncio.create_task(limiter.wait("a")) for _ in range(50)]
        last = asyncio.create_task(limiter.wait("a"))
        await asyncio.sleep(0)
        for each in given_up:
            each.cancel()
        waited = await last
        assert not limiter._waiting
        return waited

    assert on_simulated_clock(scene()) == pytest.approx(1.0)
