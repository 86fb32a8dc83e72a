"""Everything that is kopf's: settings, login, the event handler, signals.

What kopf does not do here, and why (measured with kopf 1.45, see ``docs/develop.md``):

- Reconciling is done from our own work queue. kopf's change handlers keep a copy of the resource in
  an annotation, which overflows; its daemons and timers add finalizers, which block a deletion
  while the operator is down. So the one handler here only puts a key into the queue.
- Owned and referenced objects are followed by our own reflector: kopf lists whole objects, Secrets
  with their data included, and makes a task for each.
- Leader election is our own Lease: kopf's peering is not a lock.
- kopf's identity is given: it would ask for the user's name, and a pod's uid need not have one.
- There is no probe handler, as kopf's liveness endpoint only shows that the event loop turns (see
  ``health_endpoints``), and no cleanup handler, as the process stops its own work before kopf.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Self, cast

from pryv_operator.api import labels_annotations as keys
from pryv_operator.kube.client import METADATA_LIST, KubeClient
from pryv_operator.kube.errors import ApiError, NotFoundError, TooDeepError
from pryv_operator.kube.kopf_alone import kopf
from pryv_operator.kube.kopf_session import WatchOptions, open_session
from pryv_operator.kube.resources import PLATFORMS
from pryv_operator.kube.transport import WATCH_SECONDS
from pryv_operator.kube.watch_backoff import WatchBackoff
from pryv_operator.kube.work_queue import Key

log = logging.getLogger(__name__)

registry: Final = kopf.OperatorRegistry()

_REQUEST_SECONDS: Final = 30
#: Platforms in a page of a list, where the API server cannot stream lists.
_CHUNK: Final = 20
_CRD_POLL_SECONDS: Final = 1.0
#: Between two watches of kopf, which begins with a list: one that ends at once is no busy loop.
_RECONNECT_SECONDS: Final = 1.0


#: kopf has a task and a queue for each resource until it has had no event for so long.
_IDLE_SECONDS: Final = 0.05


#: Called with the key of a platform that has changed, or was deleted.
OnChange = Callable[[Key], None]
#: Called with the key of a platform and its resourceVersion; None: it was deleted.
OnVersion = Callable[[Key, str | None], None]


class Trigger(NamedTuple):
    """What a reconciliation reads of the resource itself.

    That is its spec (by generation), its deletion and the annotations that users write; of its
    status, only whether there is one of ours.
    """

    uid: str
    generation: int
    is_deleted: bool
    has_status: bool
    annotations: tuple[str, ...]

    def is_news(self, before: Trigger | None) -> bool:
        """Whether it asks for a reconciliation: a removed status is written again."""
        if before is None or before._replace(has_status=self.has_status) != self:
            return True
        return before.has_status and not self.has_status


@dataclass
class Memo:
    """What the handlers share. kopf would keep a copy for each resource as long as that exists."""

    client: KubeClient
    on_change: OnChange
    on_version: OnVersion
    options: WatchOptions
    #: What was last seen of each resource that asks for a reconciliation.
    triggers: dict[Key, Trigger] = field(default_factory=dict)

    def __copy__(self) -> Self:
        """The same one: it needs nothing for each resource but the trigger."""
        return self


@kopf.on.startup(registry=registry)
async def configure(settings: kopf.OperatorSettings, memo: Memo, **_: Any) -> None:
    """Set what kopf does by itself: watch, and nothing else."""
    settings.posting.enabled = False
    # kopf would kill the process ten minutes after it has ended, although it is started again then.
    settings.process.ultimate_exiting_timeout = None
    settings.scanning.disabled = True
    settings.watching.initial_streaming = memo.options.streaming
    settings.watching.chunk_size = _CHUNK
    settings.watching.server_timeout = WATCH_SECONDS
    settings.watching.client_timeout = WATCH_SECONDS + 30
    settings.watching.connect_timeout = 5
    settings.watching.reconnect_backoff = _RECONNECT_SECONDS
    settings.queueing.idle_timeout = _IDLE_SECONDS
    settings.networking.request_timeout = _REQUEST_SECONDS


@kopf.on.login(registry=registry)
async def login(memo: Memo, **_: Any) -> kopf.AiohttpSession:
    """Give kopf a session of ours."""
    return await open_session(memo.client, memo.options)


@kopf.on.event(keys.GROUP, keys.VERSION, keys.PLURAL, registry=registry)
async def on_platform_event(
    namespace: str | None,
    name: str | None,
    type: str | None,  # noqa: A002 - kopf's name; None: seen in a list
    meta: Any,
    memo: Memo,
    **_: Any,
) -> None:
    """Report a platform's version, and a change of more than its status or other metadata.

    kopf orders the events of a uid only. So of a platform that was deleted and recreated at once,
    the last ones may come after the first ones of the new platform.
    """
    key, trigger = Key(str(namespace), str(name)), _trigger(meta)
    known = memo.triggers.get(key)
    if type in ("MODIFIED", "DELETED") and known and known.uid != trigger.uid:
        return
    memo.on_version(key, None if type == "DELETED" else str(meta["resourceVersion"]))
    if type == "DELETED":
        memo.triggers.pop(key, None)
    else:
        memo.triggers[key] = trigger
    if type in (None, "DELETED") or trigger.is_news(known):
        memo.on_change(key)


def _trigger(metadata: Any) -> Trigger:
    annotations = metadata.get("annotations") or {}
    return Trigger(
        uid=str(metadata["uid"]),
        generation=int(metadata.get("generation", 0)),
        is_deleted="deletionTimestamp" in metadata,
        has_status=any(
            each.get("subresource") == "status" and each.get("manager") == keys.FIELD_MANAGER
            for each in metadata.get("managedFields", ())
        ),
        annotations=tuple(str(annotations.get(key, "")) for key in keys.USER_ANNOTATIONS),
    )


class PlatformWatch:
    """kopf's watch of all platforms. ``ready`` is set once it runs."""

    def __init__(
        self,
        client: KubeClient,
        namespaces: Collection[str],
        on_change: OnChange,
        on_version: OnVersion,
        options: WatchOptions | None = None,
    ) -> None:
        """``namespaces`` empty: all of them."""
        self._client = client
        self._namespaces = sorted(namespaces)
        self._memo = Memo(client, on_change, on_version, options or WatchOptions())
        self._stop = asyncio.Event()
        self.ready = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Watch until ``stop_watching``. SIGTERM and SIGINT set ``stop``, for the process to act.

        kopf ends when the resource is not served any more, as after a deletion of its CRD, and on
        other errors of the API server. It is started again once the resource is served.
        """
        _configure_logging()
        backoff, loop = WatchBackoff(), asyncio.get_running_loop()
        loop.set_exception_handler(_on_loop_error)
        while not self._stop.is_set():
            began = loop.time()
            try:
                await self._run_kopf(stop)
            except Exception as error:  # noqa: BLE001 - kopf's errors have no public base class
                log.warning("watch %s: %s; retrying", keys.PLURAL, _first_line(error))
            if self._stop.is_set():
                return
            self.ready.clear()
            set_on_signals(stop)
            await _wait(self._stop, backoff.after(loop.time() - began))
            await self.wait_for_crd(self._stop)

    async def _run_kopf(self, stop: asyncio.Event) -> None:
        """Run kopf until it ends.

        It installs signal handlers of its own when it starts, and they would cancel
        reconciliations under way; so ours are installed again once it runs.
        """
        restore = asyncio.create_task(self._restore_signals(stop))
        try:
            await kopf.operator(
                registry=registry,
                memo=self._memo,
                identity=cast("Any", keys.FIELD_MANAGER),
                standalone=True,
                clusterwide=not self._namespaces,
                namespaces=self._namespaces,
                ready_flag=self.ready,
                stop_flag=self._stop,
            )
        finally:
            restore.cancel()

    def is_current(self) -> bool:
        """Whether what was reported last is up to date, as far as is known."""
        return self._memo.options.is_current()

    def stop_watching(self) -> None:
        """Let ``run`` end."""
        self._stop.set()

    async def _restore_signals(self, stop: asyncio.Event) -> None:
        await self.ready.wait()
        set_on_signals(stop)

    async def wait_for_crd(self, stop: asyncio.Event) -> None:
        """Wait until the API server serves platforms, or until ``stop``: kopf looks only once."""
        logged = False
        while not stop.is_set():
            pause = _CRD_POLL_SECONDS
            try:
                for namespace in self._namespaces or (None,):
                    with contextlib.suppress(TooDeepError):  # so they are served
                        await self._client.list_page(
                            PLATFORMS, namespace, limit=1, accept=METADATA_LIST
                        )
                return
            except NotFoundError:
                if not logged:
                    log.warning(
                        "CustomResourceDefinition %s.%s not found; waiting until it is installed",
                        keys.PLURAL,
                        keys.GROUP,
                    )
            except ApiError as error:
                log.warning("listing %s failed: %s; retrying", keys.PLURAL, error)
                pause = max(pause, error.retry_after or 0.0)
            logged = True
            await _wait(stop, pause)


def _on_loop_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log errors of tasks that nobody awaits; those of kopf's requests end it, and are reported."""
    if not type(context.get("exception")).__module__.startswith("kopf."):
        loop.default_exception_handler(context)


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    """Wait, but not longer than until ``stop`` is set."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0] or type(error).__name__


def _configure_logging() -> None:
    """Silence what kopf reports of itself; why it ended is reported here, in one line."""
    for name in ("kopf", "kopf.objects", "kopf.activities"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in logging.root.manager.loggerDict:
        if name.startswith("kopf._"):
            logging.getLogger(name).setLevel(logging.CRITICAL)


def set_on_signals(stop: asyncio.Event) -> None:
    """Set ``stop`` on SIGTERM and SIGINT from now on."""
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
