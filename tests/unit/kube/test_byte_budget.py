"""Reconciliations read at the same time what fits into a budget of bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress

from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.kube.byte_budget import FIRST_BYTES, BoundedByBytes, ByteBudget
from pryv_operator.kube.read_meter import count_read, metered
from pryv_operator.kube.resources import CONFIG_MAPS
from pryv_operator.kube.work_queue import Key
from tests.unit.kube.test_client import server_that_answers

MIB = 1 << 20


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


class Holders:
    """Tasks that hold bytes of a budget until they are released or cancelled."""

    def __init__(self, total: int) -> None:
        self.budget = ByteBudget(total)
        self.order: list[int] = []
        self.held: dict[int, int] = {}
        self.waits = 0
        self._ends: dict[int, asyncio.Event] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}

    @contextmanager
    def waiting(self) -> Iterator[None]:
        self.waits += 1
        yield

    def start(self, size: int) -> int:
        number = len(self._tasks)
        self._ends[number] = asyncio.Event()
        self._tasks[number] = asyncio.create_task(self._hold(number, size))
        return number

    async def _hold(self, number: int, size: int) -> None:
        async with self.budget.reserved(size, self.waiting):
            self.order.append(number)
            self.held[number] = size
            try:
                await self._ends[number].wait()
            finally:
                del self.held[number]

    async def end(self, number: int, *, cancel: bool = False) -> None:
        if cancel:
            self._tasks[number].cancel()
        self._ends[number].set()
        await settle()

    async def end_all(self) -> None:
        for number in self._tasks:
            await self.end(number)
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)


async def test_what_does_not_fit_waits_in_order() -> None:
    holders = Holders(10)
    first, second, third = holders.start(6), holders.start(6), holders.start(1)
    await settle()
    assert holders.order == [first]  # the third would fit, but would let the second wait forever
    assert holders.waits == 2
    await holders.end(first)
    assert holders.order == [first, second, third]
    await holders.end_all()


async def test_more_than_the_total_runs_alone() -> None:
    holders = Holders(10)
    holders.start(1000)
    holders.start(1)
    await settle()
    assert [*holders.held.values()] == [1000]
    await holders.end(0)
    assert [*holders.held.values()] == [1]
    await holders.end_all()


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 9), st.booleans()), max_size=30))
async def test_the_total_is_never_exceeded_and_everybody_is_served(
    steps: list[tuple[int, int, bool]],
) -> None:
    holders = Holders(10)
    for count, (size, ended, cancel) in enumerate(steps):
        holders.start(size)
        if not cancel:
            await settle()
        await holders.end(min(ended, count), cancel=cancel)
        assert sum(min(each, 10) for each in holders.held.values()) <= 10
    await holders.end_all()
    assert not holders.held
    async with asyncio.timeout(1), holders.budget.reserved(10):
        assert holders.waits >= 0  # all bytes are free again


async def test_a_platform_needs_what_it_has_read_before() -> None:
    running: set[Key] = set()
    go = asyncio.Event()
    sizes = {Key("n", name): 5 * MIB for name in "ab"} | {Key("n", name): 10 for name in "cde"}

    async def reconcile(key: Key) -> float:
        running.add(key)
        count_read(sizes[key])
        await go.wait()
        running.discard(key)
        return 1.0

    @contextmanager
    def waiting() -> Iterator[None]:
        yield

    bounded = BoundedByBytes(reconcile, waiting, total=8 * MIB)
    go.set()
    for key in sizes:
        await bounded(key)
    go.clear()
    tasks = [asyncio.create_task(bounded(key)) for key in sizes]
    await settle()
    assert running == {Key("n", "a")}  # 5 of 8 MiB; b waits, and so do those after it
    go.set()
    await asyncio.gather(*tasks)
    go.clear()
    tasks = [asyncio.create_task(bounded(key)) for key in sizes if key.name != "b"]
    await settle()
    assert len(running) == 4
    go.set()
    await asyncio.gather(*tasks)


async def test_a_tenant_with_large_platforms_holds_up_nobody_else() -> None:
    """However long its computations take."""
    running: set[Key] = set()
    go = asyncio.Event()

    async def reconcile(key: Key) -> float:
        running.add(key)
        await go.wait()
        count_read(8 * MIB)
        return 1.0

    @contextmanager
    def waiting() -> Iterator[None]:
        yield

    bounded = BoundedByBytes(reconcile, waiting, total=8 * MIB)
    keys = [*(Key("hostile", str(number)) for number in range(5)), Key("n", "a"), Key("m", "a")]
    go.set()
    for key in keys:
        await bounded(key)
    go.clear()
    running.clear()
    tasks = [asyncio.create_task(bounded(key)) for key in keys]
    await settle()
    assert running == {keys[0], Key("n", "a"), Key("m", "a")}
    go.set()
    await asyncio.gather(*tasks)
    assert not bounded._budgets


async def test_what_needs_little_for_once_is_not_taken_to_be_small() -> None:
    """At rest nothing is read, and a failure may come first: the next one reads all again."""
    reads = iter([5 * MIB, 0, 3, 0])

    async def reconcile(_: Key) -> float:
        count_read(next(reads))
        if len(sizes) == 2:
            raise ValueError
        return 1.0

    bounded = BoundedByBytes(reconcile, nullcontext)
    sizes: list[int] = []
    for _ in range(4):
        with suppress(ValueError):
            await bounded(Key("n", "a"))
        sizes.append(bounded.size(Key("n", "a")))
    assert sizes == [5 * MIB] * 4


async def test_what_a_first_reconciliation_needs_is_assumed_until_one_has_read() -> None:
    async def reconcile(_: Key) -> float:
        return 1.0

    bounded = BoundedByBytes(reconcile, nullcontext)
    await bounded(Key("n", "a"))
    assert bounded.size(Key("n", "a")) == FIRST_BYTES


async def test_a_deleted_platform_is_forgotten_and_so_is_one_that_is_drained() -> None:
    async def reconcile(_: Key) -> None:
        count_read(3)

    bounded = BoundedByBytes(reconcile, nullcontext)
    await bounded(Key("n", "a"))
    assert not bounded._read
    bounded._read[Key("n", "a")] = 3
    bounded.forget(Key("n", "a"))
    assert not bounded._read


async def test_answers_are_counted_for_who_reads_them() -> None:
    body = b'{"metadata": {}, "data": "' + b"x" * 1000 + b'"}'
    async with server_that_answers(body) as client:
        with metered() as one:
            await asyncio.gather(*(client.get(CONFIG_MAPS, "n", "a") for _ in range(2)))
        await client.get(CONFIG_MAPS, "n", "a")
        with metered() as other:
            await client.list_page(CONFIG_MAPS, "n", max_bytes=5000)
    assert (one.bytes, other.bytes) == (2 * len(body), len(body))
