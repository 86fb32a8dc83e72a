"""The ConfigMaps in which rests are kept: who writes them when, and what is not touched."""

from __future__ import annotations

import copy
import logging
from dataclasses import replace
from typing import Any

import pytest

from pryv_operator.api.kubernetes import Object
from pryv_operator.kube.errors import ConflictError, NotLeaderError, RejectedError
from pryv_operator.kube.resources import Resource
from pryv_operator.kube.shards import Shards
from pryv_operator.kube.work_queue import Key
from pryv_operator.reconcile.at_rest import AtRest
from pryv_operator.reconcile.domains import Domains
from pryv_operator.reconcile.followed import Followed
from pryv_operator.reconcile.platform_client import Seen
from pryv_operator.reconcile.rest_store import Place, RestStore, part_of, parts_of_shard
from tests.unit.reconcile.test_at_rest import followed

PLACE = Place("pryv-system", "pryv-operator")
FACTS = b"[[],null,[]]"
KEYS = [Key(f"tenant-{number}", "acme") for number in range(40)]


class Server:
    """The API server's ConfigMaps. ``error``: raised by the next requests."""

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.writes: list[str] = []
        self.reads = 0
        self.shards: set[int] = set()
        self.error: Exception | None = None
        self._version = 0

    async def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        assert (resource.plural, namespace) == ("configmaps", PLACE.namespace)
        self.reads += 1
        if self.error:
            raise self.error
        return copy.deepcopy(self.objects.get(name))

    async def write_own(self, item: Object, *, shard: int) -> Object:
        if self.error:
            raise self.error
        name, version = item["metadata"]["name"], item["metadata"].get("resourceVersion")
        live = self.objects.get(name)
        if (live and live["metadata"]["resourceVersion"]) != version:
            raise ConflictError(409, "Conflict", "it has changed")
        self.writes.append(name)
        self.shards.add(shard)
        return self.edit(name, item)

    def edit(self, name: str, item: Object) -> Object:
        self._version += 1
        metadata = {**item["metadata"], "resourceVersion": str(self._version)}
        self.objects[name] = {**copy.deepcopy(item), "metadata": metadata}
        return self.objects[name]


class Process:
    """An operator with a store. ``now``: its clock."""

    def __init__(self, server: Server, watches: Followed | None = None, shards: int = 1) -> None:
        self.watches = watches or followed()
        self.at_rest = AtRest(self.watches)
        self.domains = Domains(lambda _: None)
        self.now = 0.0
        self.program = "one"
        client: Any = server
        self.store = RestStore(
            client,
            PLACE,
            Shards(shards),
            self.at_rest,
            self.domains,
            lambda: self.program,
            lambda: self.now,
        )

    def rest(self, *platforms: Key, version: str = "1", until: float = 1e6) -> None:
        for key in platforms:
            self.watches.set_platform(key, version)
            self.at_rest.begin(key)
            self.at_rest.settle(key, Seen(version), until, FACTS)

    async def start(self, *shards: int) -> dict[Key, Any]:
        found = await self.store.load(shards or (0,))
        self.store.begin(shards or (0,))
        return found


async def started(server: Server, **options: Any) -> Process:
    process = Process(server, **options)
    await process.start()
    return process


async def test_what_one_process_keeps_the_next_one_finds() -> None:
    server = Server()
    process = await started(server)
    process.rest(*KEYS)
    await process.store.save()
    assert sorted(server.writes) == [f"pryv-operator-at-rest-0-{part}" for part in range(8)]
    after = Process(server)
    found = await after.start()
    assert found.keys() == set(KEYS)
    for key, kept in found.items():
        after.watches.set_platform(key, "1")
        assert after.at_rest.restore(key, kept.rest)
        assert after.at_rest.until(key, 0.0) == 1e6


async def test_what_rests_for_a_short_time_is_not_kept() -> None:
    server = Server()
    process = await started(server)
    process.watches.set_platform(KEYS[0], "1")
    process.at_rest.settle(KEYS[0], Seen("1"), 15.0)
    await process.store.save(last=True)
    assert not server.writes


async def test_requests_are_bounded() -> None:
    """Nothing moved: none. One platform moved: one. Only looked at: one an hour, and at the end."""
    server = Server()
    process = await started(server)
    process.rest(*KEYS)
    await process.store.save()
    server.writes.clear()
    await process.store.save()
    await process.store.save(last=True)
    assert not server.writes
    process.rest(KEYS[0], version="2")
    await process.store.save()
    assert server.writes == [part_of(KEYS[0], Shards(1)).name(PLACE)]
    server.writes.clear()
    process.rest(KEYS[0], version="2", until=2e6)
    await process.store.save()
    assert not server.writes
    process.now = 3600.0
    await process.store.save()
    assert len(server.writes) == 1
    process.rest(KEYS[0], version="2", until=3e6)
    await process.store.save(last=True)
    assert len(server.writes) == 2
    process.at_rest.forget(KEYS[0])
    await process.store.save()
    assert len(server.writes) == 3
    assert KEYS[0] not in await Process(server).start()


async def test_what_was_loaded_is_not_written_again() -> None:
    server = Server()
    process = await started(server)
    process.rest(*KEYS)
    await process.store.save()
    server.writes.clear()
    after = Process(server)
    for key, kept in (await after.start()).items():
        after.watches.set_platform(key, "1")
        assert after.at_rest.restore(key, replace(kept.rest, facts=FACTS))
    await after.store.save(last=True)
    assert not server.writes


async def test_nothing_is_replaced_before_platforms_are_known() -> None:
    """A process that is stopped while it starts leaves what it has found."""
    server = Server()
    process = await started(server)
    process.rest(*KEYS)
    await process.store.save()
    server.writes.clear()
    after = Process(server)
    await after.store.load((0,))
    await after.store.save(last=True)
    assert not server.writes
    assert (await Process(server).start()).keys() == set(KEYS)


async def test_another_program_finds_nothing_and_replaces_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = Server()
    process = await started(server)
    process.rest(*KEYS)
    await process.store.save()
    other = Process(server)
    other.program = "two"
    with caplog.at_level(logging.INFO):
        assert not await other.start()
    assert caplog.text.count("another version of the operator") == 8
    other.rest(KEYS[0])
    await other.store.save()
    assert not await Process(server).start()


async def test_each_shard_is_kept_by_who_leads_it() -> None:
    server, shards = Server(), Shards(3)
    process = Process(server, shards=3)
    await process.start(0, 2)
    process.rest(*(key for key in KEYS if shards.of(key.namespace) != 1))
    await process.store.save()
    assert server.shards == {0, 2}
    after = Process(server, shards=3)
    assert (await after.start(2)).keys() == {k for k in KEYS if shards.of(k.namespace) == 2}
    process.store.end((2,))
    process.rest(*KEYS, version="2")
    server.writes.clear()
    await process.store.save()
    assert {name.split("-")[-2] for name in server.writes} == {"0"}


def test_all_platforms_of_a_shard_are_in_its_parts() -> None:
    for count in (1, 2, 3, 8, 16):
        shards = Shards(count)
        for key in KEYS:
            assert part_of(key, shards) in parts_of_shard(shards.of(key.namespace), shards)
    assert len({part_of(key, Shards(1)) for key in KEYS}) == 8
    assert [len(parts_of_shard(0, Shards(count))) for count in (1, 2, 3, 8, 16)] == [8, 4, 2, 1, 1]


async def test_an_object_of_others_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    server = Server()
    name = part_of(KEYS[0], Shards(1)).name(PLACE)
    server.edit(name, {"metadata": {"name": name}, "data": {"theirs": "1"}})
    process = await started(server)
    process.rest(*KEYS)
    await process.store.save()
    await process.store.save(last=True)
    assert name not in server.writes
    assert server.objects[name]["data"] == {"theirs": "1"}
    assert caplog.text.count("another client has created it, so delete it") == 1


async def test_a_conflict_is_settled_by_reading_again() -> None:
    server = Server()
    process = await started(server)
    process.rest(*KEYS)
    await process.store.save()
    name = part_of(KEYS[0], Shards(1)).name(PLACE)
    server.edit(name, server.objects[name])
    process.rest(KEYS[0], version="2")
    server.writes.clear()
    await process.store.save()
    assert not server.writes
    await process.store.save()
    assert server.writes == [name]


@pytest.mark.parametrize(
    "error",
    [RejectedError(403, "Forbidden", "not allowed"), ConflictError(409, "AlreadyExists", "")],
)
async def test_a_failure_costs_a_line_and_later_it_is_tried_again(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    server = Server()
    process = await started(server)
    process.rest(KEYS[0])
    server.error = error
    await process.store.save()
    await process.store.save()
    lines = [each for each in caplog.text.splitlines() if "not written" in each]
    assert len(lines) == isinstance(error, RejectedError)
    server.error = None
    await process.store.save()
    assert (await Process(server).start()).keys() == {KEYS[0]}


async def test_who_does_not_lead_writes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    server = Server()
    process = await started(server)
    process.rest(KEYS[0])
    server.error = NotLeaderError("not the leader")
    await process.store.save(last=True)
    assert not server.writes
    assert not caplog.text


async def test_without_rights_nothing_is_kept(caplog: pytest.LogCaptureFixture) -> None:
    server = Server()
    server.error = RejectedError(403, "Forbidden", "not allowed")
    assert not await Process(server).start()
    assert "not allowed" in caplog.text


@pytest.mark.parametrize(
    "binary", [None, {}, {"rests": None}, {"rests": "%"}, {"rests": "AAAA"}, {"rests": 7}, [], "x"]
)
async def test_any_content_is_read_or_refused(
    binary: Any, caplog: pytest.LogCaptureFixture
) -> None:
    server = Server()
    process = await started(server)
    process.rest(*KEYS)
    await process.store.save()
    for name, item in [*server.objects.items()]:
        server.edit(name, {**item, "binaryData": binary})
    after = Process(server)
    assert not await after.start()
    assert caplog.text.count("ignored") == 8
    after.rest(*KEYS)
    await after.store.save()
    assert (await Process(server).start()).keys() == set(KEYS)


async def test_code_that_cannot_be_read_keeps_nothing(caplog: pytest.LogCaptureFixture) -> None:
    server = Server()

    def program() -> str:
        raise OSError("no such file")

    process = Process(server)
    process.store._program = program
    assert not await process.start()
    process.rest(*KEYS)
    await process.store.save(last=True)
    assert not server.objects
    assert "is not kept" in caplog.text
