"""Whether a desired object has to be applied over the live one. Pure.

Two questions: is it what was last applied, and does the live object still contain it? A plain
comparison would not do: the API server fills in defaults, other clients own fields of theirs, and a
quantity has several spellings.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.kubernetes import WORKLOAD_KINDS, Object
from pryv_operator.api.quantity import parse_quantity

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

_Path: TypeAlias = tuple[str, ...]


def with_applied_hash(item: Object) -> Object:
    """The object as it is applied: with a hash of itself.

    By the hash a field is noticed that is no longer desired.
    """
    metadata = item["metadata"]
    template = _json(item["spec"]["template"]) if item["kind"] in WORKLOAD_KINDS else None
    annotations = {**metadata.get("annotations", {}), keys.APPLIED: _digest(item, template)}
    if template is not None:
        annotations[keys.TEMPLATE] = _hashed(template)
    return {**item, "metadata": {**metadata, "annotations": annotations}}


def needs_apply(desired: Object, live: Object) -> bool:
    """Whether a desired object has to be applied over the live one.

    ``desired`` comes from ``with_applied_hash``.
    """
    return not is_applied(desired, live) or changed_field(desired, live) is not None


def is_applied(desired: Object, live: Object) -> bool:
    """Whether a desired object is what was last applied; it may have been changed since."""
    applied = live["metadata"].get("annotations", {}).get(keys.APPLIED)
    return bool(applied == desired["metadata"]["annotations"][keys.APPLIED])


def changed_field(desired: Object, live: Object) -> str | None:
    """The first field of a desired object that the live one does not contain; None: it has all."""
    path = _difference(desired, live, "")
    return None if path is None else ".".join(path).replace(".[", "[")


def template_digest(template: Object) -> str:
    """The digest of a pod template."""
    return _hashed(_json(template))


def template_contains(template: Object, live: Object) -> bool:
    """Whether a live pod template contains ``template``; it may hold more."""
    return _difference(template, live, "template") is None


#: The JSON that is hashed, with sorted keys. Its form is permanent: digests are in the cluster.
_json: Final = json.JSONEncoder(sort_keys=True).encode


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _digest(item: Object, template: str | None) -> str:
    """A hash of an object without a Secret's data: it would let a reader verify guesses.

    ``template``: the JSON of its pod template, which is most of a workload's, if it has one.
    """
    visible = {
        key: value
        for key, value in item.items()
        if not (item["kind"] == "Secret" and key in ("data", "stringData"))
    }
    if template is None:
        return _hashed(_json(visible))
    spec = _json_with(visible["spec"], "template", template)
    return _hashed(_json_with(visible, "spec", spec))


def _json_with(entries: Mapping[str, Any], name: str, text: str) -> str:
    """The JSON of a map, of which the text of one entry is known."""
    texts = (
        f"{_json(key)}: {text if key == name else _json(entries[key])}" for key in sorted(entries)
    )
    return f"{{{', '.join(texts)}}}"


def _difference(desired: Any, live: Any, name: str) -> _Path | None:
    """The path of the first desired value that ``live`` does not contain; None: it has all.

    ``name``: the key or index that leads to both.
    """
    # What is equal is compared in C. Where the API server has filled in defaults, sizes differ.
    if desired == live:
        return None
    if isinstance(desired, dict):
        return _map_difference(desired, live, name)
    if isinstance(desired, (list, tuple)):
        return _list_difference(desired, live, name)
    # The API server omits most fields that are an empty text, such as the value of a variable.
    return None if desired == "" and live is None else ()


def _map_difference(desired: Mapping[str, Any], live: Any, name: str) -> _Path | None:
    if not isinstance(live, dict):
        return None if not desired and live is None else ()
    if name in _ATOMIC and desired.keys() != live.keys():
        return ()
    for key, value in desired.items():
        if name in _QUANTITIES:
            same = key in live and _same_quantity(value, live[key])
            found: _Path | None = None if same else ()
        else:
            found = _difference(value, live.get(key), key)
        if found is not None:
            return (key, *found)
    return None


def _list_difference(desired: Sequence[Any], live: Any, name: str) -> _Path | None:
    if not isinstance(live, (list, tuple)):
        return None if not desired and live is None else ()
    merge_keys = _MERGED_BY.get(name)
    if merge_keys is None or not all(isinstance(entry, dict) for entry in (*desired, *live)):
        if len(desired) != len(live):
            return ()
        pairs = [(str(index), *both) for index, both in enumerate(zip(desired, live, strict=True))]
    else:
        entries = {tuple(entry.get(key) for key in merge_keys): entry for entry in live}
        identities = [tuple(entry.get(key) for key in merge_keys) for entry in desired]
        pairs = [
            (",".join(map(str, identity)), entry, entries.get(identity))
            for identity, entry in zip(identities, desired, strict=True)
        ]
    for label, mine, theirs in pairs:
        here = f"[{label}]"
        if isinstance(mine, dict) and theirs is None:
            return (here,)
        found = _difference(mine, theirs, here)
        if found is not None:
            return (here, *found)
    return None


def _same_quantity(desired: Any, live: Any) -> bool:
    try:
        return bool(parse_quantity(desired) == parse_quantity(live))
    except ValueError:
        return bool(desired == live)
