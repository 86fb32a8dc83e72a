"""What is enqueued, and what is read for it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.kubernetes import Object
from pryv_operator.kube.client import METADATA_LIST
from pryv_operator.kube.reflector import Change
from pryv_operator.kube.resources import SECRETS
from pryv_operator.kube.work_queue import Key, Priority
from pryv_operator.reconcile.followed import Followed
from pryv_operator.reconcile.reference_index import References
from pryv_operator.reconcile.triggers import Triggers


class Platforms:
    """An API server with platforms, of which it gives metadata only.

    ``meanwhile``: called while the list is on its way.
    """

    def __init__(self) -> None:
        self.versions = {f"p{number}": "1" for number in range(3)}
        self.meanwhile: Callable[[], None] = lambda: None

    async def list_reduced(
        self, _: Any, namespace: str | None, reduce: Callable[[Object], Any], *, accept: str
    ) -> list[Any]:
        assert accept == METADATA_LIST
        listed = [
            reduce({"metadata": {"namespace": "n", "name": name, "resourceVersion": version}})
            for name, version in self.versions.items()
        ]
        self.meanwhile()
        return listed


class Queue:
    def __init__(self) -> None:
        self.keys: list[Key] = []
        self.delays: list[float] = []
        self.priorities: list[Priority] = []

    def add(self, key: Key, *, delay: float, priority: Priority) -> None:
        self.keys.append(key)
        self.delays.append(delay)
        self.priorities.append(priority)


def triggers(queue: Queue, **options: Any) -> Triggers:
    client: Any = Platforms()
    filled: Any = queue
    followed = Followed(client, [None], lambda _: None)
    followed.set_platform(Key("n", "acme"), "1")
    return Triggers(
        client, filled, References(), followed, (), batch_seconds=0.5, enabled=True, **options
    )


async def test_all_platforms_are_enqueued_and_no_specs_are_read() -> None:
    queue = Queue()
    given = triggers(queue)
    given._followed.set_platform(Key("n", "acme"), None)
    assert await given.list_platforms()
    assert queue.keys == [Key("n", "p0"), Key("n", "p1"), Key("n", "p2")]


async def test_a_list_corrects_what_the_watch_has_missed_and_not_what_it_saw_since() -> None:
    queue = Queue()
    given = triggers(queue)
    client: Any = given._client
    followed = given._followed
    changed, gone, late, new = (Key("n", name) for name in ("p0", "acme", "p1", "new"))
    for key in (changed, gone, late):
        followed.set_platform(key, "1")
    client.versions[changed.name] = "2"

    def meanwhile() -> None:
        followed.set_platform(late, "7")
        followed.set_platform(new, "8")

    client.meanwhile = meanwhile
    assert await given.list_platforms()
    assert followed.versions() == {changed: "2", late: "7", Key("n", "p2"): "1", new: "8"}
    assert gone in queue.keys, "what is known of it is to be forgotten"
    queue.keys.clear()
    client.meanwhile = lambda: None
    client.versions |= {"p1": "7", "new": "8"}
    assert await given.list_platforms()
    assert gone not in queue.keys


async def test_now_and_then_only_what_the_watch_has_missed_is_enqueued_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All of them at once would be a burst; each has its own time in the resync."""
    monkeypatch.setattr("pryv_operator.reconcile.triggers._RESYNCS_PER_LIST", 1)
    queue = Queue()
    given = triggers(queue)
    listed = asyncio.Event()
    client: Any = given._client
    client.meanwhile = listed.set
    for name in ("p0", "p1"):
        given._followed.set_platform(Key("n", name), "1")
    running = asyncio.create_task(given.resync_forever(0.01))
    await asyncio.wait_for(listed.wait(), 10)
    running.cancel()
    at_once = {key for key, delay in zip(queue.keys, queue.delays, strict=True) if delay == 0.0}
    assert at_once == {Key("n", "p2"), Key("n", "acme")}  # not known, and gone
    assert {Key("n", "p0"), Key("n", "p1")} < set(queue.keys)


def change(labels: dict[str, str], name: str = "x", **fields: Any) -> Change:
    kept = tuple(sorted(labels.items()))
    return Change(
        **{"resource": SECRETS, "deleted": False, **fields}, namespace="n", name=name, labels=kept
    )


OWN = {keys.MANAGED_BY: keys.FIELD_MANAGER, keys.PLATFORM: "acme"}


def test_an_object_enqueues_its_platform_and_those_that_refer_to_it() -> None:
    queue = Queue()
    given = triggers(queue)
    given._references.set(Key("n", "b"), frozenset({("Secret", "x")}))
    given._references.set(Key("n", "c"), frozenset({("Secret", "x")}))
    given._references.set(Key("other", "d"), frozenset({("Secret", "x")}))
    given.on_object_change(change(OWN))
    assert queue.keys == [Key("n", "acme"), Key("n", "b"), Key("n", "c")]
    assert queue.priorities == [Priority.EVENT, Priority.FAN_OUT, Priority.FAN_OUT]
    given._references.forget(Key("n", "c"))
    given.on_object_change(change({}))
    assert (queue.keys[3:], queue.priorities[3:]) == ([Key("n", "b")], [Priority.CHANGE])


def test_labels_of_platforms_that_do_not_exist_enqueue_nothing() -> None:
    """A tenant could otherwise have a request sent for each object that he creates."""
    queue = Queue()
    given = triggers(queue)
    for number in range(100):
        given.on_object_change(change({**OWN, keys.PLATFORM: f"fake{number}"}))
    assert queue.keys == []
    given._followed.set_platform(Key("n", "fake7"), "1")
    given.on_object_change(change({**OWN, keys.PLATFORM: "fake7"}))
    assert queue.keys == [Key("n", "fake7")]


def test_what_a_reconciliation_has_written_itself_enqueues_nothing() -> None:
    queue = Queue()
    triggers(queue, has_seen=lambda key, _: key == Key("n", "acme")).on_object_change(change(OWN))
    assert queue.keys == []


async def test_a_resync_is_spread_over_its_period_and_reads_nothing() -> None:
    queue = Queue()
    given = triggers(queue)
    for number in range(200):
        given._followed.set_platform(Key("n", f"p{number}"), "1")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await given.resync_forever(100.0)
    assert len(queue.keys) == len(set(queue.keys)) == 201
    assert set(queue.priorities) == {Priority.RESYNC}
    in_quarters = Counter(int(delay // 25) for delay in queue.delays)
    assert sorted(in_quarters) == [0, 1, 2, 3]
    assert max(in_quarters.values()) < 75
