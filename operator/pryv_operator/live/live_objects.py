"""The live objects of a platform, as the API server holds them. Reads only.

They are read for each reconciliation and not cached.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.platform import Platform
from pryv_operator.kube.client import METADATA_LIST, KubeClient
from pryv_operator.kube.errors import NotFoundError
from pryv_operator.kube.resources import (
    CERTIFICATES,
    CONFIG_MAPS,
    CONTROLLER_REVISIONS,
    CORE_EVENTS,
    DEPLOYMENTS,
    NETWORK_POLICIES,
    PODS,
    PVCS,
    REPLICA_SETS,
    SECRETS,
    SERVICES,
    STATEFUL_SETS,
    Resource,
)

_HISTORY: Final = "history"
#: Kinds the operator writes.
WRITTEN: Final = (
    SERVICES,
    PVCS,
    CONFIG_MAPS,
    SECRETS,
    NETWORK_POLICIES,
    DEPLOYMENTS,
    STATEFUL_SETS,
)


@dataclass(frozen=True)
class LiveObjects:
    """The live objects of one platform that the operator has written, by (kind, name)."""

    objects: Mapping[tuple[str, str], Object] = field(repr=False)

    def of_kind(self, kind: str) -> Iterator[Object]:
        """All objects of one kind."""
        return (item for (found, _), item in self.objects.items() if found == kind)

    def get(self, kind: str, name: str) -> Object | None:
        """One object, or None."""
        return self.objects.get((kind, name))

    def with_objects(self, changed: Iterable[Object]) -> LiveObjects:
        """The same, with these objects added or in place of their older versions."""
        return LiveObjects(
            {**self.objects, **{(item["kind"], item["metadata"]["name"]): item for item in changed}}
        )

    def without(self, removed: Iterable[tuple[str, str]]) -> LiveObjects:
        """The same without some objects, by (kind, name)."""
        gone = set(removed)
        return LiveObjects({key: item for key, item in self.objects.items() if key not in gone})


def selector(platform: Platform) -> str:
    """The label selector of all objects that the operator has written for a platform."""
    return f"{keys.MANAGED_BY}={keys.FIELD_MANAGER},{keys.PLATFORM}={platform.name}"


async def list_live_objects(client: KubeClient, platform: Platform) -> LiveObjects:
    """Everything the operator has written for a platform."""
    lists = await asyncio.gather(
        *(client.list(each, platform.namespace, labels=selector(platform)) for each in WRITTEN)
    )
    try:
        certificates = await client.list(
            CERTIFICATES, platform.namespace, labels=selector(platform)
        )
    except NotFoundError:
        certificates = []  # cert-manager is not installed
    found = [item for listed in (*lists, certificates) for item in listed]
    return LiveObjects({(item["kind"], item["metadata"]["name"]): item for item in found})


async def list_pods(client: KubeClient, platform: Platform) -> list[Object]:
    """The platform's pods."""
    return await client.list(PODS, platform.namespace, labels=selector(platform))


async def list_warning_events(client: KubeClient, platform: Platform) -> list[Object]:
    """Warning events of the namespace: why pods cannot be created, scheduled or started."""
    return await client.list(CORE_EVENTS, platform.namespace, fields="type=Warning")


async def list_pod_template_holders(client: KubeClient, platform: Platform) -> list[Object]:
    """Everything that holds a pod template of the platform.

    Configuration that one of them names must not be deleted.
    """
    kinds = (DEPLOYMENTS, STATEFUL_SETS, REPLICA_SETS, PODS)
    labelled = selector(platform)
    # The ControllerRevisions of a StatefulSet carry the labels of its selector, not those of its
    # metadata. The operator's own revisions are read elsewhere.
    labels = f"{keys.PLATFORM}={platform.name},{keys.PURPOSE}!={_HISTORY}"
    stateful = client.list(CONTROLLER_REVISIONS, platform.namespace, labels=labels)
    lists = await asyncio.gather(
        stateful, *(client.list(each, platform.namespace, labels=labelled) for each in kinds)
    )
    return [item for listed in lists for item in listed]


async def list_revision_metadata(client: KubeClient, platform: Platform) -> list[Object]:
    """The ControllerRevisions of the platform's revision history, without their data."""
    labels = f"{selector(platform)},{keys.PURPOSE}={_HISTORY}"
    items = await _list_metadata(client, platform, CONTROLLER_REVISIONS, labels)
    identity = {
        "apiVersion": CONTROLLER_REVISIONS.api_version,
        "kind": CONTROLLER_REVISIONS.kind,
    }
    return [{**item, **identity} for item in items]


async def list_metadata_by_name(
    client: KubeClient, platform: Platform, resource: Resource
) -> dict[str, Object]:
    """Name → metadata of all objects of a kind in the namespace, of any owner."""
    items = await _list_metadata(client, platform, resource)
    return {item["metadata"]["name"]: item["metadata"] for item in items}


async def _list_metadata(
    client: KubeClient, platform: Platform, resource: Resource, labels: str | None = None
) -> list[Object]:
    found: list[Object] = []
    token: str | None = None
    while True:
        page = await client.list_page(
            resource, platform.namespace, labels=labels, token=token, accept=METADATA_LIST
        )
        found += page["items"]
        token = page["metadata"].get("continue")
        if not token:
            return found
