"""PersistentVolumeClaims that users provide (``existingClaim``), and what else uses them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Set
from dataclasses import dataclass, field

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.findings import Waiting
from pryv_operator.api.instances import instances
from pryv_operator.api.kubernetes import WORKLOAD_KINDS, Object
from pryv_operator.api.platform import Platform
from pryv_operator.api.reasons import Reason
from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.resources import DEPLOYMENTS, PODS, PVCS, STATEFUL_SETS
from pryv_operator.live.live_objects import LiveObjects

#: Pods in these phases have ended and use no volume.
_ENDED = ("Succeeded", "Failed")


@dataclass(frozen=True)
class ExistingPVC:
    """A PVC that the user provides."""

    item: Object = field(repr=False)
    #: Pods and workloads of others that mount it. Empty for a PVC that the platform already mounts:
    #: who uses it first has it, and what mounts it later, such as a backup, changes nothing.
    users: tuple[str, ...] = ()


def declared_pvcs(platform: Platform) -> tuple[tuple[str, str], ...]:
    """Field and name of each PVC that ``existingClaim`` names."""
    found = {
        f"spec.roles.{instance.role}.components.{name}.storage.existingClaim": claim
        for instance in instances(platform.spec)
        for name, overrides in sorted(instance.components.items())
        if overrides.storage and (claim := overrides.storage.existing_claim)
    }
    return tuple(found.items())


async def read_existing_pvcs(
    client: KubeClient, platform: Platform, live: LiveObjects
) -> dict[str, ExistingPVC]:
    """The declared PVCs that exist, by name. ``live``: the platform's own objects."""
    names = sorted({name for _, name in declared_pvcs(platform)})
    items = await asyncio.gather(*(client.get(PVCS, platform.namespace, name) for name in names))
    found = {name: item for name, item in zip(names, items, strict=True) if item}
    mounted = _mounted(live)
    if not found.keys() - mounted:
        return {name: ExistingPVC(item) for name, item in found.items()}
    users = await _users(client, platform, found.keys() - mounted)
    return {name: ExistingPVC(item, tuple(users.get(name, ()))) for name, item in found.items()}


def missing_pvcs(
    platform: Platform, found: Mapping[str, ExistingPVC], live: LiveObjects
) -> tuple[Waiting, ...]:
    """The declared PVCs that no pod may be created for yet. ``found``: those that exist.

    A pod that waits for a PVC mounts whatever gets its name, unchecked. What the platform mounts
    already stays as it is.
    """
    mounted = _mounted(live)
    return tuple(
        Waiting(
            Reason.WAITING_FOR_PVC,
            f'{where}: PVC "{name}" '
            + ("is being deleted; wait" if name in found else "not found; create it")
            + ", or name another PVC; nothing is applied until then",
        )
        for where, name in declared_pvcs(platform)
        if name not in mounted
        and (name not in found or found[name].item["metadata"].get("deletionTimestamp"))
    )


def _mounted(live: LiveObjects) -> set[str]:
    """Names of the PVCs that a platform's workloads mount."""
    own = [item for kind in WORKLOAD_KINDS for item in live.of_kind(kind)]
    return {claim for item in own for claim in _claims(item["spec"]["template"]["spec"])}


async def _users(client: KubeClient, platform: Platform, names: Set[str]) -> dict[str, list[str]]:
    """Name of a PVC → what mounts it.

    Of all pods of the namespace, and the workloads of other platforms, which may have no pod.
    """

    def used(item: Object) -> tuple[str, Set[str]] | None:
        claims = _claims(_pod_spec(item)) & names
        if not claims or _is_own(item, platform):
            return None
        return f'{item["kind"]} "{item["metadata"]["name"]}"', claims

    managed = f"{keys.MANAGED_BY}={keys.FIELD_MANAGER},{keys.PLATFORM}!={platform.name}"
    lists = await asyncio.gather(
        client.list_reduced(PODS, platform.namespace, used),
        client.list_reduced(DEPLOYMENTS, platform.namespace, used, labels=managed),
        client.list_reduced(STATEFUL_SETS, platform.namespace, used, labels=managed),
    )
    found: dict[str, list[str]] = {}
    for user, claims in (each for listed in lists for each in listed):
        for name in claims:
            found.setdefault(name, []).append(user)
    return found


def _pod_spec(item: Object) -> Object:
    """The spec of a pod, or of a workload's pods; empty for a pod that has ended."""
    if item["kind"] != PODS.kind:
        template: Object = item["spec"]["template"]["spec"]
        return template
    spec: Object = item["spec"]
    return {} if item.get("status", {}).get("phase") in _ENDED else spec


def _claims(pod_spec: Object) -> set[str]:
    """Names of the PVCs that a pod mounts."""
    volumes = pod_spec.get("volumes") or []
    sources = (volume.get("persistentVolumeClaim") or {} for volume in volumes)
    return {source["claimName"] for source in sources if source}


def _is_own(item: Object, platform: Platform) -> bool:
    labels = item["metadata"].get("labels") or {}
    return (labels.get(keys.MANAGED_BY), labels.get(keys.PLATFORM)) == (
        keys.FIELD_MANAGER,
        platform.name,
    )
