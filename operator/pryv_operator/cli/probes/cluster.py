"""Reads from the cluster what checks judge; what the user may not read is None."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names
from pryv_operator.api.kubernetes import Object
from pryv_operator.cli.cluster import Cluster
from pryv_operator.kube.client import METADATA_LIST, KubeClient
from pryv_operator.kube.errors import NotFoundError, RejectedError
from pryv_operator.kube.resources import (
    CUSTOM_RESOURCES,
    DAEMON_SETS,
    DEPLOYMENTS,
    LEASES,
    PODS,
    PVCS,
    SECRETS,
    STORAGE_CLASSES,
    Resource,
)
from pryv_operator.kube.shards import lease_name, shards_of_holder

T = TypeVar("T")

_CRD: Final = f"{keys.PLURAL}.{keys.GROUP}"
_NAMED: Final = f"metadata.name={keys.FIELD_MANAGER}"
_OPERATOR: Final = f"{keys.APP_NAME}=pryv-operator"
_PULL_KEY: Final = ".dockerconfigjson"


@dataclass(frozen=True)
class ClusterFacts:
    """What of a cluster is checked. None: it may not be read."""

    version: Object = field(repr=False)
    crd: Object | None = field(repr=False)
    crd_readable: bool
    leases: Sequence[Object] | None = field(repr=False)
    deployments: Sequence[Object] | None = field(repr=False)
    daemon_sets: Sequence[str] | None
    storage_classes: Sequence[Object] | None = field(repr=False)
    pods: Sequence[Object] = field(repr=False)
    bound: Mapping[str, str | None]


async def read_cluster(cluster: Cluster, platform: str | None) -> ClusterFacts:
    """Read it all. ``platform`` None: it does not exist yet, so it has no pods and PVCs."""
    client, namespace = cluster.client, cluster.namespace
    labels = _selector(platform) if platform else ""

    async def of_platform(resource: Resource) -> list[Object]:
        if not platform:
            return []
        return await _allowed(client.list(resource, namespace, labels=labels)) or []

    async def crd() -> tuple[Object | None, bool]:
        try:
            return await client.get(CUSTOM_RESOURCES, "", _CRD), True
        except RejectedError:
            return None, False

    found, readable = await crd()
    pvcs = await of_platform(PVCS)
    return ClusterFacts(
        version=await client.read_version(),
        crd=found,
        crd_readable=readable,
        leases=await _allowed(_leases(client, namespace)),
        deployments=await _allowed(client.list(DEPLOYMENTS, None, labels=_OPERATOR)),
        daemon_sets=await _allowed(
            client.list_reduced(
                DAEMON_SETS, None, lambda item: str(item["metadata"]["name"]), accept=METADATA_LIST
            )
        ),
        storage_classes=await _allowed(client.list(STORAGE_CLASSES, None)),
        pods=await of_platform(PODS),
        bound={
            item["metadata"]["name"]: item["spec"].get("storageClassName")
            for item in pvcs
            if (item.get("status") or {}).get("phase") == "Bound"
        },
    )


async def _leases(client: KubeClient, namespace: str) -> list[Object]:
    """The Leases of operators; with sharding, that of the shard of a namespace."""
    return [
        await _lease_of_shard(client, each, namespace)
        for each in await client.list(LEASES, None, fields=_NAMED)
    ]


async def _lease_of_shard(client: KubeClient, lease: Object, namespace: str) -> Object:
    shards = shards_of_holder((lease.get("spec") or {}).get("holderIdentity") or "")
    if shards is None:
        return lease
    metadata = lease["metadata"]
    name = lease_name(metadata["name"], shards.of(namespace))
    return await client.get(LEASES, metadata["namespace"], name) or {"metadata": metadata}


async def read_secrets(cluster: Cluster, wanted: Iterable[str]) -> dict[str, Object | str | None]:
    """Name → the Secret; None: it does not exist; a text: why it may not be read."""

    async def read(name: str) -> Object | str | None:
        try:
            return await cluster.client.get(SECRETS, cluster.namespace, name)
        except RejectedError:
            return f'you may not read Secret "{name}"'

    ordered = sorted(set(wanted))
    return dict(zip(ordered, await asyncio.gather(*map(read, ordered)), strict=True))


def pull_config(secret: Object) -> Mapping[str, Any]:
    """The logins in a pull Secret; empty if it cannot be read as such."""
    try:
        found = json.loads(base64.b64decode((secret.get("data") or {}).get(_PULL_KEY, "")))
    except ValueError:
        return {}
    return found if isinstance(found, Mapping) else {}


async def _allowed(request: Awaitable[T]) -> T | None:
    """The result of a request; None: it is refused, or the resource is unknown."""
    try:
        return await request
    except (RejectedError, NotFoundError):
        return None


def _selector(platform: str) -> str:
    return ",".join(f"{key}={value}" for key, value in names.platform_labels(platform).items())
