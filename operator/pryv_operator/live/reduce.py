"""What is kept of live objects that other clients may have made as large as they like. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.kubernetes import Object

_METADATA: Final = (
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "deletionTimestamp",
)
_LABELS: Final = (
    keys.MANAGED_BY,
    keys.APP_NAME,
    keys.PLATFORM,
    keys.ROLE,
    keys.INSTANCE,
    keys.COMPONENT,
    keys.PVC,
    keys.PUBLISHED,
    keys.PURPOSE,
    "pod-template-hash",
    "controller-revision-hash",
)
#: So many owner references, and containers of a pod, are kept.
_MOST: Final = 40
#: So many characters of a text. The API server allows events no longer message.
_LONGEST: Final = 1024
_MANAGER: Final = {"manager": keys.FIELD_MANAGER}


def is_written_by_operator(metadata: Object) -> bool:
    """Whether the operator has created or applied an object, by its managed fields.

    Labels, annotations and owner references do not show it: other controllers copy them.
    """
    return any(
        entry.get("manager") == keys.FIELD_MANAGER and not entry.get("subresource")
        for entry in metadata.get("managedFields") or ()
    )


def essential(item: Object) -> Object:
    """An object's identity, and what shows whose it is; without everything else."""
    metadata = item["metadata"]
    applied = (metadata.get("annotations") or {}).get(keys.APPLIED)
    # The controller first: there is at most one.
    owners = sorted(
        metadata.get("ownerReferences") or (), key=lambda each: not each.get("controller")
    )
    return {
        **_only(item, ("apiVersion", "kind")),
        "metadata": {
            **_only(metadata, _METADATA),
            "labels": _only(metadata.get("labels") or {}, _LABELS),
            **({"annotations": {keys.APPLIED: applied[:_LONGEST]}} if applied is not None else {}),
            "ownerReferences": [_short(each, ("uid", "controller")) for each in owners[:_MOST]],
            **({"managedFields": [_MANAGER]} if is_written_by_operator(metadata) else {}),
        },
    }


def revision_metadata(item: Object) -> Object:
    """The metadata of a recorded revision: with the operator's annotations, which describe it."""
    annotations = item["metadata"].get("annotations") or {}
    own = {key: each for key, each in annotations.items() if key.startswith(f"{keys.GROUP}/")}
    reduced = essential(item)
    return {**reduced, "metadata": {**reduced["metadata"], "annotations": own}}


def pod(item: Object) -> Object:
    """What the health of a workload, and the owners of a policy, are computed from."""
    spec, status = item.get("spec") or {}, item.get("status") or {}
    containers = {
        key: [_short(each, ("name", "image")) for each in spec[key][:_MOST]]
        for key in ("initContainers", "containers")
        if spec.get(key)
    }
    volumes = [
        {"persistentVolumeClaim": _short(claim, ("claimName",))}
        for each in spec.get("volumes") or ()
        if (claim := each.get("persistentVolumeClaim"))
    ]
    security = _only(spec.get("securityContext") or {}, ("fsGroup",))
    fields = ("phase", "reason", "message", "conditions")
    statuses = ("initContainerStatuses", "containerStatuses")
    return {
        **essential(item),
        "spec": {
            **_only(spec, ("nodeName",)),
            **containers,
            "securityContext": security,
            "volumes": volumes[:_MOST],
        },
        "status": _only(status, (*fields, *statuses)),
    }


def event(item: Object) -> Object:
    """What explains why something does not become ready."""
    involved = item.get("involvedObject") or {}
    return {
        "metadata": _only(item["metadata"], ("name",)),
        **_short(item, ("reason", "lastTimestamp", "eventTime")),
        "involvedObject": _short(involved, ("kind", "name", "uid")),
        "message": str(item.get("message", ""))[:_LONGEST],
    }


def _only(item: Object, fields: Iterable[str]) -> Object:
    return {field: item[field] for field in fields if field in item}


def _short(item: Object, fields: Iterable[str]) -> Object:
    """Fields whose length the API server may not limit."""
    return {
        field: value[:_LONGEST] if isinstance(value, str) else value
        for field, value in _only(item, fields).items()
    }
