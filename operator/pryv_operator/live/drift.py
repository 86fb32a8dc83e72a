"""Drift: fields of applied objects that other clients have changed since. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.kubernetes import Object
from pryv_operator.live.comparisons import Comparisons
from pryv_operator.live.diff import is_applied
from pryv_operator.live.live_objects import LiveObjects

_UNKNOWN_MANAGER: Final = "another client"


@dataclass(frozen=True)
class Drift:
    """A changed field of an object, and the field manager that changed it last."""

    kind: str
    name: str
    field: str
    manager: str

    @property
    def key(self) -> tuple[str, str, str]:
        """Kind and name of the object, and the field."""
        return self.kind, self.name, self.field


def find_drift(desired: Iterable[Object], live: LiveObjects) -> tuple[Drift, ...]:
    """One drift for each object that was applied as desired, and is not so any more."""
    found = []
    for item in map(live.comparisons.with_applied_hash, desired):
        existing = live.get(item["kind"], item["metadata"]["name"])
        if existing is None or not is_applied(item, existing):
            continue
        field = live.comparisons.changed_field(item, existing)
        if field is not None:
            manager = _last_manager(existing)
            found.append(Drift(item["kind"], item["metadata"]["name"], field, manager))
    return tuple(found)


def tolerating(
    live: LiveObjects, desired: Iterable[Object], tolerated: Iterable[Drift]
) -> LiveObjects:
    """``live`` as if the tolerated drift were not there, so that nothing is applied over it.

    Nothing is known of comparisons with it: the versions are those of the objects with the drift.
    """
    accepted = {(each.kind, each.name) for each in tolerated}
    overlaid = live.with_objects(
        _overlaid(existing, item)
        for item in map(live.comparisons.with_applied_hash, desired)
        if (key := (item["kind"], item["metadata"]["name"])) in accepted
        and (existing := live.get(*key))
    )
    return replace(overlaid, comparisons=Comparisons())


def _last_manager(item: Object) -> str:
    """Who has changed an object last, the operator and writers of its status excepted."""
    others = [
        entry
        for entry in item["metadata"].get("managedFields", ())
        if entry.get("manager") != keys.FIELD_MANAGER and entry.get("subresource") != "status"
    ]
    if not others:
        return _UNKNOWN_MANAGER
    return str(max(others, key=lambda entry: str(entry.get("time", "")))["manager"])


def _overlaid(below: Any, above: Any) -> Any:
    """Maps merged, anything else of ``above``."""
    if isinstance(below, Mapping) and isinstance(above, Mapping):
        return {**below, **{key: _overlaid(below.get(key), above[key]) for key in above}}
    return above
