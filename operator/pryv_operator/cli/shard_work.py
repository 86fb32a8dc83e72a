"""The work on shards: it begins when one is acquired, and ends when one is handed over."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.cli.rest_work import RestWork
from pryv_operator.kube.errors import ApiError
from pryv_operator.kube.leadership import ShardedLeadership
from pryv_operator.kube.work_queue import Key, Priority, WorkQueue
from pryv_operator.reconcile.domains import Domains

log = logging.getLogger(__name__)

#: Reconciliations under way have so long to end before their shard is handed over.
_DRAIN_SECONDS: Final = 5.0
_RETRY_SECONDS: Final = 1.0


class ShardWork:
    """Enqueues the platforms of shards that were acquired, and drops those of others."""

    def __init__(
        self,
        rests: RestWork,
        leadership: ShardedLeadership,
        queue: WorkQueue,
        domains: Domains,
        forget: Callable[[Key], None],
    ) -> None:
        """``forget``: called with each platform that another process reconciles from now on."""
        self._rests = rests
        self._leadership = leadership
        self._queue = queue
        self._domains = domains
        self._forget = forget
        self._acquired: set[int] = set()
        self._wake = asyncio.Event()

    def on_acquired(self, shard: int) -> None:
        """Reconcile the platforms of a shard."""
        self._acquired.add(shard)
        self._wake.set()

    async def drain(self, shard: int) -> None:
        """End all work on a shard, which is not admitted any more."""
        self._acquired.discard(shard)
        of = self._leadership.shards.of
        dropped = await self._queue.drain(lambda name: of(name) == shard, _DRAIN_SECONDS)
        await self._rests.hand_over(shard)
        for key in dropped:
            self._forget(key)

    async def run(self, resync_seconds: float) -> None:
        """Enqueue what was acquired, and follow the domains of platforms of other shards.

        Only their leaders follow those closely; here they are read periodically.
        """
        while True:
            try:
                async with asyncio.timeout(resync_seconds):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            acquired, self._acquired = self._acquired, set()
            try:
                await self._rests.read_platforms(acquired, partial(self._set_domains, acquired))
            except ApiError as error:
                log.warning("listing %s failed: %s", keys.PLURAL, error)
                self._acquired |= acquired
                await asyncio.sleep(_RETRY_SECONDS)
                self._wake.set()
                continue
            self._take_over(acquired)

    def _take_over(self, acquired: set[int]) -> None:
        of = self._leadership.shards.of
        for key in self._domains.known():
            if of(key.namespace) not in acquired:
                continue
            if self._leadership.admits(key.namespace):
                self._queue.add(key, priority=Priority.FAN_OUT)
            else:  # it was handed over meanwhile
                self._forget(key)

    def _set_domains(self, acquired: set[int], found: dict[Key, str]) -> None:
        gone = dict.fromkeys(self._domains.known() - found.keys(), None)
        new = {key for key in found if self._leadership.shards.of(key.namespace) in acquired}
        for key, domain in (found | gone).items():
            # Of platforms that are reconciled here already, more is known than was listed.
            if key in new or not self._leadership.admits(key.namespace):
                self._domains.set(key, domain)
