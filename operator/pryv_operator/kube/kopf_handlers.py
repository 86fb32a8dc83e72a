"""Everything that is kopf's: settings, login, the event handler, signals.

What kopf does not do here, and why (measured with kopf 1.45, see ``docs/develop.md``):

- Reconciling is done from our own work queue. kopf's change handlers keep a copy of the resource in
  an annotation, which overflows; its daemons and timers add finalizers, which block a deletion
  while the operator is down. So the one handler here only puts a key into the queue.
- Owned and referenced objects are followed by our own reflector: kopf lists whole objects, Secrets
  with their data included, and makes a task for each.
- Leader election is our own Lease: kopf's peering is not a lock.
- There is no probe handler, as kopf's liveness endpoint only shows that the event loop turns (see
  ``health_endpoints``), and no cleanup handler, as the process stops its own work before kopf.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Final

import kopf

from pryv_operator.api import labels_annotations as keys
from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.errors import ApiError, NotFoundError
from pryv_operator.kube.resources import PLATFORMS
from pryv_operator.kube.transport import WATCH_SECONDS
from pryv_operator.kube.work_queue import Key

log = logging.getLogger(__name__)

registry: Final = kopf.OperatorRegistry()

_REQUEST_SECONDS: Final = 30
_CRD_POLL_SECONDS: Final = 1.0


@dataclass
class Memo:
    """What the handlers share. kopf keeps a copy for each resource as long as that exists."""

    client: KubeClient
    enqueue: Callable[[Key], None]
    #: What was last seen of the resource that asks for a reconciliation.
    trigger: tuple[object, ...] | None = None


@kopf.on.startup(registry=registry)
async def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    """Set what kopf does by itself: watch, and nothing else."""
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.watching.server_timeout = WATCH_SECONDS
    settings.watching.client_timeout = WATCH_SECONDS + 30
    settings.watching.connect_timeout = 5
    settings.networking.request_timeout = _REQUEST_SECONDS


@kopf.on.login(registry=registry)
async def login(memo: Memo, **_: Any) -> kopf.ConnectionInfo:
    """Give kopf the credentials of our own client."""
    configuration = memo.client.configuration
    token = await configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
    return kopf.ConnectionInfo(
        server=configuration.host,
        ca_path=configuration.ssl_ca_cert,
        ca_data=configuration.ca_cert_data,
        insecure=not configuration.verify_ssl,
        certificate_path=configuration.cert_file,
        private_key_path=configuration.key_file,
        scheme="Bearer" if token else None,
        token=token.split(" ", 1)[-1] if token else None,
    )


@kopf.on.event(keys.GROUP, keys.VERSION, keys.PLURAL, registry=registry)
async def enqueue_platform(
    namespace: str | None,
    name: str | None,
    type: str | None,  # noqa: A002 - kopf's name; None: seen in a list
    body: Any,
    memo: Memo,
    **_: Any,
) -> None:
    """Put the platform's key into the queue, unless only its status or other metadata changed."""
    trigger = _trigger(body)
    if type not in (None, "DELETED") and memo.trigger == trigger:
        return
    memo.trigger = trigger
    memo.enqueue(Key(str(namespace), str(name)))


def _trigger(body: Any) -> tuple[object, ...]:
    """What a reconciliation reads of the resource itself.

    That is its spec (by generation), its deletion and two annotations; of its status, only whether
    there is one: a removed status is written again.
    """
    metadata = body["metadata"]
    annotations = metadata.get("annotations") or {}
    return (
        str(metadata["uid"]),
        int(metadata.get("generation", 0)),
        "deletionTimestamp" in metadata,
        bool((body.get("status") or {}).get("conditions")),
        *(str(annotations.get(key, "")) for key in keys.USER_ANNOTATIONS),
    )


class PlatformWatch:
    """kopf's watch of all platforms. ``ready`` is set once it runs."""

    def __init__(
        self, client: KubeClient, namespaces: Collection[str], enqueue: Callable[[Key], None]
    ) -> None:
        """``namespaces`` empty: all of them."""
        self._client = client
        self._namespaces = sorted(namespaces)
        self._memo = Memo(client, enqueue)
        self._stop = asyncio.Event()
        self.ready = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Watch until ``stop_watching``. SIGTERM and SIGINT set ``stop``, for the process to act.

        kopf installs signal handlers of its own when it starts, and they would cancel
        reconciliations under way; so ours are installed again once it runs.
        """
        for name in ("kopf", "kopf.objects", "kopf.activities"):
            logging.getLogger(name).setLevel(logging.WARNING)
        restore = asyncio.create_task(self._restore_signals(stop))
        try:
            await kopf.operator(
                registry=registry,
                memo=self._memo,
                standalone=True,
                clusterwide=not self._namespaces,
                namespaces=self._namespaces,
                ready_flag=self.ready,
                stop_flag=self._stop,
            )
        finally:
            restore.cancel()

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
            try:
                for namespace in self._namespaces or (None,):
                    await self._client.list_page(PLATFORMS, namespace)
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
            logged = True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CRD_POLL_SECONDS):
                    await stop.wait()


def set_on_signals(stop: asyncio.Event) -> None:
    """Set ``stop`` on SIGTERM and SIGINT from now on."""
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
