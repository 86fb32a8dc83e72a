"""Data that outlives a platform or goes with it: ``spec.deletionPolicy`` as owner references."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names
from pryv_operator.api.findings import Advisory
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.platform import Platform
from pryv_operator.api.reasons import Reason
from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.errors import RejectedError
from pryv_operator.live.live_objects import LiveObjects
from pryv_operator.live.reduce import is_written_by_operator


async def apply_deletion_policy(
    client: KubeClient, platform: Platform, live: LiveObjects
) -> tuple[Advisory, ...]:
    """Set or remove the owner references of all PVCs and generated Secrets; return warnings.

    Those of instances that are no longer desired are included. It happens whatever else is wrong
    with the platform, so that a deletion never takes what should be retained.
    """
    rejected: list[str] = []
    for item in (*live.of_kind("PersistentVolumeClaim"), *_created_secrets(platform, live)):
        metadata = item["metadata"]
        before = metadata.get("ownerReferences") or []
        owners = owners_of_data(before, platform)
        if before == owners or metadata.get("deletionTimestamp"):
            continue
        try:
            await client.patch_owner_references(item, owners)
        except RejectedError as error:
            rejected.append(f'{item["kind"]} "{metadata["name"]}" ({error.reason})')
    if not rejected:
        return ()
    policy = platform.spec.deletion_policy or "Retain"
    text = (
        f'spec.deletionPolicy: "{policy}" is not in effect for {", ".join(rejected)}; '
        "the API server rejects the change of the owner references"
    )
    return (Advisory(Reason.DELETION_POLICY_REFUSED, text),)


async def adopt_pvcs(client: KubeClient, live: LiveObjects, attempt: str) -> LiveObjects:
    """Mark restored PVCs as the operator's: from then on its managed fields show it.

    ``attempt``: the value of ``pryv.io/adopt``.

    Raises:
        ConflictError: one has changed since it was read.
    """
    for item in live.of_kind("PersistentVolumeClaim"):
        if not is_written_by_operator(item["metadata"]):
            marked = await client.patch_annotations(item, {keys.ADOPT: attempt})
            live = live.with_objects([marked])
    return live


def owners_of_data(before: Sequence[Object], platform: Platform) -> list[Object]:
    """The owner references that data should have: those of others, and the platform's own or not.

    An object has one controller at most: beside another one, the platform is a plain owner.
    """
    others = [each for each in before if not _is_own(each, platform)]
    if platform.retains_data:
        return others
    own = platform.owner_reference()
    if _has_controller(others):
        own["controller"] = False
    current = [each for each in before if _is_own(each, platform)]
    if current == [own]:
        return list(before)
    return [*others, own]


def has_other_controller(item: Object, platform: Platform) -> bool:
    """Whether an object has a controller that is not the platform."""
    owners = item["metadata"].get("ownerReferences") or []
    return _has_controller(each for each in owners if not _is_own(each, platform))


def _has_controller(owners: Iterable[Object]) -> bool:
    return any(each.get("controller") for each in owners)


def _is_own(reference: Object, platform: Platform) -> bool:
    """Whether a reference is to this platform, or to an earlier one of the same name."""
    group = str(reference.get("apiVersion", "")).partition("/")[0]
    same_name = (group, reference.get("kind"), reference.get("name")) == (
        keys.GROUP,
        keys.KIND,
        platform.name,
    )
    return same_name or reference.get("uid") == platform.uid


def _created_secrets(platform: Platform, live: LiveObjects) -> list[Object]:
    """Secrets that hold what cannot be computed again: values, keys, authorities."""
    return [
        item
        for item in live.of_kind("Secret")
        if names.secret_purpose(platform.name, item["metadata"]["name"]) is not None
    ]
