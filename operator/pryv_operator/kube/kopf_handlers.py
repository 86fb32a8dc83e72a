"""kopf watches the platforms, and does nothing else: its handler only puts the key into our queue."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from typing import Any, Final

import kopf

from pryv_operator.api import labels_annotations as keys
from pryv_operator.kube.client import WATCH_SECONDS, KubeClient
from pryv_operator.kube.work_queue import Key

Notify = Callable[[Key], None]

_REQUEST_SECONDS: Final = 30


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.peering.standalone = True  # its peering is no lock
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.watching.server_timeout = WATCH_SECONDS
    settings.watching.client_timeout = WATCH_SECONDS + 30
    settings.watching.connect_timeout = 5
    settings.networking.request_timeout = _REQUEST_SECONDS
    return settings


async def watch_platforms(
    client: KubeClient,
    namespaces: Collection[str],
    notify: Notify,
    *,
    ready: asyncio.Event,
    stop: asyncio.Event,
) -> None:
    """Watch until stopped, or until the process is asked to end (SIGTERM, SIGINT). All namespaces when none is given."""
    registry = kopf.OperatorRegistry()
    seen: dict[Key, tuple[object, ...]] = {}

    async def moved(
        namespace: str | None,
        name: str | None,
        type: str | None,  # noqa: A002 - kopf's name
        body: Any,
        **_: Any,
    ) -> None:
        """What a pass reads of the resource itself: its spec, and that it is being deleted. Not what our status says,
        but that there is one: it remembers addresses.
        """
        key = Key(str(namespace), str(name))
        metadata = body["metadata"]
        asked = tuple(
            str((metadata.get("annotations") or {}).get(key, ""))
            for key in (keys.RESTART, keys.RECONCILE)
        )
        has_status = bool((body.get("status") or {}).get("conditions"))
        state = (
            str(metadata["uid"]),
            int(metadata.get("generation", 0)),
            "deletionTimestamp" in metadata,
            has_status,
            asked,
        )
        if type == "DELETED":
            seen.pop(key, None)
        elif type is not None and seen.get(key) == state:
            return
        else:
            seen[key] = state
        notify(key)

    async def login(**_: Any) -> kopf.ConnectionInfo:
        configuration = client.configuration
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

    kopf.on.event(keys.GROUP, keys.VERSION, keys.PLURAL, registry=registry)(moved)
    kopf.on.login(registry=registry)(login)
    for name in ("kopf", "kopf.objects", "kopf.activities"):
        logging.getLogger(name).setLevel(logging.WARNING)
    await kopf.operator(
        registry=registry,
        settings=_settings(),
        standalone=True,
        clusterwide=not namespaces,
        namespaces=sorted(namespaces),
        ready_flag=ready,
        stop_flag=stop,
    )
