"""What is enqueued, and how much is read for it."""

from __future__ import annotations

from typing import Any

from pryv_operator.api.kubernetes import Object
from pryv_operator.kube.client import METADATA_LIST
from pryv_operator.kube.work_queue import Key
from pryv_operator.reconcile.domains import Domains
from pryv_operator.reconcile.references import References
from pryv_operator.reconcile.triggers import Triggers


class Platforms:
    """An API server with platforms; it answers page by page."""

    def __init__(self, count: int) -> None:
        self._names = [f"p{number:03}" for number in range(count)]
        self.largest_page = 0

    async def list_page(
        self, _: Any, namespace: str | None, *, limit: int, token: str | None, accept: str
    ) -> Object:
        assert accept == METADATA_LIST
        start = int(token or 0)
        names = self._names[start : start + limit]
        self.largest_page = max(self.largest_page, len(names))
        rest = start + limit < len(self._names)
        return {
            "metadata": {"continue": str(start + limit)} if rest else {},
            "items": [{"metadata": {"namespace": "n", "name": name}} for name in names],
        }


class Queue:
    def __init__(self) -> None:
        self.keys: list[Key] = []

    def add(self, key: Key, *, delay: float) -> None:
        self.keys.append(key)


async def test_a_resync_reads_no_specs_and_few_platforms_at_a_time() -> None:
    client: Any = Platforms(50)
    queue: Any = Queue()
    triggers = Triggers(client, queue, References(), Domains(), (), batch_seconds=0.0, enabled=True)
    assert await triggers.resync()
    assert queue.keys == [Key("n", f"p{number:03}") for number in range(50)]
    assert client.largest_page == 20
