"""What one reconciliation reads of a platform. Reads only."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.platform import Platform
from pryv_operator.api.status import PryvPlatformStatus
from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.resources import PVCS, SECRETS, Resource
from pryv_operator.live import live_objects
from pryv_operator.live.live_objects import LiveObjects
from pryv_operator.live.reduce import is_written_by_operator
from pryv_operator.reconcile import upstreams
from pryv_operator.reconcile.computation import Computation
from pryv_operator.reconcile.existing_pvcs import ExistingPVC, read_existing_pvcs
from pryv_operator.reconcile.other_platforms import (
    OtherPlatform,
    read_other_platforms,
    shown_platform,
)
from pryv_operator.reconcile.referenced_objects import read_referenced
from pryv_operator.reconcile.references import referenced_secrets
from pryv_operator.reconcile.secret_records import SecretRecords, SortedSecrets, sort_secrets
from pryv_operator.reconcile.stored_status import stored_status
from pryv_operator.rollout import revision_store
from pryv_operator.rollout.revision_records import RevisionRecords
from pryv_operator.rollout.revisions import Revision
from pryv_operator.templates.bundle import Bundle

#: So many Secrets, and PVCs, that nothing proves to be ours are read to be taken over.
_MOST_TAKEN_OVER: Final = 64


@dataclass(frozen=True)
class Snapshot:
    """The cluster's part of a reconciliation's inputs, all read at about the same time."""

    #: The PryvPlatform object.
    resource: Object = field(repr=False)
    platform: Platform
    bundle: Bundle
    #: The platform's objects; of Secrets that are created once, those that are proven to be ours.
    live: LiveObjects
    #: The platform's revisions, oldest first.
    history: tuple[Revision, ...]
    #: Referenced Secrets that exist, by name.
    secrets: Mapping[str, Object] = field(repr=False)
    #: Name of a referenced Secret → the other platform that it belongs to.
    others_secrets: Mapping[str, OtherPlatform]
    #: Public hosts that the templates name and the cluster's DNS does not resolve.
    unresolved: frozenset[str]
    #: When it was read.
    now: dt.datetime
    #: PVCs that ``existingClaim`` names and that exist, by name.
    existing_pvcs: Mapping[str, ExistingPVC] = field(default_factory=dict)
    #: The Secrets that the operator has created once, as the status records them.
    records: SecretRecords = field(default_factory=SecretRecords)
    #: The revisions that the operator has created, as the status records them.
    revision_records: RevisionRecords = field(default_factory=RevisionRecords)
    #: Names of Secrets that look like such ones, and are not proven to be.
    unproven: tuple[str, ...] = ()

    @property
    def status(self) -> PryvPlatformStatus:
        """The status as it was last written."""
        return stored_status(self.resource)

    @property
    def adopting(self) -> bool:
        """Whether the user has asked to take over existing Secrets, and it has not happened yet."""
        return self.annotation(keys.ADOPT) not in ("", self.records.adopted)

    def annotation(self, key: str) -> str:
        """An annotation of the PryvPlatform; empty when missing."""
        return str((self.resource["metadata"].get("annotations") or {}).get(key, ""))

    def secrets_for(self, purpose: str) -> list[Object]:
        """The platform's own Secrets of one purpose."""
        return secrets_for(self.platform, self.live, purpose)


async def read_snapshot(
    client: KubeClient,
    computation: Computation,
    resource: Object,
    platform: Platform,
    bundle: Bundle,
    now: dt.datetime,
) -> Snapshot:
    """Read everything that a platform's reconciliation depends on."""
    history, secrets = await asyncio.gather(
        revision_store.list_revisions(client, platform),
        _read_referenced_secrets(client, platform),
    )
    snapshot = Snapshot(
        resource=resource,
        platform=platform,
        bundle=bundle,
        live=LiveObjects({}),
        history=history,
        secrets=secrets,
        others_secrets=await read_other_platforms(client, platform, secrets.values()),
        unresolved=frozenset(),
        now=now,
        records=SecretRecords.of(stored_status(resource).ownership),
    )
    revision_records = RevisionRecords.of(snapshot.status)
    if snapshot.adopting:
        revision_records = revision_records.adopting(history)
    snapshot = replace(
        snapshot,
        history=revision_records.plausible(history),
        revision_records=revision_records,
    )
    labelled = await live_objects.list_live_objects(client, platform, partial(_needed, snapshot))
    labelled = labelled.with_objects(await _read_unproven(client, snapshot, labelled))
    created = await _read_created_secrets(client, snapshot, labelled)
    live = labelled.only(partial(_is_own, snapshot)).with_objects(created.ours)
    return replace(
        snapshot,
        live=live,
        existing_pvcs=await read_existing_pvcs(client, platform, live),
        unresolved=await upstreams.unresolved_hosts(
            await computation.run(platform, upstreams.public_hosts, bundle), live
        ),
        unproven=created.others,
    )


def _needed(snapshot: Snapshot, kind: str, name: str) -> bool:
    """Whether the data of a ConfigMap or Secret count, by its name."""
    if kind == "Secret" and names.secret_purpose(snapshot.platform.name, name):
        return name in snapshot.records.entries
    return any((kind, name) in revision.references for revision in snapshot.history)


def _is_own(snapshot: Snapshot, item: Object) -> bool:
    """Whether the operator has written an object with the platform's labels.

    Secrets that are created once are recorded. PVCs of an earlier platform are adopted with them.
    """
    if item["kind"] == "Secret" and names.secret_purpose(
        snapshot.platform.name, item["metadata"]["name"]
    ):
        return False
    adopted = (
        item["kind"] == "PersistentVolumeClaim"
        and snapshot.adopting
        and "spec" in item
        and not shown_platform(item, snapshot.platform)
    )
    return adopted or is_written_by_operator(item["metadata"])


async def _read_unproven(
    client: KubeClient, snapshot: Snapshot, labelled: LiveObjects
) -> list[Object]:
    """Objects that may be taken over, with their data: at an adoption, or at an upgrade.

    The oldest ones: their number is others' choice. Secrets that the platform needs are found by
    their names, too.
    """
    read: list[Object] = []
    for resource in _taken_over(snapshot):
        unread = [
            item["metadata"]
            for item in labelled.of_kind(resource.kind)
            if not item.keys() & {"data", "spec"} and _may_be_taken_over(snapshot, item)
        ]
        unread.sort(key=lambda each: (each.get("creationTimestamp", ""), each["name"]))
        oldest = [each["name"] for each in unread[:_MOST_TAKEN_OVER]]
        read += (
            await live_objects.read_by_name(client, snapshot.platform, resource, oldest)
        ).values()
    return read


def _taken_over(snapshot: Snapshot) -> tuple[Resource, ...]:
    """Kinds of which others' objects may become the operator's."""
    if snapshot.adopting:
        return SECRETS, PVCS
    status = snapshot.status
    upgraded = status.ownership is None and status != PryvPlatformStatus()
    return (SECRETS,) if upgraded else ()


def _may_be_taken_over(snapshot: Snapshot, item: Object) -> bool:
    name = item["metadata"]["name"]
    return item["kind"] != "Secret" or bool(names.secret_purpose(snapshot.platform.name, name))


async def _read_created_secrets(
    client: KubeClient, snapshot: Snapshot, labelled: LiveObjects
) -> SortedSecrets:
    """The Secrets that are created once: those with the platform's labels, and those recorded."""
    platform = snapshot.platform
    unlisted = [name for name in snapshot.records.entries if labelled.get("Secret", name) is None]
    read = await asyncio.gather(
        *(client.get(SECRETS, platform.namespace, name) for name in unlisted)
    )
    found = [*labelled.of_kind("Secret"), *(item for item in read if item is not None)]
    offered = [item for item in found if snapshot.adopting and "data" in item]
    return sort_secrets(
        found,
        platform,
        snapshot.status,
        snapshot.records,
        adopted={item["metadata"]["name"] for item in offered}
        - (await read_other_platforms(client, platform, offered)).keys(),
    )


def secrets_for(platform: Platform, live: LiveObjects, purpose: str) -> list[Object]:
    """The platform's own Secrets of one purpose.

    Those that are created once have it in their name; configuration has it in a label.
    """
    return [
        item
        for item in live.of_kind("Secret")
        if purpose
        == (
            names.secret_purpose(platform.name, item["metadata"]["name"])
            or (item["metadata"].get("labels") or {}).get(keys.PURPOSE)
        )
    ]


async def _read_referenced_secrets(client: KubeClient, platform: Platform) -> dict[str, Object]:
    references = [("Secret", name) for name in referenced_secrets(platform)]
    found = await read_referenced(client, platform.namespace, references)
    return {name: item for (_, name), item in found.items()}
