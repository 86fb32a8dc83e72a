"""Data that outlives a platform or goes with it: ``spec.deletionPolicy`` as owner references."""

from __future__ import annotations

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.findings import Advisory
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.platform import Platform
from pryv_operator.api.reasons import Reason
from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.errors import RejectedError
from pryv_operator.live.live_objects import LiveObjects


async def apply_deletion_policy(
    client: KubeClient, platform: Platform, live: LiveObjects
) -> tuple[Advisory, ...]:
    """Set or remove the owner references of all PVCs and generated Secrets; return warnings.

    Those of instances that are no longer desired are included. It happens whatever else is wrong
    with the platform, so that a deletion never takes what should be retained.
    """
    owners = [] if platform.retains_data else [platform.owner_reference()]
    rejected: list[str] = []
    for item in (*live.of_kind("PersistentVolumeClaim"), *_generated_secrets(live)):
        metadata = item["metadata"]
        if metadata.get("ownerReferences", []) == owners or metadata.get("deletionTimestamp"):
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


def _generated_secrets(live: LiveObjects) -> list[Object]:
    """Secrets that hold what cannot be computed again: values, keys, authorities."""
    return [
        item
        for item in live.of_kind("Secret")
        if item["metadata"]["labels"].get(keys.PURPOSE) not in (None, "config")
    ]
