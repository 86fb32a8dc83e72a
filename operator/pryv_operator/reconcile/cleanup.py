"""Deletes the platform's objects that nothing needs any more: the last step of a rollout."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.kubernetes import WORKLOAD_KINDS, Object
from pryv_operator.api.platform import Platform
from pryv_operator.desired.state import Desired
from pryv_operator.kube.client import KubeClient
from pryv_operator.live import live_objects
from pryv_operator.live.pod_references import pod_specs, referenced_configuration
from pryv_operator.reconcile.outcome import Applied
from pryv_operator.reconcile.policy_owners import selected_labels
from pryv_operator.reconcile.snapshot import Snapshot
from pryv_operator.rollout import revision_store

#: Kinds that are deleted once they are not desired. PVCs, generated secrets and authorities stay.
_DELETABLE: Final = (
    "Service",
    *WORKLOAD_KINDS,
    "NetworkPolicy",
    "PodDisruptionBudget",
    "Certificate",
)


@dataclass(frozen=True)
class ObsoleteSecrets:
    """Secrets that were created once and are replaced by now."""

    #: Private certificates: the configuration holds copies, so nothing reads them.
    certificates: tuple[Object, ...] = field(default=(), repr=False)
    #: Secrets of earlier rotations: components may run with them until the rollout is complete.
    rotations: tuple[Object, ...] = field(default=(), repr=False)


async def clean_up(
    client: KubeClient, snapshot: Snapshot, applied: Applied, obsolete: ObsoleteSecrets
) -> None:
    """Delete undesired objects, unreferenced configuration, obsolete secrets and old revisions.

    After a rollout has failed nothing but trials is deleted: a rollback may need it.
    """
    rollout, desired = applied.rollout, applied.desired
    for item in rollout.obsolete_trials if rollout else ():
        await client.delete(item)
    if rollout is None or rollout.decision.kind in ("Held", "RollingBack", "RolledBack"):
        return
    platform = snapshot.platform
    complete = rollout.decision.kind == "Complete"
    live = applied.live.objects.values()
    doomed = undesired(live, desired_objects(desired), desired.blocked, platform.uid)
    policies = [item for item in doomed if item["kind"] == "NetworkPolicy"]
    pods = await read_pods(client, platform) if policies else []
    # While a rollout goes on, undesired workloads serve until it is complete, unless a desired one
    # needs their PVC, or there is no good revision to go back to.
    deletable = (
        doomed
        if complete or rollout.last_good is None
        else await asyncio.to_thread(holders_of_needed_pvcs, doomed, desired.objects)
    )
    needed = await asyncio.to_thread(needed_policies, policies, pods, desired.objects)
    for item in deletable:
        if _key(item) not in needed:  # else the end of the pods wakes the next reconciliation
            await client.delete(item)
    await _delete_unreferenced_configuration(client, snapshot, applied)
    for item in obsolete.certificates:
        await client.delete(item)
    if complete and not platform.spec.stopped:
        for item in obsolete.rotations:
            await client.delete(item)
    await revision_store.prune_revisions(client, platform, snapshot.history)


async def read_pods(client: KubeClient, platform: Platform) -> list[Object]:
    """The pods that policies may protect, as they are now.

    A watch can be late, and without its policy a store that still runs can be reached.
    """
    return await live_objects.list_pods(client.unremembered(), platform)


async def _delete_unreferenced_configuration(
    client: KubeClient, snapshot: Snapshot, applied: Applied
) -> None:
    """Delete configuration that no revision and no pod template anywhere refers to."""
    platform, desired = snapshot.platform, applied.desired
    recorded = {reference for revision in snapshot.history for reference in revision.references}
    live = applied.live.objects.values()
    candidates = [
        item
        for item in undesired_configuration(live, desired_objects(desired), platform.uid)
        if _key(item) not in recorded
    ]
    if not candidates:
        return
    named = await live_objects.list_referenced_configuration(
        client, platform, {_key(item) for item in candidates}
    )
    in_use = named | referenced_configuration(desired.objects)
    for item in candidates:
        if _key(item) not in in_use:
            await client.delete(item)


def desired_objects(desired: Desired) -> list[Object]:
    """All desired objects, cert-manager's Certificate included."""
    certificate = desired.certificate_request
    return [*desired.services, *desired.objects, *([certificate] if certificate else [])]


def undesired(
    live: Iterable[Object], desired: Iterable[Object], blocked: Iterable[str], owner: str
) -> list[Object]:
    """Workloads, Services, policies and budgets of ours that are not desired.

    Blocked ones are left alone.

    ``owner``: the platform's uid.
    """
    desired_keys = {_key(item) for item in desired}
    left_alone = set(blocked)
    return [
        item
        for item in live
        if item["kind"] in _DELETABLE
        and _key(item) not in desired_keys
        and item["metadata"]["name"] not in left_alone
        and _may_delete(item, owner)
    ]


def needed_policies(
    policies: Iterable[Object], pods: Iterable[Object], desired: Iterable[Object]
) -> set[tuple[str, str]]:
    """Undesired policies that protect pods which are not desired either, and still run.

    Stores have no password: they must not be reachable while they terminate.
    """
    workloads = {item["metadata"]["name"] for item in desired if item["kind"] in WORKLOAD_KINDS}
    labels = [pod["metadata"].get("labels") or {} for pod in pods]
    return {
        _key(policy)
        for policy in policies
        if policy["metadata"]["name"] not in workloads
        and (selector := selected_labels(policy))
        and any(selector.items() <= each.items() for each in labels)
    }


def undesired_configuration(
    live: Iterable[Object], desired: Iterable[Object], owner: str
) -> list[Object]:
    """Content-addressed objects that are not desired; something may still refer to them."""
    desired_keys = {_key(item) for item in desired}
    return [
        item
        for item in live
        if item["kind"] in ("ConfigMap", "Secret")
        and item["metadata"].get("labels", {}).get(keys.PURPOSE) == "config"
        and _key(item) not in desired_keys
        and _may_delete(item, owner)
    ]


def holders_of_needed_pvcs(doomed: Iterable[Object], desired: Iterable[Object]) -> list[Object]:
    """Undesired workloads that mount a PVC which a desired workload mounts too."""
    needed = {name for other in desired if other["kind"] in WORKLOAD_KINDS for name in _pvcs(other)}
    return [
        item
        for item in doomed
        if item["kind"] in WORKLOAD_KINDS and not needed.isdisjoint(_pvcs(item))
    ]


def _pvcs(workload: Object) -> Iterator[str]:
    for spec in pod_specs(workload):
        for volume in spec.get("volumes") or ():
            if volume.get("persistentVolumeClaim"):
                yield volume["persistentVolumeClaim"]["claimName"]


def _key(item: Object) -> tuple[str, str]:
    return item["kind"], item["metadata"]["name"]


def _may_delete(item: Object, owner: str) -> bool:
    """Whether the object is ours. Labels do not show it: some controllers copy them."""
    metadata = item["metadata"]
    owners = metadata.get("ownerReferences") or ()
    annotations = metadata.get("annotations") or {}
    ours = any(each["uid"] == owner for each in owners) or keys.APPLIED in annotations
    others = any(each.get("controller") and each["uid"] != owner for each in owners)
    return ours and not others and not metadata.get("deletionTimestamp")
