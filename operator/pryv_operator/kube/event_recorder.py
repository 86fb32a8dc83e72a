"""Creates events (events.k8s.io/v1) about an object."""

from __future__ import annotations

import datetime as dt
import logging
import secrets
import socket
from typing import Final, Literal

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.kubernetes import Object
from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.errors import ApiError

log = logging.getLogger(__name__)

#: Characters that the API server accepts in a note.
MAX_NOTE: Final = 1000


async def create_event(
    client: KubeClient,
    regarding: Object,
    *,
    kind: Literal["Normal", "Warning"],
    reason: str,
    action: str,
    note: str,
) -> None:
    """Create an event; a failure is logged and affects nothing else."""
    metadata = regarding["metadata"]
    event: Object = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {
            "name": f"{metadata['name'][:200]}.{secrets.token_hex(8)}",
            "namespace": metadata["namespace"],
        },
        "eventTime": f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
        "reportingController": f"{keys.GROUP}/{keys.FIELD_MANAGER}",
        "reportingInstance": socket.gethostname()[:128] or keys.FIELD_MANAGER,
        "action": action,
        "reason": reason,
        "type": kind,
        "note": note if len(note) <= MAX_NOTE else note[: MAX_NOTE - 1] + "…",
        "regarding": {
            "apiVersion": regarding["apiVersion"],
            "kind": regarding["kind"],
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
        },
    }
    try:
        await client.create(event)
    except ApiError as error:
        log.warning(
            "%s/%s: creating event %s failed: %s",
            metadata["namespace"],
            metadata["name"],
            reason,
            error,
        )
