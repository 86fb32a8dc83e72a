"""The operator process: watches on one side, passes on the other, a queue between them."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.kube import health_endpoints
from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.errors import ApiError, NotFoundError
from pryv_operator.kube.kopf_handlers import watch_platforms
from pryv_operator.kube.leadership import Leadership
from pryv_operator.kube.lease import Election, Lease
from pryv_operator.kube.reflector import Moved, Reflector
from pryv_operator.kube.resources import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    NETWORK_POLICIES,
    PLATFORMS,
    PODS,
    PVCS,
    SECRETS,
    SERVICES,
    STATEFUL_SETS,
)
from pryv_operator.kube.work_queue import Key, WorkQueue
from pryv_operator.reconcile.reconciler import RETRYABLE, Reconciler, Settings
from pryv_operator.reconcile.references import References

log = logging.getLogger(__name__)

#: Kinds whose objects of ours are followed.
_OURS: Final = (PVCS, DEPLOYMENTS, NETWORK_POLICIES, PODS, SERVICES, STATEFUL_SETS)
#: Kinds that are followed all, as anyone's may be referred to.
_REFERRED: Final = (CONFIG_MAPS, SECRETS)
_KEPT_LABELS: Final = frozenset({keys.MANAGED_BY, keys.PLATFORM})
#: A drift is mended soon; several events of one action are still one pass.
_DRIFT_SECONDS: Final = 0.1
_PROGRESS_SECONDS: Final = 0.3
#: A pass that has waited for so long means that something is stuck.
_STUCK_SECONDS: Final = 300.0
#: On SIGTERM, passes under way have so long: another operator waits for the lease, and goes on from wherever they are.
_FINISH_SECONDS: Final = 1.0
_RETRY_SECONDS: Final = 1.0


@dataclass(frozen=True)
class Options:
    """What the process is started with. ``namespaces`` empty: all of them. ``election`` None: there is no other operator."""

    namespaces: tuple[str, ...]
    host: str
    port: int
    gather_seconds: float
    settings: Settings
    election: Election | None = None

    def leadership(self) -> Leadership:
        """What the client has to ask before it writes."""
        return Leadership(self.election.timing.deadline if self.election else None)


async def run(client: KubeClient, leadership: Leadership, options: Options) -> bool:
    """Run until SIGTERM or SIGINT. False when it ended because something in it failed. ``leadership`` is the one ``cluster`` asks.

    When the lease is lost, the process ends at once and nothing returns.
    """
    return await Process(client, leadership, options).run()


class Process:
    """One running operator."""

    def __init__(self, client: KubeClient, leadership: Leadership, options: Options) -> None:
        """Nothing is started yet."""
        self._client = client
        self._lease = Lease(client, options.election, leadership) if options.election else None
        self._leads = self._lease is None
        self._options = options
        self._references = References()
        reconciler = Reconciler(client, options.settings, self._references)
        self._queue = WorkQueue(reconciler, retryable=RETRYABLE)
        self._watching = asyncio.Event()
        self._stop = asyncio.Event()
        self._kopf_stop = asyncio.Event()
        self._failed = False
        self._reflectors = [
            Reflector(
                client,
                resource,
                namespace,
                self._moved,
                selector=None
                if resource in _REFERRED
                else f"{keys.MANAGED_BY}={keys.FIELD_MANAGER}",
                keep_labels=_KEPT_LABELS,
            )
            for namespace in (options.namespaces or (None,))
            for resource in (*_OURS, *_REFERRED)
        ]

    async def run(self) -> bool:
        """Serve and watch until asked to end, and work as the leader; then finish the passes under way, and let another one lead."""
        options = self._options
        async with health_endpoints.serving(
            options.host, options.port, healthy=self._healthy, ready=self._ready
        ) as port:
            log.info("serving /healthz, /readyz and /metrics on %s:%d", options.host, port)
            self._take_signals()
            await self._until_served()
            if self._stop.is_set():
                return True
            watch = asyncio.create_task(
                watch_platforms(
                    self._client,
                    options.namespaces,
                    self._changed,
                    ready=self._watching,
                    stop=self._kopf_stop,
                )
            )
            tasks = [asyncio.create_task(reflector.run()) for reflector in self._reflectors]
            tasks.append(asyncio.create_task(self._resync()))
            work = asyncio.create_task(self._work())
            election = asyncio.create_task(self._stand()) if self._lease else None
            for task in (*tasks, work, watch, *([election] if election else [])):
                task.add_done_callback(self._ended)
            await self._asked_to_end()
            log.info("stopping")
            await self._finish(work)
            if self._lease and election:
                election.cancel()
                await asyncio.gather(election, return_exceptions=True)
                await self._lease.release()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        self._kopf_stop.set()
        await asyncio.gather(watch, return_exceptions=True)
        return not self._failed

    async def _stand(self) -> None:
        """Take part in the election for as long as it goes well."""
        assert self._lease is not None  # noqa: S101 - only started with one
        await self._lease.run()
        log.error("the lease is lost: ending at once")
        logging.shutdown()
        os._exit(
            1
        )  # an orderly end would take time, and there is nothing left that this process may do

    async def _work(self) -> None:
        """Once this process leads: passes, beginning with one for every platform, as what was heard until then was not kept."""
        if self._lease:
            await self._lease.held.wait()
            self._leads = True
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._queue.run())
            if self._lease:
                tasks.create_task(self._look_first())

    async def _look_first(self) -> None:
        while True:
            if await self._look_at_all():
                return
            await asyncio.sleep(_RETRY_SECONDS)

    async def _finish(self, work: asyncio.Task[None]) -> None:
        """Begin no further pass, and give those under way some time when another operator may be waiting."""
        self._queue.stop()
        if self._lease:
            await asyncio.wait([work], timeout=_FINISH_SECONDS if self._leads else 0)
            work.cancel()
        await asyncio.gather(work, return_exceptions=True)

    async def _asked_to_end(self) -> None:
        """Wait for SIGTERM or SIGINT, or for a task to fail.

        kopf takes the signals for itself when it starts, and would cancel our passes; so they are taken back once it runs.
        """
        for event in (self._watching, self._stop):
            waiting = [asyncio.create_task(each.wait()) for each in (event, self._stop)]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for each in waiting:
                each.cancel()
            self._take_signals()

    def _take_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._stop.set)

    def _changed(self, key: Key) -> None:
        """A platform was changed by its user: more may follow at once."""
        self._ask(key, self._options.gather_seconds)

    def _moved(self, moved: Moved) -> None:
        """An object moved: it is one of ours, or one that somebody refers to."""
        owner = moved.label(keys.PLATFORM)
        if owner and moved.label(keys.MANAGED_BY) == keys.FIELD_MANAGER:
            self._ask(
                Key(moved.namespace, owner), _DRIFT_SECONDS if moved.gone else _PROGRESS_SECONDS
            )
        if moved.resource in _REFERRED:
            for key in self._references.platforms(moved.namespace, moved.resource.kind, moved.name):
                self._ask(key, self._options.gather_seconds)

    def _ask(self, key: Key, delay: float) -> None:
        if self._leads:
            self._queue.add(key, delay=delay)

    async def _resync(self) -> None:
        """Look at every platform now and then: a watch can lose what happened."""
        while True:
            await asyncio.sleep(self._options.settings.resync_seconds)
            await self._look_at_all()

    async def _look_at_all(self) -> bool:
        """Ask for a pass for every platform; False when they could not be listed."""
        try:
            for namespace in self._options.namespaces or (None,) if self._leads else ():
                for item in await self._client.list(PLATFORMS, namespace):
                    self._ask(Key(item["metadata"]["namespace"], item["metadata"]["name"]), 0.0)
        except ApiError as error:
            log.warning("the platforms could not be listed: %s", error)
            return False
        return True

    async def _until_served(self) -> None:
        """Wait until the API server knows platforms: kopf looks for them only once."""
        waiting = False
        while not self._stop.is_set():
            try:
                for namespace in self._options.namespaces or (None,):
                    await self._client.list_page(PLATFORMS, namespace)
                return
            except NotFoundError:
                if not waiting:
                    log.warning(
                        "the API server does not know PryvPlatform: install its CRD; waiting for it"
                    )
            except ApiError as error:
                log.warning("the API server cannot be asked: %s", error)
            waiting = True
            await asyncio.sleep(1)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A task that ends before it was asked to ends the process, so that it is started anew."""
        if not task.cancelled() and (error := task.exception()):
            self._failed = True
            log.error("a task of the operator failed", exc_info=error)
        self._stop.set()

    def _healthy(self) -> str | None:
        overdue = self._queue.overdue()
        return (
            f"a platform has waited {overdue:.0f} s for its pass"
            if overdue > _STUCK_SECONDS
            else None
        )

    def _ready(self) -> str | None:
        missing: Iterable[str] = sorted(
            {each.plural for each in self._reflectors if not each.synced.is_set()}
        )
        if not self._watching.is_set():
            missing = [*missing, keys.PLURAL]
        return f"not synced yet: {', '.join(missing)}" if missing else None
