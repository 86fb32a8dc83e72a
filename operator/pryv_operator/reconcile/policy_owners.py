"""NetworkPolicies outlive the pods that they protect, also when the whole platform is deleted.

Stores have no password. The garbage collector deletes an object once all its owners are gone, and
deletes workloads before their pods have terminated. So a policy is owned by the platform, by its
workload (which stays when the platform is deleted with ``--cascade=orphan``), and by each pod that
it selects and that the workload controls. Others may create any number of pods with copied labels;
a copied controller does not help them, as Kubernetes deletes pods that a workload has too many.
This works without the operator, and unlike a finalizer it can block nothing.

Owners that are gone are removed by the garbage collector; only new ones are written here.
https://kubernetes.io/docs/concepts/architecture/garbage-collection/
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence, Set
from contextlib import suppress
from typing import Final

from pryv_operator.api.kubernetes import WORKLOAD_KINDS, Object
from pryv_operator.api.platform import Platform
from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.concurrent_requests import concurrently
from pryv_operator.kube.errors import ConflictError, NotFoundError
from pryv_operator.live import live_objects
from pryv_operator.live.live_objects import LiveObjects

#: A policy has at most so many pods as owners. Stores, which need them, have one pod.
_MAX_PODS: Final = 20


async def ensure_policy_owners(client: KubeClient, platform: Platform, live: LiveObjects) -> None:
    """Add workloads and pods to the owners of the policies that protect them.

    A policy that has changed since it was read is left to the next reconciliation, which its change
    requests.
    """
    policies = [*live.of_kind("NetworkPolicy")]
    workloads = _seen_workloads(live)
    if not policies or not workloads:
        return
    pods = await live_objects.list_pod_metadata(client, platform)
    recorded = {each["uid"] for policy in policies for each in _owners(policy)}
    replica_sets = (
        []
        if all(pod["metadata"]["uid"] in recorded for pod in pods)
        else await live_objects.list_replica_set_metadata(client, platform)
    )

    async def write(policy: Object, owners: Sequence[Object]) -> None:
        with suppress(ConflictError, NotFoundError):
            await client.patch_owner_references(policy, owners)

    # Each policy with each pod: in a thread, as the event loop has to renew the lease.
    needed = await asyncio.to_thread(_all_owners, policies, workloads, pods, replica_sets)
    await concurrently(write(policy, owners) for policy, owners in needed)


def _seen_workloads(live: LiveObjects) -> dict[str, Object]:
    """Name → workload of those that their controller has seen.

    Any other has no pods yet. They come soon, and their policy gets both in one write.
    """
    return {
        item["metadata"]["name"]: item
        for kind in WORKLOAD_KINDS
        for item in live.of_kind(kind)
        if (item.get("status") or {}).get("observedGeneration")
    }


def _all_owners(
    policies: Iterable[Object],
    workloads: Mapping[str, Object],
    pods: Sequence[Object],
    replica_sets: Sequence[Object],
) -> list[tuple[Object, list[Object]]]:
    """The policies that need other owner references, each with those that it needs."""
    found = []
    for policy in policies:
        workload = workloads.get(policy["metadata"]["name"])
        controlled = controlled_pods(workload, pods, replica_sets) if workload else frozenset()
        owners = owners_to_write(policy, workload, pods, controlled)
        if owners:
            found.append((policy, owners))
    return found


def controlled_pods(
    workload: Object, pods: Iterable[Object], replica_sets: Iterable[Object]
) -> frozenset[str]:
    """The uids of the pods that a workload has created.

    A StatefulSet leaves pods alone that do not have one of its names, whatever their controller.
    """
    uid, name = workload["metadata"]["uid"], re.escape(workload["metadata"]["name"])
    controllers = {uid}
    if workload["kind"] == "Deployment":
        controllers = {
            each["metadata"]["uid"] for each in replica_sets if _controller_of(each) == uid
        }
    return frozenset(
        pod["metadata"]["uid"]
        for pod in pods
        if _controller_of(pod) in controllers
        and (workload["kind"] == "Deployment" or _is_numbered(pod, name))
    )


def owners_to_write(
    policy: Object, workload: Object | None, pods: Iterable[Object], controlled: Set[str]
) -> list[Object] | None:
    """The owner references that a policy needs, or None if it has them.

    Args:
        policy: a live policy.
        workload: that of the same name, if there is one.
        pods: all pods of the platform, or their metadata.
        controlled: uids of the pods that the workload has created.
    """
    before = _owners(policy)
    selector = selected_labels(policy)
    if not before or not selector or policy["metadata"].get("deletionTimestamp"):
        return None
    selected = [
        each for each in pods if selector.items() <= (each["metadata"].get("labels") or {}).items()
    ]
    if not selected:  # it protects nothing yet, or no more
        return None
    known = {each["uid"] for each in before}

    def rank(pod: Object) -> tuple[bool, bool, str]:
        """Nothing displaces an owner. One that is not controlled any more is still terminating."""
        uid = pod["metadata"]["uid"]
        return uid not in controlled, uid not in known, uid

    protected = [each for each in selected if each["metadata"]["uid"] in {*known, *controlled}]
    wanted = [_reference("v1", "Pod", each) for each in sorted(protected, key=rank)[:_MAX_PODS]]
    if workload:
        wanted.append(_reference("apps/v1", workload["kind"], workload))
    if all(each["uid"] in known for each in wanted):
        return None
    return [*(each for each in before if not _is_ours(each, policy)), *wanted]


def selected_labels(policy: Object) -> Mapping[str, str]:
    """The labels of the pods that a policy protects; another client may have removed them."""
    return ((policy.get("spec") or {}).get("podSelector") or {}).get("matchLabels") or {}


def _controller_of(item: Object) -> str | None:
    return next((each["uid"] for each in _owners(item) if each.get("controller")), None)


def _owners(item: Object) -> list[Object]:
    return item["metadata"].get("ownerReferences") or []


def _is_numbered(pod: Object, pattern: str) -> bool:
    return bool(re.fullmatch(rf"{pattern}-\d+", pod["metadata"]["name"]))


def _reference(api_version: str, kind: str, owner: Object) -> Object:
    """A reference that blocks nothing and controls nothing."""
    metadata = owner["metadata"]
    return {
        "apiVersion": api_version,
        "kind": kind,
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": False,
        "blockOwnerDeletion": False,
    }


def _is_ours(reference: Object, policy: Object) -> bool:
    """Whether a reference was written here: to a pod, or to the workload of that name."""
    is_workload = reference["kind"] in WORKLOAD_KINDS
    return reference["kind"] == "Pod" or (
        is_workload and reference["name"] == policy["metadata"]["name"]
    )
