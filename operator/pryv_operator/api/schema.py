"""Kubernetes' extensions of JSON schema, to write beside the field they apply to.

Source: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/
custom-resource-definitions/ (validation rules, list types, pruning).
"""

from __future__ import annotations

from typing import Any, Final

Schema = dict[str, Any]

RULES: Final = "x-kubernetes-validations"


def cel(*rules_and_messages: str, at: str | None = None) -> Schema:
    """Validation rules from pairs of a CEL expression and the message of its failure.

    ``at`` is the field of this object that messages point to. The API server quotes a string that
    breaks a rule of its own; for values that may be secret, put the rule on the object around
    them, with ``at``.
    """
    pairs = zip(rules_and_messages[::2], rules_and_messages[1::2], strict=True)
    path = {"fieldPath": at if at.startswith("[") else f".{at}"} if at else {}
    return {RULES: [{"rule": rule, "message": message, **path} for rule, message in pairs]}


def together(*schemas: Schema) -> Schema:
    """The rules of several schemas as one."""
    return {RULES: [rule for each in schemas for rule in each[RULES]]}


def matches(pattern: str, message: str) -> Schema:
    """A pattern as a rule with a message of its own, in place of the API server's.

    The pattern must not contain quotes or backslashes.
    """
    return cel(f"self.matches('{pattern}')", message)


def list_map(key: str) -> Schema:
    """A list whose entries server-side apply merges by one field."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}


#: A list of unique values.
SET: Schema = {"x-kubernetes-list-type": "set"}
#: A list that is replaced as a whole.
ATOMIC: Schema = {"x-kubernetes-list-type": "atomic"}


def preserve_unknown(*, items: bool = False) -> Schema:
    """Any fields: validated by a dry run of the workload, or by rendering (variables)."""
    extension = {"x-kubernetes-preserve-unknown-fields": True}
    return (
        {"items": {"type": "object", **extension}, "x-kubernetes-list-type": "atomic"}
        if items
        else extension
    )
