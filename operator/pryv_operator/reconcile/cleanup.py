"""What can go: our objects that nothing wants, and configuration that nothing refers to. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.kubernetes import WORKLOAD_KINDS, Object
from pryv_operator.live.pod_references import pod_specs

#: Kinds that go as soon as nothing wants them. Claims, generated values and authorities never do.
_PLAIN: Final = ("Service", *WORKLOAD_KINDS, "NetworkPolicy", "Certificate")


def unwanted(
    observed: Iterable[Object], wanted: Iterable[Object], blocked: Iterable[str], owner: str
) -> list[Object]:
    """Our workloads, Services and policies that are no longer wanted; what is held back stays as it is. ``owner``: the platform's uid."""
    keep = {(item["kind"], item["metadata"]["name"]) for item in wanted}
    kept_back = set(blocked)
    return [
        item
        for item in observed
        if item["kind"] in _PLAIN
        and (item["kind"], item["metadata"]["name"]) not in keep
        and item["metadata"]["name"] not in kept_back
        and _may_go(item, owner)
    ]


def unreferenced_candidates(
    observed: Iterable[Object], wanted: Iterable[Object], owner: str
) -> list[Object]:
    """Content-addressed objects that are not part of what is wanted now; something may still refer to them."""
    keep = {(item["kind"], item["metadata"]["name"]) for item in wanted}
    return [
        item
        for item in observed
        if item["kind"] in ("ConfigMap", "Secret")
        and item["metadata"].get("labels", {}).get(keys.PURPOSE) == "config"
        and (item["kind"], item["metadata"]["name"]) not in keep
        and _may_go(item, owner)
    ]


def in_the_way(item: Object, wanted: Iterable[Object]) -> bool:
    """Whether a workload that is no longer wanted uses a claim that a wanted one of another name is to have."""
    theirs = {
        claim for other in wanted if other["kind"] in WORKLOAD_KINDS for claim in _claims(other)
    }
    return item["kind"] in WORKLOAD_KINDS and not theirs.isdisjoint(_claims(item))


def _claims(workload: Object) -> Iterator[str]:
    for spec in pod_specs(workload):
        for volume in spec.get("volumes") or ():
            if volume.get("persistentVolumeClaim"):
                yield volume["persistentVolumeClaim"]["claimName"]


def _may_go(item: Object, owner: str) -> bool:
    """Whether it is ours: labels alone do not say so, as some controllers copy them from what they own things for."""
    metadata = item["metadata"]
    owners = metadata.get("ownerReferences") or ()
    ours = any(each["uid"] == owner for each in owners) or keys.APPLIED in (
        metadata.get("annotations") or {}
    )
    others = any(each.get("controller") and each["uid"] != owner for each in owners)
    return ours and not others and not metadata.get("deletionTimestamp")
