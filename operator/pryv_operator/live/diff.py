"""Whether an object has to be applied: what we last applied, and whether what is there still says so. Pure.

Never a naive comparison with what the server returns: it fills in defaults, other people own fields of theirs, and a quantity has
several spellings.
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

#: Lists that the API server merges by key: entries of others are left alone. All other lists are ours as a whole.
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
#: Maps that the API server takes as a whole: an entry that somebody adds changes what they select.
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
    """The object as it is applied: with the hash of itself, so that a field we no longer set is noticed."""
    result = copy.copy(item)
    metadata = dict(item["metadata"])
    metadata["annotations"] = {**metadata.get("annotations", {}), keys.APPLIED: _digest(item)}
    if item["kind"] in WORKLOAD_KINDS:
        metadata["annotations"][keys.TEMPLATE] = template_digest(item["spec"]["template"])
    result["metadata"] = metadata
    return result


def needs_apply(wanted: Object, live: Object) -> bool:
    """Whether ``wanted`` (with_applied_hash) has to be applied over ``live``."""
    applied = live["metadata"].get("annotations", {}).get(keys.APPLIED)
    if applied != wanted["metadata"]["annotations"][keys.APPLIED]:
        return True
    return not _contained(wanted, live, "")


def template_digest(template: Object) -> str:
    """What tells pod templates apart."""
    return hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:16]


def template_contains(template: Object, live: Object) -> bool:
    """Whether a live pod template says what ``template`` says; it may say more."""
    return _contained(template, live, "template")


def _digest(item: Object) -> str:
    """A hash of what is applied. A Secret's data stays out: it would be an offline test for guesses."""
    visible = {
        key: value
        for key, value in item.items()
        if not (item["kind"] == "Secret" and key in ("data", "stringData"))
    }
    return hashlib.sha256(json.dumps(visible, sort_keys=True).encode()).hexdigest()[:16]


def _contained(wanted: Any, live: Any, field: str) -> bool:
    if isinstance(wanted, Mapping):
        if not isinstance(live, Mapping):
            return not wanted and live is None
        if field in _ATOMIC and wanted.keys() != live.keys():
            return False
        if field in _QUANTITIES:
            return all(
                name in live and _same_quantity(value, live[name]) for name, value in wanted.items()
            )
        return all(_contained(value, live.get(name), name) for name, value in wanted.items())
    if isinstance(wanted, Sequence) and not isinstance(wanted, str):
        if not isinstance(live, Sequence) or isinstance(live, str):
            return not wanted and live is None
        return _contained_list(wanted, live, field)
    # The API server leaves out an empty text of most fields, such as the value of an environment variable.
    return bool(wanted == live) or (wanted == "" and live is None)


def _contained_list(wanted: Sequence[Any], live: Sequence[Any], field: str) -> bool:
    merge_keys = _MERGED_BY.get(field)
    if merge_keys is None or not all(isinstance(entry, Mapping) for entry in (*wanted, *live)):
        return len(wanted) == len(live) and all(
            _contained(mine, theirs, "") for mine, theirs in zip(wanted, live, strict=True)
        )
    there = {tuple(entry.get(key) for key in merge_keys): entry for entry in live}
    return all(
        (found := there.get(tuple(entry.get(key) for key in merge_keys))) is not None
        and _contained(entry, found, "")
        for entry in wanted
    )


def _same_quantity(wanted: Any, live: Any) -> bool:
    try:
        return bool(parse_quantity(wanted) == parse_quantity(live))
    except ValueError:
        return bool(wanted == live)
