"""The operator process: watches fill the work queue, workers empty it, one process leads."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Coroutine
from contextlib import AbstractContextManager, AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.child_processes.pool import ChildProcesses
from pryv_operator.cli.allocator import trim_forever
from pryv_operator.cli.lazy_reconciler import LazyReconciler
from pryv_operator.cli.rest_work import RestWork
from pryv_operator.cli.shard_work import ShardWork
from pryv_operator.kube import health_endpoints
from pryv_operator.kube.byte_budget import BoundedByBytes
from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.errors import ApiError
from pryv_operator.kube.kopf_handlers import PlatformWatch, set_on_signals
from pryv_operator.kube.leadership import Leadership, ShardedLeadership
from pryv_operator.kube.lease import Election, LeaderElection
from pryv_operator.kube.metrics_access import MetricsAccess
from pryv_operator.kube.metrics_endpoint import serving_metrics
from pryv_operator.kube.reflector import Change
from pryv_operator.kube.shard_elections import ShardElections
from pryv_operator.kube.shards import Shards
from pryv_operator.kube.work_queue import Key, WorkQueue
from pryv_operator.reconcile.domains import Domains
from pryv_operator.reconcile.followed import Followed
from pryv_operator.reconcile.memory import Memory
from pryv_operator.reconcile.program_digest import code_digest, program_digest
from pryv_operator.reconcile.reference_index import References
from pryv_operator.reconcile.rest_store import Place, RestStore
from pryv_operator.reconcile.settings import RETRYABLE, Settings
from pryv_operator.reconcile.triggers import Triggers
from pryv_operator.reconcile.unless_at_rest import UnlessAtRest

log = logging.getLogger(__name__)

#: A reconciliation that is at work for longer is stuck, and so are all if none moves.
_STUCK_SECONDS: Final = 300.0
#: After SIGTERM, reconciliations under way have so long when a standby may wait for the lease. The
#: next leader continues from wherever they stop.
_FINISH_SECONDS: Final = 1.0
_RETRY_SECONDS: Final = 1.0
#: Of several shards, none is acquired before what is watched has been read, or so long.
_SYNC_SECONDS: Final = 30.0
#: The window in which changes of domains by others become one reconciliation of a platform.
_SHARED_DOMAIN_SECONDS: Final = 10.0


@dataclass(frozen=True)
class Options:
    """What the process is started with.

    ``namespaces`` empty: all of them. ``election`` None: there is no other operator.
    """

    namespaces: tuple[str, ...]
    host: str
    port: int
    batch_seconds: float
    settings: Settings
    #: Host and port of ``/metrics`` with authentication; None: beside ``/healthz``, without.
    metrics_address: tuple[str, int] | None = None
    election: Election | None = None
    #: Between which processes share the namespaces; more than one only with ``election``.
    shards: int = 1
    #: Where it is kept over a restart which platforms are at rest; None: it is not.
    rests: Place | None = None

    def program(self) -> str:
        """What stands for this operator: another one may desire something else.

        Raises:
            OSError: its own files cannot be read.
        """
        return program_digest(self.settings, self.shards, code_digest())

    def leadership(self) -> Leadership | ShardedLeadership:
        """The leadership that the client checks before it writes."""
        seconds = self.election.timing.renew_deadline if self.election else None
        if seconds is None or self.shards == 1:
            return Leadership(seconds)
        return ShardedLeadership(Shards(self.shards), seconds)


async def run(
    client: KubeClient, leadership: Leadership | ShardedLeadership, options: Options
) -> bool:
    """Run until SIGTERM or SIGINT; False when a task failed. ``client`` checks ``leadership``.

    When the lease is lost, the process exits at once and nothing returns.
    """
    return await Process(client, leadership, options).run()


class Process:
    """One running operator."""

    def __init__(
        self,
        client: KubeClient,
        leadership: Leadership | ShardedLeadership,
        options: Options,
    ) -> None:
        """Nothing is started yet."""
        self._options = options
        self._metrics_access = MetricsAccess(client)
        self._client = client
        self._domains = Domains(self._on_domain_change)
        references = References()
        self._children = ChildProcesses(waiting=self._waiting_for_others)
        self._memory = Memory(
            Followed(
                client,
                options.namespaces or (None,),
                self._on_object_change,
                self._platforms_are_current,
            )
        )
        reconciler = LazyReconciler(
            client, options.settings, references, self._domains, self._children, self._memory
        )
        bounded = BoundedByBytes(reconciler, self._waiting_for_others)
        self._unless_at_rest = UnlessAtRest(bounded, self._memory.at_rest, options.settings)
        self._queue = WorkQueue(
            self._reconcile,
            group=self._children.sharing,
            admits=leadership.admits,
            retryable=RETRYABLE,
        )
        self._rests = RestWork(
            client,
            options.namespaces or (None,),
            self._rest_store(),
            self._memory,
            references,
            self._domains,
            options.settings,
            self._wait_until_synced,
        )
        self._shard_work: ShardWork | None = None
        self._election: LeaderElection | ShardElections | None = None
        if isinstance(leadership, ShardedLeadership):

            def forget(key: Key) -> None:
                bounded.forget(key)
                reconciler.forget(key)

            work = ShardWork(self._rests, leadership, self._queue, self._domains, forget)
            self._shard_work = work
            if options.election:
                self._election = ShardElections(
                    client, options.election, leadership, work.on_acquired, work.drain
                )
        elif options.election:
            self._election = LeaderElection(client, options.election, leadership)
        self._triggers = Triggers(
            client,
            self._queue,
            references,
            self._memory.followed,
            options.namespaces,
            batch_seconds=options.batch_seconds,
            enabled=self._election is None,
            has_seen=self._memory.has_seen,
            meanwhile=self._memory.meanwhile,
        )
        self._watch = PlatformWatch(
            client,
            options.namespaces,
            self._on_platform_change,
            self._memory.followed.set_platform,
        )
        self._stop = asyncio.Event()
        self._failed = False

    def _rest_store(self) -> RestStore | None:
        options = self._options
        if options.rests is None:
            return None
        return RestStore(
            self._client,
            options.rests,
            Shards(options.shards),
            self._memory.at_rest,
            self._domains,
            options.program,
        )

    async def run(self) -> bool:
        """Run until stopped; then finish what is under way and release the lease."""
        options = self._options
        async with AsyncExitStack() as serving:
            await self._serve(serving)
            set_on_signals(self._stop)
            await self._watch.wait_for_crd(self._stop)
            if self._stop.is_set():
                return True
            watch = self._start(self._watch.run(self._stop))
            followers = [self._start(each.run()) for each in self._memory.followed.reflectors]
            followers.append(
                self._start(self._triggers.resync_forever(options.settings.resync_seconds))
            )
            followers.append(self._start(self._rests.save_forever()))
            followers.append(self._start(trim_forever(self._queue.started)))
            work = self._start(self._work())
            election = self._start(self._stand_for_election()) if self._election else None
            await self._stop.wait()
            log.info("stopping")
            await self._finish(work)
            await self._children.close()
            await self._rests.hand_over()
            if self._election and election:
                await _cancel(election)
                await self._election.release()
            await _cancel(*followers)
        self._watch.stop_watching()
        await asyncio.gather(watch, return_exceptions=True)
        return not self._failed

    async def _serve(self, serving: AsyncExitStack) -> None:
        """Serve health and metrics until ``serving`` is closed."""
        options = self._options
        with_metrics = options.metrics_address is None
        port = await serving.enter_async_context(
            health_endpoints.serving(
                options.host,
                options.port,
                healthy=self._healthy,
                ready=self._ready,
                with_metrics=with_metrics,
            )
        )
        paths = "/healthz, /readyz and /metrics" if with_metrics else "/healthz and /readyz"
        log.info("serving %s on %s:%d", paths, options.host, port)
        if options.metrics_address:
            host, port = options.metrics_address
            port = await serving.enter_async_context(
                serving_metrics(host, port, self._metrics_access)
            )
            log.info("serving /metrics with TLS and authentication on %s:%d", host, port)

    async def _reconcile(self, key: Key) -> float | None:
        self._memory.meanwhile.begin(key)
        try:
            return await self._unless_at_rest(key)
        finally:
            self._triggers.on_reconciled(key)

    def _on_platform_change(self, key: Key) -> None:
        self._memory.forget_lists(key)  # who asks for a reconciliation asks for a new look
        self._triggers.on_platform_change(key)

    def _on_object_change(self, change: Change) -> None:
        self._triggers.on_object_change(change)

    def _platforms_are_current(self) -> bool:
        return self._watch.is_current()

    def _on_domain_change(self, key: Key) -> None:
        self._memory.at_rest.disturb(key)
        self._queue.add(key, delay=_SHARED_DOMAIN_SECONDS)

    def _waiting_for_others(self) -> AbstractContextManager[None]:
        return self._queue.waiting_for_others()

    def _start(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a task; when it ends before the process is stopped, the process stops too."""
        task = asyncio.create_task(coroutine)
        task.add_done_callback(self._on_task_end)
        return task

    def _on_task_end(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            self._failed = True
            log.error("operator bug: a task failed; exiting", exc_info=error)
        self._stop.set()

    async def _stand_for_election(self) -> None:
        """Acquire and renew the lease; exit at once when it is lost."""
        assert self._election is not None  # noqa: S101 - only started with one
        if self._shard_work:
            await self._wait_until_synced()
        await self._election.run()
        log.error("lease lost; exiting at once")
        logging.shutdown()
        # An orderly end would take time, and this process may do nothing any more.
        os._exit(1)

    async def _work(self) -> None:
        """Reconcile once this process leads, beginning with every platform."""
        if self._election:
            await self._election.leading.wait()
            self._triggers.enabled = True
        if not self._shard_work:
            await self._until_stopped(self._read_platforms())
        async with asyncio.TaskGroup() as tasks:
            queue = tasks.create_task(self._queue.run())
            if self._shard_work:
                shards = self._shard_work.run(self._options.settings.resync_seconds)
                follower = tasks.create_task(shards)
                queue.add_done_callback(lambda _: follower.cancel())
            elif self._election:
                tasks.create_task(self._first_resync())

    async def _wait_until_synced(self) -> None:
        """Wait until what this process would take over from others can be reconciled at once."""
        synced = [self._watch.ready, *(each.synced for each in self._memory.followed.reflectors)]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SYNC_SECONDS):
                await asyncio.gather(*(each.wait() for each in synced))

    async def _until_stopped(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run something that is given up when the process is to stop."""
        tasks = asyncio.create_task(coroutine), asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if tasks[0].done():
                tasks[0].result()
        finally:
            for each in tasks:
                each.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read_platforms(self) -> None:
        """Know all domains before anything is reconciled: warnings would go and come again."""

        def set_domains(found: dict[Key, str]) -> None:
            for key, domain in found.items():
                self._domains.set(key, domain)

        try:
            await self._rests.read_platforms((0,), set_domains)
        except ApiError as error:
            log.warning("listing %s failed: %s", keys.PLURAL, error)  # found while reconciling

    async def _first_resync(self) -> None:
        while True:
            if await self._triggers.list_platforms():
                return
            await asyncio.sleep(_RETRY_SECONDS)

    async def _finish(self, work: asyncio.Task[None]) -> None:
        """Start no further reconciliation, and let those under way finish."""
        self._queue.stop()
        if self._election:
            leading = self._election.leading.is_set()
            await asyncio.wait([work], timeout=_FINISH_SECONDS if leading else 0)
            work.cancel()
        await asyncio.gather(work, return_exceptions=True)

    def _healthy(self) -> str | None:
        overdue = self._queue.overdue()
        if overdue <= _STUCK_SECONDS:
            return None
        return f"a reconciliation has made no progress for {overdue:.0f} s"

    def _ready(self) -> str | None:
        missing = sorted(
            {each.plural for each in self._memory.followed.reflectors if not each.synced.is_set()}
        )
        if not self._watch.ready.is_set():
            missing.append(keys.PLURAL)
        return f"not synced yet: {', '.join(missing)}" if missing else None


async def _cancel(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
