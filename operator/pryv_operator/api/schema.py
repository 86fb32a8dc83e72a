"""What JSON schema cannot say by itself: Kubernetes' extensions, written beside the field they are for."""

from __future__ import annotations

from typing import Any, Final

Schema = dict[str, Any]

RULES: Final = "x-kubernetes-validations"


def cel(*rules_and_messages: str, at: str | None = None) -> Schema:
    """Validation rules: pairs of a CEL expression and the message that says what to do.

    With ``at``, the field of this object that messages point to. A rule on a text itself makes the API server
    repeat the text in its answer: what may be a secret is judged, with ``at``, by the object around it.
    """
    pairs = zip(rules_and_messages[::2], rules_and_messages[1::2], strict=True)
    path = {"fieldPath": f".{at}"} if at else {}
    return {RULES: [{"rule": rule, "message": message, **path} for rule, message in pairs]}


def together(*rules: Schema) -> Schema:
    """Rules of one object, written apart."""
    return {RULES: [rule for each in rules for rule in each[RULES]]}


def matches(pattern: str, message: str) -> Schema:
    """A pattern (without quotes and backslashes) as a rule: what the API server says of a bare pattern is no help."""
    return cel(f"self.matches('{pattern}')", message)


def list_map(key: str) -> Schema:
    """A list whose entries are told apart by one field."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}


#: A list of values that each stand once.
SET: Schema = {"x-kubernetes-list-type": "set"}
#: A list that is replaced as a whole.
ATOMIC: Schema = {"x-kubernetes-list-type": "atomic"}


def preserve_unknown(*, items: bool = False) -> Schema:
    """Any fields: checked elsewhere (a dry run of the workload), or not at all (variables)."""
    extension = {"x-kubernetes-preserve-unknown-fields": True}
    return (
        {"items": {"type": "object", **extension}, "x-kubernetes-list-type": "atomic"}
        if items
        else extension
    )
