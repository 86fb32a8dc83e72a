"""What is enqueued, and what is read for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pryv_operator.api.kubernetes import Object
from pryv_operator.kube.client import METADATA_LIST
from pryv_operator.kube.work_queue import Key
from pryv_operator.reconcile.reference_index import References
from pryv_operator.reconcile.triggers import Triggers


class Platforms:
    """An API server with platforms, of which it gives metadata only."""

    async def list_reduced(
        self, _: Any, namespace: str | None, reduce: Callable[[Object], Key], *, accept: str
    ) -> list[Key]:
        assert accept == METADATA_LIST
        names = [f"p{number}" for number in range(3)]
        return [reduce({"metadata": {"namespace": "n", "name": name}}) for name in names]


class Queue:
    def __init__(self) -> None:
        self.keys: list[Key] = []

    def add(self, key: Key, *, delay: float) -> None:
        self.keys.append(key)


async def test_a_resync_enqueues_all_platforms_and_reads_no_specs() -> None:
    client: Any = Platforms()
    queue: Any = Queue()
    triggers = Triggers(client, queue, References(), (), batch_seconds=0.0, enabled=True)
    assert await triggers.resync()
    assert queue.keys == [Key("n", "p0"), Key("n", "p1"), Key("n", "p2")]
