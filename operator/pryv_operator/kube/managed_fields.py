"""The managed fields of an object (``metadata.managedFields``). Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pryv_operator.api.kubernetes import Object


def upgraded(entries: Iterable[Object], manager: str) -> list[Object] | None:
    """The entries with ``manager``'s creation merged into its apply; None: nothing to change.

    A creation leaves an entry of operation Update. Applies by the same manager have an entry of
    their own, and never remove a field that only the Update entry names. client-go upgrades such
    objects in the same way (``util/csaupgrade``).
    """
    every = list(entries)
    created = [entry for entry in every if _is_of(entry, manager, "Update")]
    if not created:
        return None
    applied = [entry for entry in every if _is_of(entry, manager, "Apply")]
    fields: dict[str, Any] = {}
    for entry in (*applied, *created):
        fields = _union(fields, entry.get("fieldsV1") or {})
    newest = (applied or created)[-1]
    others = [entry for entry in every if entry not in created and entry not in applied]
    return [{**newest, "operation": "Apply", "fieldsV1": fields}, *others]


def _is_of(entry: Object, manager: str, operation: str) -> bool:
    return (
        entry.get("manager") == manager
        and entry.get("operation") == operation
        and not entry.get("subresource")
    )


def _union(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return {key: _union(one.get(key, {}), other.get(key, {})) for key in {**one, **other}}
