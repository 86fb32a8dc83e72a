"""How much reconciliations may read at the same time, in bytes of the API server's answers.

What is read is held as Python objects, up to nine times as large, until a reconciliation ends. So
eight small platforms are reconciled at once, and of large ones only as many as fit into memory.
Each namespace has a budget of its own: a tenant with large platforms holds up nobody else.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import (
    AbstractContextManager,
    asynccontextmanager,
    nullcontext,
    suppress,
)
from typing import Final

from pryv_operator.kube.read_meter import metered
from pryv_operator.kube.work_queue import Key, Reconcile

#: Of all reconciliations of a namespace under way. As Python objects, up to 72 MiB.
TOTAL_BYTES: Final = 8 << 20
#: What a platform is taken to need that has not been reconciled yet.
FIRST_BYTES: Final = 1 << 20


class ByteBudget:
    """Bytes that are in use, up to a total. Who waits is served in the order of arrival."""

    def __init__(self, total: int) -> None:
        """All are free."""
        self._total = total
        self._free = total
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    def is_unused(self) -> bool:
        """Whether nobody holds or awaits bytes."""
        return self._free == self._total and not self._waiting

    @asynccontextmanager
    async def reserved(
        self, size: int, waiting: Callable[[], AbstractContextManager[None]] = nullcontext
    ) -> AsyncIterator[None]:
        """Reserve so many bytes, when they are free; more than the total are the total.

        ``waiting``: entered while others have to free them.
        """
        size = min(size, self._total)
        if self._waiting or size > self._free:
            with waiting():
                await self._wait_for(size)
        else:
            self._free -= size
        try:
            yield
        finally:
            self._release(size)

    async def _wait_for(self, size: int) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it got its turn, and is cancelled as well
                self._release(size)
            else:
                with suppress(ValueError):  # it may have been skipped already
                    self._waiting.remove((size, turn))
                self._serve()
            raise

    def _release(self, size: int) -> None:
        self._free += size
        self._serve()

    def _serve(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._free:
            size, turn = self._waiting.popleft()
            if not turn.done():
                self._free -= size
                turn.set_result(None)


class BoundedByBytes:
    """Reconciles a platform once as many bytes are free as its largest reconciliation has read.

    Not its last one: at rest nothing is read, and one that fails may have read little.
    """

    def __init__(
        self,
        reconcile: Reconcile,
        waiting: Callable[[], AbstractContextManager[None]],
        total: int = TOTAL_BYTES,
    ) -> None:
        """``waiting``: entered while other reconciliations have to end."""
        self._reconcile = reconcile
        self._waiting = waiting
        self._total = total
        #: Those of namespaces with reconciliations under way.
        self._budgets: dict[str, ByteBudget] = {}
        self._read: dict[Key, int] = {}

    async def __call__(self, key: Key) -> float | None:
        """Reconcile a platform, as ``reconcile`` does."""
        budget = self._budgets.setdefault(key.namespace, ByteBudget(self._total))
        try:
            async with budget.reserved(self.size(key), self._waiting):
                requeue = await self._metered(key)
        finally:
            if budget.is_unused():
                self._budgets.pop(key.namespace, None)
        if requeue is None:  # it was deleted
            self.forget(key)
        return requeue

    def size(self, key: Key) -> int:
        """The bytes that a platform is taken to need."""
        return self._read.get(key, FIRST_BYTES)

    def forget(self, key: Key) -> None:
        """Another process reconciles a platform, or it was deleted."""
        self._read.pop(key, None)

    async def _metered(self, key: Key) -> float | None:
        with metered() as meter:
            try:
                return await self._reconcile(key)
            finally:
                if meter.bytes:
                    self._read[key] = max(meter.bytes, self._read.get(key, 0))
