"""Reads the events of a platform, for ``kubectl-pryv events``."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Final

from pryv_operator.api import names
from pryv_operator.api.kubernetes import Object
from pryv_operator.cli.cluster import Cluster
from pryv_operator.cli.views.events import EventList, belonging, platform_events
from pryv_operator.kube.client import METADATA_LIST
from pryv_operator.kube.errors import RejectedError
from pryv_operator.kube.resources import (
    DEPLOYMENTS,
    EVENTS,
    PODS,
    PVCS,
    SERVICES,
    STATEFUL_SETS,
    Resource,
)

#: What belongs to a platform and has events that help.
_KINDS: Final = (DEPLOYMENTS, STATEFUL_SETS, PODS, PVCS, SERVICES)


async def read_events(cluster: Cluster, name: str, event_type: str | None) -> EventList:
    """The events of a platform and of what belongs to it. ``event_type`` None: of all types."""
    await cluster.read_platform(name)
    listed = await asyncio.gather(*(_names(cluster, name, each) for each in _KINDS))
    objects = belonging(
        name, {each.kind: items for each, items in zip(_KINDS, listed, strict=True)}
    )
    fields = f"type={event_type}" if event_type else None
    events = await cluster.client.list(EVENTS, cluster.namespace, fields=fields)
    return platform_events(events, objects, dt.datetime.now(dt.UTC))


async def _names(cluster: Cluster, platform: str, resource: Resource) -> list[Object]:
    """The metadata of objects; those that the user may not list have no events here."""
    labels = ",".join(f"{key}={value}" for key, value in names.platform_labels(platform).items())
    try:
        return await cluster.client.list_reduced(
            resource, cluster.namespace, lambda item: item, labels=labels, accept=METADATA_LIST
        )
    except RejectedError:
        return []
