"""ConfigMaps and Secrets that pod templates refer to. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

from pryv_operator.api.kubernetes import Object

#: Kind and name of a ConfigMap or Secret.
Reference: TypeAlias = tuple[str, str]


def referenced_configuration(owners: Iterable[Object]) -> set[Reference]:
    """ConfigMaps and Secrets that the pod templates of objects refer to.

    ``owners``: workloads, ReplicaSets, ControllerRevisions or pods.
    """
    return {
        reference
        for owner in owners
        for spec in pod_specs(owner)
        for reference in _in_pod_spec(spec)
    }


def pod_specs(owner: Object) -> Iterator[Object]:
    """The pod specs of an object."""
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
                yield (
                    "Secret",
                    source["secret"].get("secretName") or source["secret"].get("name", ""),
                )
    containers: list[Any] = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    for container in containers:
        for variable in container.get("env") or ():
            reference = (variable.get("valueFrom") or {}).get("secretKeyRef")
            if reference:
                yield "Secret", reference.get("name", "")
