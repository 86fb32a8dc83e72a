"""What is kept of platforms at rest: loaded before their reconciliations begin, saved now and then.

With it, a restart or another leader reconciles only what has moved meanwhile.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import gc
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from pryv_operator.api.kubernetes import Object
from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.work_queue import Key
from pryv_operator.reconcile.domains import Domains, list_domains
from pryv_operator.reconcile.memory import Memory
from pryv_operator.reconcile.reference_index import References
from pryv_operator.reconcile.rest_store import SAVE_SECONDS, RestStore
from pryv_operator.reconcile.settings import Settings

if TYPE_CHECKING:
    from pryv_operator.reconcile.restore import Restoring

log = logging.getLogger(__name__)

#: A process that ends, or hands a shard over, has so long to keep what has moved: others wait.
_LAST_SAVE_SECONDS: Final = 1.0
#: So long the watch of platforms may take to show those that were just listed.
_POLL_SECONDS: Final = 0.05
_POLLS: Final = 200


class RestWork:
    """Lists the platforms, and lets those rest that have not moved since an earlier process."""

    def __init__(
        self,
        client: KubeClient,
        namespaces: Sequence[str | None],
        store: RestStore | None,
        memory: Memory,
        references: References,
        domains: Domains,
        settings: Settings,
        synced: Callable[[], Awaitable[None]],
    ) -> None:
        """``store`` None: nothing is kept. ``synced``: waits until the watches show everything."""
        self._client = client
        self._namespaces = namespaces
        self._store = store
        self._memory = memory
        self._references = references
        self._domains = domains
        self._settings = settings
        self._synced = synced

    async def read_platforms(
        self, shards: Collection[int], set_domains: Callable[[dict[Key, str]], None]
    ) -> None:
        """List all platforms, and let those of some shards rest that have not moved.

        Args:
            shards: those whose platforms this process reconciles from now on.
            set_domains: called with all platforms and their domains.

        Raises:
            ApiError: platforms could not be listed.
        """
        restoring = await self._restoring(shards)
        visit = partial(_visit, restoring) if restoring else _ignore
        set_domains(await list_domains(self._client, self._namespaces, visit))
        if restoring:
            await self._wait_for_watch(restoring)
            _finish(restoring, self._domains)
        if self._store:
            self._store.begin(shards)

    async def _restoring(self, shards: Collection[int]) -> Restoring | None:
        kept = await self._store.load(shards) if self._store and shards else {}
        if not kept:
            return None
        await self._synced()
        kind = await asyncio.to_thread(_load)
        full, now = self._settings.full_resync_seconds, dt.datetime.now(dt.UTC)
        return kind(kept, self._memory, self._references, full, now)

    async def _wait_for_watch(self, restoring: Restoring) -> None:
        for _ in range(_POLLS):
            if not restoring.unknown():
                return
            await asyncio.sleep(_POLL_SECONDS)

    async def save_forever(self) -> None:
        """Keep what has moved, every few minutes."""
        while True:
            await asyncio.sleep(SAVE_SECONDS)
            if self._store:
                await self._store.save()

    async def hand_over(self, shard: int | None = None) -> None:
        """Keep what has moved of a shard, or of all, for who leads it next."""
        if self._store is None:
            return
        shards = None if shard is None else (shard,)
        try:
            async with asyncio.timeout(_LAST_SAVE_SECONDS):
                await self._store.save(shards, last=True)
        except TimeoutError:
            log.warning("keeping which platforms are at rest took too long; they are reconciled")
        self._store.end(shards)


def _ignore(_: Object) -> None:
    """Nothing is kept of any platform."""


def _visit(restoring: Restoring, item: Object) -> None:
    try:
        restoring.visit(item)
    except Exception as error:  # noqa: BLE001 - the operator must start, whatever was kept
        _log_bug(error)


def _finish(restoring: Restoring, domains: Domains) -> None:
    try:
        count = restoring.finish(domains)
    except Exception as error:  # noqa: BLE001 - as above
        _log_bug(error)
    else:
        log.info("%d platforms have not moved while they were not reconciled", count)


def _log_bug(error: Exception) -> None:
    log.error(
        "operator bug: unexpected %s while platforms at rest were restored; they are reconciled",
        type(error).__name__,
    )


def _load() -> type[Restoring]:
    """Import it, with models of spec and status. In a thread, as the reconciler."""
    from pryv_operator.reconcile.restore import Restoring  # noqa: PLC0415

    gc.collect()
    gc.freeze()
    return Restoring
