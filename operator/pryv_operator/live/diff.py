"""Whether a desired object has to be applied over the live one. Pure.

Two questions: is it what was last applied, and does the live object still contain it? A plain
comparison would not do: the API server fills in defaults, other clients own fields of theirs, and a
quantity has several spellings.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from kubernetes.utils.quantity import parse_quantity

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.kubernetes import WORKLOAD_KINDS, Object

#: Lists that the API server merges by these keys; entries of other clients are ignored. All other
#: lists belong to the operator as a whole.
_MERGED_BY: Final[Mapping[str, tuple[str, ...]]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "volumes": ("name",),
    "env": ("name",),
    "hostAliases": ("ip",),
    "imagePullSecrets": ("name",),
    "ownerReferences": ("uid",),
    "volumeMounts": ("mountPath",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
}
#: Maps that are compared as a whole: an added entry would change what they select.
_ATOMIC: Final = (
    "labelSelector",
    "matchLabels",
    "nodeSelector",
    "podSelector",
    "secretKeyRef",
    "selector",
)
_QUANTITIES: Final = ("requests", "limits")


def with_applied_hash(item: Object) -> Object:
    """The object as it is applied: with a hash of itself.

    By the hash a field is noticed that is no longer desired.
    """
    result = copy.copy(item)
    metadata = dict(item["metadata"])
    metadata["annotations"] = {**metadata.get("annotations", {}), keys.APPLIED: _digest(item)}
    if item["kind"] in WORKLOAD_KINDS:
        metadata["annotations"][keys.TEMPLATE] = template_digest(item["spec"]["template"])
    result["metadata"] = metadata
    return result


def needs_apply(desired: Object, live: Object) -> bool:
    """Whether a desired object has to be applied over the live one.

    ``desired`` comes from ``with_applied_hash``.
    """
    applied = live["metadata"].get("annotations", {}).get(keys.APPLIED)
    if applied != desired["metadata"]["annotations"][keys.APPLIED]:
        return True
    return not _contained(desired, live, "")


def template_digest(template: Object) -> str:
    """The digest of a pod template."""
    return hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:16]


def template_contains(template: Object, live: Object) -> bool:
    """Whether a live pod template contains ``template``; it may hold more."""
    return _contained(template, live, "template")


def _digest(item: Object) -> str:
    """A hash of an object without a Secret's data: it would let a reader verify guesses."""
    visible = {
        key: value
        for key, value in item.items()
        if not (item["kind"] == "Secret" and key in ("data", "stringData"))
    }
    return hashlib.sha256(json.dumps(visible, sort_keys=True).encode()).hexdigest()[:16]


def _contained(desired: Any, live: Any, field: str) -> bool:
    if isinstance(desired, Mapping):
        if not isinstance(live, Mapping):
            return not desired and live is None
        if field in _ATOMIC and desired.keys() != live.keys():
            return False
        if field in _QUANTITIES:
            return all(
                name in live and _same_quantity(value, live[name])
                for name, value in desired.items()
            )
        return all(_contained(value, live.get(name), name) for name, value in desired.items())
    if isinstance(desired, Sequence) and not isinstance(desired, str):
        if not isinstance(live, Sequence) or isinstance(live, str):
            return not desired and live is None
        return _contained_list(desired, live, field)
    # The API server omits most fields that are an empty text, such as the value of a variable.
    return bool(desired == live) or (desired == "" and live is None)


def _contained_list(desired: Sequence[Any], live: Sequence[Any], field: str) -> bool:
    merge_keys = _MERGED_BY.get(field)
    if merge_keys is None or not all(isinstance(entry, Mapping) for entry in (*desired, *live)):
        return len(desired) == len(live) and all(
            _contained(mine, theirs, "") for mine, theirs in zip(desired, live, strict=True)
        )
    live_entries = {tuple(entry.get(key) for key in merge_keys): entry for entry in live}
    return all(
        (found := live_entries.get(tuple(entry.get(key) for key in merge_keys))) is not None
        and _contained(entry, found, "")
        for entry in desired
    )


def _same_quantity(desired: Any, live: Any) -> bool:
    try:
        return bool(parse_quantity(desired) == parse_quantity(live))
    except ValueError:
        return bool(desired == live)
