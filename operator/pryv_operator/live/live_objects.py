"""The live objects of a platform, as the API server holds them. Reads only.

They are read for each reconciliation and not cached.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.platform import Platform
from pryv_operator.kube.client import METADATA, METADATA_LIST, KubeClient
from pryv_operator.kube.errors import ConflictError, NotFoundError
from pryv_operator.kube.resources import (
    CERTIFICATES,
    CONFIG_MAPS,
    CONTROLLER_REVISIONS,
    CORE_EVENTS,
    DEPLOYMENTS,
    NETWORK_POLICIES,
    PLATFORMS,
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
#: Kinds of WRITTEN whose data may be large.
_CONFIGURATION: Final = (CONFIG_MAPS, SECRETS)
#: So many objects that nothing refers to are read with the others: what a change leaves behind.
_UNEXPECTED: Final = 20
_CONCURRENT_READS: Final = 8


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

    def only(self, wanted: Callable[[Object], bool]) -> LiveObjects:
        """The same without the objects that are not wanted."""
        return LiveObjects({key: item for key, item in self.objects.items() if wanted(item)})


def selector(platform: Platform) -> str:
    """The label selector of all objects that the operator has written for a platform."""
    return f"{keys.MANAGED_BY}={keys.FIELD_MANAGER},{keys.PLATFORM}={platform.name}"


def is_written_by_operator(metadata: Object) -> bool:
    """Whether the operator has created or applied an object, by its managed fields.

    Labels, annotations and owner references do not show it: other controllers copy them.
    """
    return any(
        entry.get("manager") == keys.FIELD_MANAGER and not entry.get("subresource")
        for entry in metadata.get("managedFields") or ()
    )


async def list_live_objects(
    client: KubeClient, platform: Platform, is_needed: Callable[[str, str], bool]
) -> LiveObjects:
    """Everything that carries the platform's labels, written by the operator or not.

    Of ConfigMaps and Secrets metadata are listed first: everyone who may create them can add any
    number with copied labels. When there are more than expected, only the data of those that are
    needed (by kind and name) are read; of others the metadata are all that is returned.
    """
    lists = await asyncio.gather(
        *(
            _list_bounded(client, platform, each, is_needed)
            if each in _CONFIGURATION
            else client.list(each, platform.namespace, labels=selector(platform))
            for each in WRITTEN
        )
    )
    try:
        certificates = await client.list(
            CERTIFICATES, platform.namespace, labels=selector(platform)
        )
    except NotFoundError:
        certificates = []  # cert-manager is not installed
    found = [item for listed in (*lists, certificates) for item in listed]
    return LiveObjects({(item["kind"], item["metadata"]["name"]): item for item in found})


async def _list_bounded(
    client: KubeClient,
    platform: Platform,
    resource: Resource,
    is_needed: Callable[[str, str], bool],
) -> list[Object]:
    """All objects of a kind with the platform's labels; some of them without data."""
    labels = selector(platform)
    identity = {"apiVersion": resource.api_version, "kind": resource.kind}
    listed = await _list_metadata(client, platform, resource, labels)
    by_name = {item["metadata"]["name"]: {**item, **identity} for item in listed}
    known = [name for name in by_name if is_needed(resource.kind, name)]
    limit = len(known) + _UNEXPECTED
    if len(listed) <= limit:
        page = await client.list_page(resource, platform.namespace, labels=labels, limit=limit)
        if not page["metadata"].get("continue"):
            return [{**identity, **item} for item in page["items"]]
    slots = asyncio.Semaphore(_CONCURRENT_READS)

    async def read(name: str) -> Object | None:
        async with slots:
            return await client.get(resource, platform.namespace, name)

    found = await asyncio.gather(*map(read, known))
    data = {item["metadata"]["name"]: item for item in found if item is not None}
    return [{**item, **data.get(name, {})} for name, item in by_name.items()]


async def check_platform_exists(client: KubeClient, platform: Platform) -> None:
    """Ask before a missing object is created: the garbage collector may have deleted it.

    It deletes objects of a platform that is gone already, so an answer from after they were found
    missing tells.

    Raises:
        ConflictError: the platform was deleted, or recreated, since it was read.
    """
    resource = await client.get(PLATFORMS, platform.namespace, platform.name, accept=METADATA)
    metadata = resource["metadata"] if resource else {}
    if metadata.get("uid") != platform.uid or metadata.get("deletionTimestamp"):
        raise ConflictError(409, "Conflict", f'PryvPlatform "{platform.name}" was deleted')


async def list_pods(client: KubeClient, platform: Platform) -> list[Object]:
    """The platform's pods."""
    return await client.list(PODS, platform.namespace, labels=selector(platform))


async def list_pod_metadata(client: KubeClient, platform: Platform) -> list[Object]:
    """The metadata of the platform's pods."""
    return await _list_metadata(client, platform, PODS, selector(platform))


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
