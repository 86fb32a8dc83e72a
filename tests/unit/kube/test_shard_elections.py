"""Processes that share shards, on a clock of their own, with Leases in memory.

What the API server does with them, and processes that are killed and frozen: tests/api.
"""

from __future__ import annotations

import asyncio
import copy
import itertools
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pryv_operator.api.kubernetes import Object
from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.errors import ConflictError, NotLeaderError, UnavailableError
from pryv_operator.kube.leadership import Leadership, ShardedLeadership
from pryv_operator.kube.lease import Election, LeaderElection, Timing
from pryv_operator.kube.shard_elections import ShardElections
from pryv_operator.kube.shards import Shards
from tests.examples import examples
from tests.unit.kube.simulated_clock import SimulatedClock

TIMING = Timing(duration=15, retry=0.5)
#: After a change of who takes part, everything is in its place after so long.
SETTLED = 40.0
#: Number of shards → shard → a namespace of it.
NAMESPACES = {
    count: {Shards(count).of(name): name for name in (f"tenant-{n}" for n in range(200))}
    for count in range(1, 8)
}


class Leases:
    """The Leases of a namespace, with optimistic locking. An answer takes a while."""

    def __init__(self) -> None:
        self.stored: dict[str, Object] = {}
        self.versions = itertools.count(1)
        self.writes: Counter[str] = Counter()

    async def read_lease(self, namespace: str, name: str) -> Object | None:
        await asyncio.sleep(0.01)
        return copy.deepcopy(self.stored.get(name))

    async def create_lease(self, lease: Object) -> Object:
        await asyncio.sleep(0.01)
        if lease["metadata"]["name"] in self.stored:
            raise ConflictError(409, "AlreadyExists", "")
        return self._store(lease)

    async def replace_lease(self, lease: Object) -> Object:
        await asyncio.sleep(0.01)
        before = self.stored[lease["metadata"]["name"]]["metadata"]
        if before["resourceVersion"] != lease["metadata"]["resourceVersion"]:
            raise ConflictError(409, "Conflict", "")
        return self._store(lease)

    def _store(self, lease: Object) -> Object:
        stored = copy.deepcopy(lease)
        stored["metadata"]["resourceVersion"] = str(next(self.versions))
        self.stored[lease["metadata"]["name"]] = stored
        self.writes[lease["metadata"]["name"]] += 1
        return copy.deepcopy(stored)

    def holder(self, name: str) -> str:
        return str(self.stored[name]["spec"]["holderIdentity"])


@dataclass
class Process:
    """An operator as far as its elections go."""

    leases: Leases
    identity: str
    count: int
    drain_seconds: float = 0.0
    events: list[str] = field(default_factory=list)
    alive: bool = False
    stopping: bool = False

    def start(self) -> None:
        def clock() -> float:
            return asyncio.get_running_loop().time()

        election = Election("ns", "op", self.identity, TIMING)
        self.leadership = ShardedLeadership(Shards(self.count), TIMING.renew_deadline, clock)
        self.elections = ShardElections(
            cast("KubeClient", self.leases),
            election,
            self.leadership,
            lambda shard: self.events.append(f"acquired {shard}"),
            self._drain,
            clock,
        )
        self.task = asyncio.create_task(self.elections.run())
        self.alive = True

    async def _drain(self, shard: int) -> None:
        self.events.append(f"draining {shard}")
        await asyncio.sleep(self.drain_seconds)
        self.events.append(f"drained {shard}")

    async def kill(self) -> None:
        self.alive = False
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    async def stop(self) -> None:
        self.stopping = True
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.elections.release()
        self.alive = False

    def writes_to(self) -> set[int]:
        """Shards to which a write of this process would be sent."""
        found = set()
        for shard, namespace in NAMESPACES[self.count].items():
            try:
                self.leadership.check_write(namespace)
            except NotLeaderError:
                continue
            found.add(shard)
        return found if self.alive else set()

    @property
    def led(self) -> set[int]:
        return {shard for shard in range(self.count) if self.leadership.leads(shard)}


class Simulation:
    """Processes, and what must hold at any time."""

    def __init__(self) -> None:
        self.leases = Leases()
        self.processes: list[Process] = []
        self.names = itertools.count(1)

    def start(self, count: int = 2, **options: Any) -> Process:
        process = Process(self.leases, f"process-{next(self.names)}", count, **options)
        process.start()
        self.processes.append(process)
        return process

    @property
    def living(self) -> list[Process]:
        return [each for each in self.processes if each.alive]

    async def watch(self) -> None:
        """No two processes may ever write to one namespace."""
        while True:
            writers = [(each.count, each.writes_to()) for each in self.living]
            writers = [(count, shards) for count, shards in writers if shards]
            assert len({count for count, _ in writers}) <= 1, writers
            shards = Counter(shard for _, found in writers for shard in found)
            assert all(number == 1 for number in shards.values()), writers
            failed = [each for each in self.living if each.task.done() and not each.stopping]
            assert not failed, [each.identity for each in failed]
            await asyncio.sleep(0.1)

    def assert_shared_evenly(self, count: int) -> None:
        loads = [len(each.led) for each in self.living]
        assert sum(loads) == count
        assert max(loads) - min(loads) <= 1
        assert set().union(*(each.led for each in self.living)) == set(range(count))

    async def until(self, description: str, condition: Any, within: float) -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        while not condition():
            assert loop.time() - began < within, f"{description}: not within {within} s"
            await asyncio.sleep(0.05)
        return loop.time() - began


def simulate(scene: Any) -> None:
    async def main() -> None:
        simulation = Simulation()
        watching = asyncio.create_task(simulation.watch())
        playing = asyncio.create_task(cast("Coroutine[Any, Any, None]", scene(simulation)))
        await asyncio.wait({watching, playing}, return_when=asyncio.FIRST_COMPLETED)
        tasks = [watching, playing, *(each.task for each in simulation.processes)]
        ended = [each for each in (watching, playing) if each.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for task in ended:
            task.result()

    loop = SimulatedClock()
    try:
        loop.run_until_complete(main())
    finally:
        loop.close()


def test_one_process_leads_all_and_a_second_one_gets_half() -> None:
    async def scene(simulation: Simulation) -> None:
        first = simulation.start(4)
        await simulation.until("all shards", lambda: len(first.led) == 4, 2)
        second = simulation.start(4)
        seconds = await simulation.until("half of them", lambda: len(second.led) == 2, 10)
        assert seconds < 5
        await asyncio.sleep(SETTLED)
        assert (first.led, second.led) == ({0, 1}, {2, 3})
        handovers = [each for each in first.events if each.startswith("drained")]
        assert sorted(handovers) == ["drained 2", "drained 3"]
        assert not [each for each in second.events if each.startswith("drain")]
        # At rest each Lease is renewed, and nothing else happens.
        before = Counter(simulation.leases.writes)
        await asyncio.sleep(100)
        written = simulation.leases.writes - before
        assert all(
            written[f"op-shard-{shard}"] <= 100 / TIMING.renew_every + 1 for shard in range(4)
        )
        assert written["op"] <= 2 * (100 / TIMING.renew_every + 1)

    simulate(scene)


def test_a_killed_process_is_replaced_within_the_duration_of_the_lease() -> None:
    async def scene(simulation: Simulation) -> None:
        first, second = simulation.start(), simulation.start()
        await simulation.until("both", lambda: first.led and second.led, SETTLED)
        for pause in (0.1, 2.6, 4.9):
            await asyncio.sleep(pause)
        await first.kill()
        seconds = await simulation.until("both shards", lambda: second.led == {0, 1}, 60)
        assert seconds < TIMING.duration

    simulate(scene)


def test_a_process_that_stops_hands_its_shards_over_at_once() -> None:
    async def scene(simulation: Simulation) -> None:
        processes = [simulation.start(6) for _ in range(3)]
        await simulation.until("all", lambda: [len(each.led) for each in processes] == [2] * 3, 60)
        await processes[0].stop()
        seconds = await simulation.until("the others", lambda: _loads(simulation) == [3, 3], 60)
        assert seconds < 2
        await processes[1].stop()
        seconds = await simulation.until("the last", lambda: _loads(simulation) == [6], 60)
        assert seconds < 2
        await processes[2].stop()
        assert simulation.leases.holder("op-shard-0") == ""
        last = simulation.start(6)
        assert await simulation.until("a new one", lambda: len(last.led) == 6, 60) < 2

    simulate(scene)


def _loads(simulation: Simulation) -> list[int]:
    return [len(each.led) for each in simulation.living]


def test_work_ends_before_a_shard_is_handed_over_and_its_lease_is_renewed_meanwhile() -> None:
    async def scene(simulation: Simulation) -> None:
        first = simulation.start(drain_seconds=25)  # longer than the lease is valid
        await simulation.until("all shards", lambda: first.led == {0, 1}, 5)
        second = simulation.start()
        await simulation.until("draining", lambda: "draining 1" in first.events, 10)
        await asyncio.sleep(20)
        # New work is not taken, but what is in progress may write, and nobody else may.
        assert first.led == {0}
        assert first.writes_to() == {0, 1}
        assert not second.led
        await simulation.until("handed over", lambda: second.led == {1}, 10)
        assert first.events[-1] == "drained 1"
        assert first.writes_to() == {0}

    simulate(scene)


@pytest.mark.parametrize(("before", "after"), [(2, 3), (3, 2)])
def test_processes_with_another_number_of_shards_wait_until_the_last_is_gone(
    before: int, after: int
) -> None:
    async def scene(simulation: Simulation) -> None:
        old = [simulation.start(before), simulation.start(before)]
        await simulation.until("the old ones", lambda: all(each.led for each in old), SETTLED)
        new = simulation.start(after)
        await asyncio.sleep(SETTLED)
        await old[0].stop()
        await asyncio.sleep(SETTLED)
        assert not new.led
        assert len(old[1].led) == before
        await old[1].stop()
        seconds = await simulation.until("the new one", lambda: len(new.led) == after, 60)
        assert seconds < TIMING.duration

    simulate(scene)


@pytest.mark.parametrize("sharded_first", [True, False])
def test_a_process_without_shards_waits_for_those_with_and_they_for_it(
    sharded_first: bool,
) -> None:
    """As during an update that turns sharding on, or off; an older version has no shards either."""

    async def scene(simulation: Simulation) -> None:
        def clock() -> float:
            return asyncio.get_running_loop().time()

        leadership = Leadership(TIMING.renew_deadline, clock)
        client = cast("KubeClient", simulation.leases)
        alone = LeaderElection(client, Election("ns", "op", "alone", TIMING), leadership, clock)
        if sharded_first:
            sharded = simulation.start()
            await simulation.until("the shards", lambda: sharded.led == {0, 1}, 5)
            task = asyncio.create_task(alone.run())
            await asyncio.sleep(SETTLED)
            assert not leadership.leads
            await sharded.stop()
            seconds = await simulation.until("one leader", lambda: leadership.leads, 60)
            assert seconds < TIMING.duration
            task.cancel()
        else:
            task = asyncio.create_task(alone.run())
            await simulation.until("one leader", lambda: leadership.leads, 5)
            sharded = simulation.start()
            await asyncio.sleep(SETTLED)
            assert not sharded.led
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await alone.release()
            assert await simulation.until("shards", lambda: sharded.led == {0, 1}, 60) < 3
        await asyncio.gather(task, return_exceptions=True)

    simulate(scene)


def test_a_lost_lease_of_a_shard_ends_the_process() -> None:
    async def scene(simulation: Simulation) -> None:
        process = simulation.start()
        await simulation.until("all shards", lambda: process.led == {0, 1}, 5)
        stolen = simulation.leases.stored["op-shard-1"]
        stolen["spec"]["holderIdentity"] = "another"
        stolen["metadata"]["resourceVersion"] = "stolen"
        process.alive = False  # it may still write to the other shard until it sees it
        await simulation.until("its end", process.task.done, 10)
        assert process.task.result() is None

    simulate(scene)


def test_a_process_that_leads_no_shard_survives_an_api_server_that_is_away() -> None:
    async def scene(simulation: Simulation) -> None:
        first, second, third = (simulation.start() for _ in range(3))
        await simulation.until("two", lambda: sum(_loads(simulation)) == 2, 10)
        await asyncio.sleep(SETTLED)
        idle = next(each for each in simulation.living if not each.led)
        read = simulation.leases.read_lease
        away = True

        async def refuse(namespace: str, name: str) -> Object | None:
            if away:
                raise UnavailableError(0, "NoConnection", "away")
            return await read(namespace, name)

        async def refuse_write(lease: Object) -> Object:
            raise UnavailableError(0, "NoConnection", "away")

        replace = simulation.leases.replace_lease
        simulation.leases.read_lease = refuse  # type: ignore[method-assign]
        simulation.leases.replace_lease = refuse_write  # type: ignore[method-assign]
        for each in (first, second, third):
            if each is not idle:
                each.alive = False  # it ends, and its pod is started again
        await asyncio.sleep(60)
        assert not idle.task.done()
        assert all(each.task.done() for each in (first, second, third) if each is not idle)
        away = False
        simulation.leases.replace_lease = replace  # type: ignore[method-assign]
        await simulation.until("both shards", lambda: idle.led == {0, 1}, 60)

    simulate(scene)


ACTIONS = st.lists(
    st.tuples(st.sampled_from(["start", "stop", "kill"]), st.integers(0, 5), st.floats(0, 30)),
    max_size=10,
)


@given(st.integers(2, 5), ACTIONS)
@settings(max_examples=examples(10), deadline=None)
def test_whoever_comes_and_goes_no_shard_has_two_leaders_and_all_have_one_in_the_end(
    count: int, actions: list[tuple[str, int, float]]
) -> None:
    async def scene(simulation: Simulation) -> None:
        simulation.start(count, drain_seconds=0.5)
        for action, which, pause in actions:
            await asyncio.sleep(pause)
            living = simulation.living
            if action == "start":
                simulation.start(count, drain_seconds=0.5)
            elif len(living) > 1:
                each = living[which % len(living)]
                await (each.stop() if action == "stop" else each.kill())
        await asyncio.sleep(SETTLED)
        simulation.assert_shared_evenly(count)
        before = [each.led for each in simulation.living]
        await asyncio.sleep(SETTLED)
        assert [each.led for each in simulation.living] == before

    simulate(scene)
