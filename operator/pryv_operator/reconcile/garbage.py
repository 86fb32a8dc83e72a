"""What can go: our objects that nothing wants, and configuration that nothing refers to. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from pryv_operator.platform import keys
from pryv_operator.workload.model import Object

Reference = tuple[str, str]

#: Kinds that go as soon as nothing wants them. Claims, generated values and authorities never do.
_PLAIN: Final = ("Service", "Deployment", "StatefulSet", "NetworkPolicy", "Certificate")
_WORKLOADS: Final = ("Deployment", "StatefulSet")


def unwanted(observed: Iterable[Object], wanted: Iterable[Object], held: Iterable[str], owner: str) -> list[Object]:
    """Our workloads, Services and policies that are no longer wanted; what is held back stays as it is. ``owner``: the platform's uid."""
    keep = {(item["kind"], item["metadata"]["name"]) for item in wanted}
    kept_back = set(held)
    return [
        item
        for item in observed
        if item["kind"] in _PLAIN
        and (item["kind"], item["metadata"]["name"]) not in keep
        and item["metadata"]["name"] not in kept_back
        and _may_go(item, owner)
    ]


def unreferenced_candidates(observed: Iterable[Object], wanted: Iterable[Object], owner: str) -> list[Object]:
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
    theirs = {claim for other in wanted if other["kind"] in _WORKLOADS for claim in _claims(other)}
    return item["kind"] in _WORKLOADS and not theirs.isdisjoint(_claims(item))


def _claims(workload: Object) -> Iterator[str]:
    for spec in _pod_specs(workload):
        for volume in spec.get("volumes") or ():
            if volume.get("persistentVolumeClaim"):
                yield volume["persistentVolumeClaim"]["claimName"]


def _may_go(item: Object, owner: str) -> bool:
    """Whether it is ours: labels alone do not say so, as some controllers copy them from what they own things for."""
    metadata = item["metadata"]
    owners = metadata.get("ownerReferences") or ()
    ours = any(each["uid"] == owner for each in owners) or keys.APPLIED in (metadata.get("annotations") or {})
    others = any(each.get("controller") and each["uid"] != owner for each in owners)
    return ours and not others and not metadata.get("deletionTimestamp")


def references(owners: Iterable[Object]) -> set[Reference]:
    """Names of ConfigMaps and Secrets in the pod templates of anything: workloads, ReplicaSets, revisions, pods."""
    return {reference for owner in owners for spec in _pod_specs(owner) for reference in _in_pod_spec(spec)}


def _pod_specs(owner: Object) -> Iterator[Object]:
    if owner["kind"] == "Pod":
        yield owner["spec"]
        return
    holder = owner.get("data") if owner["kind"] == "ControllerRevision" else owner
    template = ((holder or {}).get("spec") or {}).get("template") or {}
    if "spec" in template:
        yield template["spec"]


def _in_pod_spec(spec: Object) -> Iterator[Reference]:
    for volume in spec.get("volumes") or ():
        for source in [volume, *((volume.get("projected") or {}).get("sources") or ())]:
            if source.get("configMap"):
                yield "ConfigMap", source["configMap"].get("name", "")
            if source.get("secret"):
                yield "Secret", source["secret"].get("secretName") or source["secret"].get("name", "")
    containers: list[Any] = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    for container in containers:
        for variable in container.get("env") or ():
            reference = (variable.get("valueFrom") or {}).get("secretKeyRef")
            if reference:
                yield "Secret", reference.get("name", "")
