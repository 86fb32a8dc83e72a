"""An API server that holds one platform's status and the Secrets of its namespace."""

from __future__ import annotations

import asyncio
import copy
import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from itertools import count
from typing import Any

from pryv_operator.api import names
from pryv_operator.api.kubernetes import Object
from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.errors import ConflictError
from pryv_operator.kube.resources import SECRETS, Resource
from pryv_operator.reconcile.computation import UnlimitedComputation
from pryv_operator.reconcile.create_once import create_secrets, plan_creations
from pryv_operator.reconcile.ensure_authority import (
    EnsuredAuthority,
    read_authority,
    required_authority,
)
from pryv_operator.reconcile.ensure_secrets import (
    EnsuredSecrets,
    read_secrets,
    required_secrets,
)
from pryv_operator.reconcile.snapshot import Snapshot, read_snapshot
from pryv_operator.templates.builtin import load_release
from tests.unit.builders import UID, platform

#: Host names of the built-in templates are not resolved: there is nothing to resolve them for.
BUNDLE = replace(load_release(), roles={})
NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
PLATFORM = platform()


class KilledError(Exception):
    """The operator is killed after a write."""


class Cluster:
    """Everything that the operator reads and writes to have its Secrets.

    ``writes``: after so many writes the operator is killed. ``read``: names of the Secrets whose
    data it has read.
    """

    def __init__(self, status: Object | None = None, *secrets: Object) -> None:
        self._numbers = count(1)
        self.resource: Object = {
            "apiVersion": "pryv.io/v1alpha1",
            "kind": "PryvPlatform",
            "metadata": {
                "name": "acme", "namespace": "pryv", "uid": UID, "resourceVersion": "0",
                "annotations": {},
            },
            **({"status": status} if status is not None else {}),
        }  # fmt: skip
        self.secrets: dict[str, Object] = {}
        for secret in secrets:
            self.plant(secret)
        self.writes: int | None = None
        self.now = NOW
        #: What it was before the first write and after each.
        self.states: list[tuple[Object, dict[str, Object]]] = []
        self.read: set[str] = set()
        self.events: list[Object] = []
        #: So many objects a list without a selector holds at most.
        self.page = 100
        self.one_at_a_time = asyncio.Lock()

    def plant(self, secret: Object) -> None:
        """Create a Secret as a client that may choose everything but the uid."""
        metadata = {**secret["metadata"], "uid": f"uid-{next(self._numbers)}"}
        self.secrets[metadata["name"]] = {**secret, "metadata": metadata}

    def adopt(self, value: str) -> None:
        """Set the annotation that asks to take over what exists."""
        self.resource["metadata"]["annotations"]["pryv.io/adopt"] = value

    async def get(self, resource: Resource, _: str, name: str, *, accept: str = "") -> Any:
        if resource != SECRETS or name not in self.secrets:
            return None
        found = copy.deepcopy(self.secrets[name])
        if "PartialObjectMetadata" in accept:
            return {"metadata": found["metadata"]}
        self.read.add(name)
        return found

    list_reduced = KubeClient.list_reduced
    list_versioned = KubeClient.list_versioned

    async def list_page(
        self, resource: Resource, _: str, *, labels: str = "", accept: str = "", **__: Any
    ) -> Object:
        if resource != SECRETS:
            return {"items": [], "metadata": {}}
        wanted = dict(each.split("=") for each in labels.split(",")) if labels else {}
        found = [
            copy.deepcopy(item)
            for item in self.secrets.values()
            if wanted.items() <= item["metadata"].get("labels", {}).items()
        ]
        if "PartialObjectMetadata" in accept:
            found = [{"metadata": item["metadata"]} for item in found]
        else:
            self.read |= {item["metadata"]["name"] for item in found}
        if not labels and len(found) > self.page:
            return {"items": found[: self.page], "metadata": {"continue": "more"}}
        return {"items": found, "metadata": {}}

    async def create(self, item: Object) -> Object:
        if item["kind"] == "Event":
            self.events.append(item)
            return item
        name = item["metadata"]["name"]
        if name in self.secrets:
            raise ConflictError(409, "AlreadyExists", name)
        self.plant({**item, "metadata": item["metadata"] | {"managedFields": MANAGED}})
        self._written()
        return copy.deepcopy(self.secrets[name])

    async def patch_labels(self, item: Object, labels: Mapping[str, str]) -> Object:
        metadata = self.secrets[item["metadata"]["name"]]["metadata"]
        metadata["labels"] = {**metadata.get("labels", {}), **labels}
        self._written()
        return copy.deepcopy(self.secrets[metadata["name"]])

    async def apply_status(self, item: Object) -> Object:
        metadata = self.resource["metadata"]
        if item["metadata"]["resourceVersion"] != metadata["resourceVersion"]:
            raise ConflictError(409, "Conflict", "changed")
        metadata["resourceVersion"] = str(next(self._numbers))
        self.resource["status"] = item["status"]
        self._written()
        return copy.deepcopy(self.resource)

    def at(self, state: int) -> Cluster:
        """As it was after a write."""
        earlier = Cluster()
        earlier.resource, earlier.secrets = copy.deepcopy(self.states[state])
        return earlier

    def _written(self) -> None:
        self.states.append(copy.deepcopy((self.resource, self.secrets)))
        if self.writes is not None:
            self.writes -= 1
            if self.writes == 0:
                self.writes = None
                raise KilledError


MANAGED = [{"manager": "pryv-operator", "operation": "Update"}]


async def reconcile(
    cluster: Cluster, stale: Snapshot | None = None
) -> tuple[EnsuredSecrets, EnsuredAuthority]:
    """What a reconciliation does until it has its Secrets, and its status at the end.

    ``stale``: what an earlier read has found.
    """
    client: Any = cluster
    snapshot = stale or await take(cluster)
    required = [*required_secrets(snapshot), *await required_authority(client, snapshot)]
    planned = await plan_creations(client, snapshot, required)
    if planned.missing:
        written = await write_ownership(cluster, snapshot.resource, planned.records)
        snapshot = replace(snapshot, resource=written, records=planned.records)
    live, records = await create_secrets(client, snapshot, planned)
    secrets, authority = read_secrets(snapshot, live), read_authority(snapshot, live)
    if records.ownership != snapshot.status.ownership:
        await write_ownership(cluster, snapshot.resource, records)
    return secrets, authority


async def take(cluster: Cluster) -> Snapshot:
    """Read the cluster."""
    client: Any = cluster
    return await read_snapshot(
        client,
        UnlimitedComputation(),
        copy.deepcopy(cluster.resource),
        PLATFORM,
        BUNDLE,
        cluster.now,
    )


async def write_ownership(cluster: Cluster, resource: Object, records: Any) -> Object:
    """Write the records into the status."""
    ownership = records.ownership.model_dump(by_alias=True, exclude_none=True, mode="json")
    status = {**(resource.get("status") or {}), "ownership": ownership}
    return await cluster.apply_status({**resource, "status": status})


def secret(name: str, purpose: str, data: Mapping[str, str] | None = None, **more: Any) -> Object:
    """A Secret with everything of the operator's that others can copy."""
    metadata = {
        "name": name,
        "namespace": "pryv",
        "labels": names.platform_labels("acme") | {"pryv.io/purpose": purpose},
        "managedFields": MANAGED,
        **more,
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "immutable": True,
        "metadata": metadata,
        "data": dict(data or {"value": "cGxhbnRlZA=="}),
    }
