"""When what is kept of platforms at rest is loaded, and when it is saved."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from pryv_operator.api.kubernetes import Object
from pryv_operator.cli import rest_work
from pryv_operator.cli.rest_work import RestWork
from pryv_operator.kube.errors import UnavailableError
from pryv_operator.kube.work_queue import Key
from pryv_operator.reconcile.at_rest import KeptRest
from pryv_operator.reconcile.reference_index import References
from pryv_operator.reconcile.restore import Restoring
from pryv_operator.reconcile.settings import Settings
from tests.unit.kube.simulated_clock import SimulatedClock
from tests.unit.reconcile.test_at_rest import ACME
from tests.unit.reconcile.test_restore import Process, item, left


class Store:
    """What is kept; ``steps``: what happens, in its order."""

    def __init__(self, kept: dict[Key, KeptRest], steps: list[str]) -> None:
        self.kept = kept
        self.steps = steps
        self.save_seconds = 0.0

    async def load(self, shards: Any) -> dict[Key, KeptRest]:
        self.steps.append(f"load {sorted(shards)}")
        return self.kept

    def begin(self, shards: Any) -> None:
        self.steps.append(f"begin {sorted(shards)}")

    async def save(self, shards: Any = None, *, last: bool = False) -> None:
        self.steps.append(f"save {shards} {last}")
        await asyncio.sleep(self.save_seconds)

    def end(self, shards: Any = None) -> None:
        self.steps.append(f"end {shards}")


class Operator:
    """An operator that starts, with one platform."""

    def __init__(self, kept: dict[Key, KeptRest] | None = None, *, keeps: bool = True) -> None:
        self.steps: list[str] = []
        self.store = Store(kept or {}, self.steps)
        self.memory = Process(dt.datetime.now(dt.UTC))
        self.error: Exception | None = None
        self.domains: dict[Key, str] = {}
        client, store = self, self.store if keeps else None
        any_client: Any = client
        any_store: Any = store
        self.work = RestWork(
            any_client,
            [None],
            any_store,
            self.memory.memory,
            References(),
            self.memory.domains,
            Settings("10.96.0.10"),
            self.synced,
        )

    async def synced(self) -> None:
        self.steps.append("synced")

    async def list_reduced(self, _: Any, __: Any, reduce: Callable[[Object], Any]) -> list[Any]:
        self.steps.append("list")
        if self.error:
            raise self.error
        return [reduce(item())]

    def set_domains(self, found: dict[Key, str]) -> None:
        assert self.memory.until is None, "who shares a domain is part of the rest"
        self.steps.append("domains")
        self.domains = found


async def test_watches_are_synced_and_domains_known_before_anything_rests() -> None:
    operator = Operator(left())
    await operator.work.read_platforms((0,), operator.set_domains)
    assert operator.steps == ["load [0]", "synced", "list", "domains", "begin [0]"]
    assert operator.domains == {ACME: "acme.test"}
    assert operator.memory.until is not None


async def test_where_nothing_is_kept_nothing_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def load() -> None:
        raise AssertionError("no models are needed")

    monkeypatch.setattr(rest_work, "_load", load)
    operator = Operator()
    await operator.work.read_platforms((0,), operator.set_domains)
    assert operator.steps == ["load [0]", "list", "domains", "begin [0]"]
    operator = Operator(keeps=False)
    await operator.work.read_platforms((0,), operator.set_domains)
    await operator.work.hand_over()
    assert operator.steps == ["list", "domains"]
    operator = Operator(left())  # which is not asked for without a shard
    await operator.work.read_platforms((), operator.set_domains)
    assert operator.steps == ["list", "domains", "begin []"]


async def test_until_platforms_are_listed_nothing_is_saved() -> None:
    operator = Operator(left())
    operator.error = UnavailableError(503, "ServiceUnavailable", "later")
    with pytest.raises(UnavailableError):
        await operator.work.read_platforms((0,), operator.set_domains)
    assert operator.steps == ["load [0]", "synced", "list"]
    assert operator.memory.until is None


@pytest.mark.parametrize("step", ["visit", "finish"])
async def test_a_bug_in_what_restores_does_not_keep_the_operator_from_starting(
    step: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise KeyError("secret")

    monkeypatch.setattr(Restoring, step, fail)
    operator = Operator(left())
    await operator.work.read_platforms((0,), operator.set_domains)
    assert operator.steps[-2:] == ["domains", "begin [0]"]
    assert operator.memory.until is None
    assert "operator bug: unexpected KeyError" in caplog.text
    assert "secret" not in caplog.text


def play(scene: Callable[[], Any]) -> None:
    with asyncio.Runner(loop_factory=SimulatedClock) as runner:
        runner.run(scene())


@pytest.mark.parametrize(("seconds", "rests"), [(3.0, True), (30.0, False)])
def test_the_watch_of_platforms_has_some_seconds_to_show_them(
    seconds: float, rests: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def in_this_thread(function: Callable[[], Any]) -> Any:
        return function()

    monkeypatch.setattr(asyncio, "to_thread", in_this_thread)
    operator = Operator(left())
    operator.memory.watches.set_platform(ACME, None)

    async def scene() -> None:
        assert rest_work._load() is Restoring
        loop = asyncio.get_running_loop()
        loop.call_later(seconds, operator.memory.watches.set_platform, ACME, "5")
        await operator.work.read_platforms((0,), operator.set_domains)
        assert loop.time() < 15

    play(scene)
    assert (operator.memory.until is not None) is rests


def test_it_is_saved_every_few_minutes_and_at_the_end() -> None:
    operator = Operator()

    async def scene() -> None:
        saving = asyncio.create_task(operator.work.save_forever())
        await asyncio.sleep(1000)
        assert operator.steps == ["save None False"] * 3
        operator.steps.clear()
        await operator.work.hand_over(2)
        await operator.work.hand_over()
        assert operator.steps == ["save (2,) True", "end (2,)", "save None True", "end None"]
        saving.cancel()

    play(scene)


def test_the_end_waits_for_the_api_server_a_second_at_most(
    caplog: pytest.LogCaptureFixture,
) -> None:
    operator = Operator()
    operator.store.save_seconds = 100.0

    async def scene() -> None:
        await operator.work.hand_over()
        assert asyncio.get_running_loop().time() < 2

    play(scene)
    assert operator.steps[-1] == "end None"
    assert "took too long" in caplog.text
