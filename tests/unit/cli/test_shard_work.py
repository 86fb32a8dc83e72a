"""What happens to platforms when a shard is acquired or handed over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from pryv_operator.api.kubernetes import Object
from pryv_operator.cli.rest_work import RestWork
from pryv_operator.cli.shard_work import ShardWork
from pryv_operator.kube.errors import UnavailableError
from pryv_operator.kube.leadership import ShardedLeadership
from pryv_operator.kube.resources import Resource
from pryv_operator.kube.shards import Shards
from pryv_operator.kube.work_queue import Key, WorkQueue
from pryv_operator.reconcile.domains import Domains
from pryv_operator.reconcile.followed import Followed
from pryv_operator.reconcile.memory import Memory
from pryv_operator.reconcile.reference_index import References
from pryv_operator.reconcile.settings import Settings
from tests.unit.kube.simulated_clock import SimulatedClock

#: In shard 0 and in shard 1 of two.
FIRST, SECOND = Key("tenant-1", "acme"), Key("pryv", "acme")


class Platforms:
    """The platforms that the API server lists."""

    def __init__(self, domains: dict[Key, str]) -> None:
        self.domains = domains
        self.failures = 0
        self.lists = 0
        self.on_list: Callable[[], None] = lambda: None

    async def list_reduced(
        self, _: Resource, namespace: str | None, reduce: Callable[[Object], Any]
    ) -> list[Any]:
        assert namespace is None
        self.lists += 1
        self.on_list()
        if self.failures:
            self.failures -= 1
            raise UnavailableError(503, "ServiceUnavailable", "later")
        return [
            reduce({"metadata": {"namespace": ns, "name": name}, "spec": {"domain": domain}})
            for (ns, name), domain in self.domains.items()
        ]


def rests_of(platforms: Platforms, domains: Domains) -> RestWork:
    """Nothing is kept over a restart."""
    client: Any = platforms
    memory = Memory(Followed(client, [None], lambda _: None))

    async def synced() -> None: ...

    settings = Settings("10.96.0.10")
    return RestWork(client, [None], None, memory, References(), domains, settings, synced)


class Process:
    """The work on two shards, on a clock of its own."""

    def __init__(self, platforms: Platforms) -> None:
        self.platforms = platforms
        self.leadership = ShardedLeadership(Shards(2), 10, lambda: 0.0)
        self.leadership.stand_for_number().renewed(0)
        self.reconciled: list[Key] = []
        self.forgotten: list[Key] = []
        self.notified: list[Key] = []
        self.domains = Domains(self.notified.append)
        self.queue = WorkQueue(
            self.reconcile, admits=self.leadership.admits, retryable=UnavailableError
        )
        self.work = ShardWork(
            rests_of(platforms, self.domains),
            self.leadership,
            self.queue,
            self.domains,
            self.forgotten.append,
        )

    async def reconcile(self, key: Key) -> float:
        self.reconciled.append(key)
        return 1000.0

    def acquire(self, shard: int) -> None:
        self.leadership.stand_for(shard).renewed(0)
        self.work.on_acquired(shard)

    def play(self, scene: Callable[[], Any]) -> None:
        async def main() -> None:
            tasks = [
                asyncio.create_task(self.queue.run()),
                asyncio.create_task(self.work.run(resync_seconds=300)),
            ]
            await scene()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        with asyncio.Runner(loop_factory=SimulatedClock) as runner:
            runner.run(main())


def test_platforms_of_an_acquired_shard_are_reconciled_and_no_others() -> None:
    process = Process(Platforms({FIRST: "a.example", SECOND: "b.example"}))

    async def scene() -> None:
        process.acquire(0)
        await asyncio.sleep(1)
        assert process.reconciled == [FIRST]
        process.acquire(1)
        await asyncio.sleep(1)
        assert process.reconciled == [FIRST, SECOND]
        process.leadership.close(1)
        await process.work.drain(1)
        assert process.forgotten == [SECOND]
        await asyncio.sleep(1500)
        assert process.reconciled == [FIRST, SECOND, FIRST]

    process.play(scene)


def test_a_shard_that_is_handed_over_while_platforms_are_listed_is_not_taken_over() -> None:
    process = Process(Platforms({FIRST: "a.example", SECOND: "b.example"}))
    process.platforms.on_list = lambda: process.leadership.close(1)

    async def scene() -> None:
        process.acquire(0)
        process.acquire(1)
        await asyncio.sleep(1)
        assert process.reconciled == [FIRST]
        assert process.forgotten == [SECOND]  # it may have been restored

    process.play(scene)


def test_a_shard_is_taken_over_once_platforms_can_be_listed() -> None:
    process = Process(Platforms({FIRST: "a.example"}))
    process.platforms.failures = 3

    async def scene() -> None:
        process.acquire(0)
        await asyncio.sleep(10)
        assert process.reconciled == [FIRST]
        assert process.platforms.lists == 4

    process.play(scene)


def test_domains_of_platforms_of_other_shards_are_followed() -> None:
    process = Process(Platforms({FIRST: "a.example", SECOND: "b.example"}))

    async def scene() -> None:
        process.acquire(0)
        await asyncio.sleep(1)
        assert process.domains.sharing(FIRST) == frozenset()
        process.platforms.domains[SECOND] = "a.example"
        await asyncio.sleep(301)
        assert process.domains.sharing(FIRST) == {SECOND}
        assert process.notified == [FIRST]
        del process.platforms.domains[SECOND]
        await asyncio.sleep(301)
        assert process.domains.sharing(FIRST) == frozenset()
        # What this process reconciles it knows better than a list that may be older.
        process.domains.set(FIRST, "new.example")
        await asyncio.sleep(301)
        process.platforms.domains[SECOND] = "new.example"
        await asyncio.sleep(301)
        assert process.domains.sharing(FIRST) == {SECOND}

    process.play(scene)
