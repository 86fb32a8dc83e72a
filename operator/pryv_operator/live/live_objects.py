"""What is there of a platform: its objects by kind, read from the API server for each pass, kept no longer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
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
    """Our objects of one platform, by (kind, name)."""

    objects: Mapping[tuple[str, str], Object]

    def of_kind(self, kind: str) -> Iterator[Object]:
        """All of one kind."""
        return (item for (found, _), item in self.objects.items() if found == kind)

    def get(self, kind: str, name: str) -> Object | None:
        """One object."""
        return self.objects.get((kind, name))

    def with_objects(self, changed: Iterable[Object]) -> LiveObjects:
        """The same with newer objects in place of what they were."""
        return LiveObjects(
            {**self.objects, **{(item["kind"], item["metadata"]["name"]): item for item in changed}}
        )


def selector(platform: Platform) -> str:
    """What our objects of a platform are selected by."""
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
    """Warnings of the namespace: why pods cannot be made, scheduled or started."""
    return await client.list(CORE_EVENTS, platform.namespace, fields="type=Warning")


async def list_pod_template_holders(client: KubeClient, platform: Platform) -> list[Object]:
    """Everything that holds one of the platform's pod templates: what it names must not be removed."""
    kinds = (DEPLOYMENTS, STATEFUL_SETS, REPLICA_SETS, PODS)
    labelled = selector(platform)
    # A StatefulSet's revisions carry the labels of its selector, not those of its metadata; our own history is read elsewhere.
    labels = f"{keys.PLATFORM}={platform.name},{keys.PURPOSE}!={_HISTORY}"
    stateful = client.list(CONTROLLER_REVISIONS, platform.namespace, labels=labels)
    lists = await asyncio.gather(
        stateful, *(client.list(each, platform.namespace, labels=labelled) for each in kinds)
    )
    return [item for listed in lists for item in listed]


async def list_revision_metadata(client: KubeClient, platform: Platform) -> list[Object]:
    """Metadata of the platform's history."""
    found: list[Object] = []
    token: str | None = None
    while True:
        page = await client.list_page(
            CONTROLLER_REVISIONS,
            platform.namespace,
            labels=f"{selector(platform)},{keys.PURPOSE}={_HISTORY}",
            token=token,
            accept=METADATA_LIST,
        )
        found += [
            {
                **item,
                "apiVersion": CONTROLLER_REVISIONS.api_version,
                "kind": CONTROLLER_REVISIONS.kind,
            }
            for item in page["items"]
        ]
        token = page["metadata"].get("continue")
        if not token:
            return found


async def list_metadata_by_name(
    client: KubeClient, platform: Platform, resource: Resource
) -> dict[str, Object]:
    """Metadata of all objects of a kind in the namespace, ours and others', by name."""
    found: dict[str, Object] = {}
    token: str | None = None
    while True:
        page = await client.list_page(
            resource, platform.namespace, token=token, accept=METADATA_LIST
        )
        found |= {item["metadata"]["name"]: item["metadata"] for item in page["items"]}
        token = page["metadata"].get("continue")
        if not token:
            return found
