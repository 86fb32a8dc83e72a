"""What the schema of the CRD refuses in a resource, in the words of the API server. Pure.

No message quotes a value: some are secrets, by mistake.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

#: Type of a schema → Python's types of it; a bool is no number.
_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "array": (list,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "object": (dict,),
    "string": (str,),
}


@dataclass(frozen=True)
class SchemaErrors:
    """Messages: fields that the schema lacks, and values of the wrong type or missing ones."""

    unknown: tuple[str, ...] = ()
    invalid: tuple[str, ...] = field(default=())


def schema_errors(value: Any, schema: Mapping[str, Any], path: str) -> SchemaErrors:
    """Everything that a structural schema refuses in a value, except for patterns and limits.

    Fields that are null count as omitted, as the API server drops them where they are nullable.
    """
    found = list(_errors(value, schema, path))
    return SchemaErrors(
        tuple(text for unknown, text in found if unknown),
        tuple(text for unknown, text in found if not unknown),
    )


def _errors(value: Any, schema: Mapping[str, Any], path: str) -> Iterator[tuple[bool, str]]:
    """Whether it is an unknown field, and the message."""
    if value is None:
        return
    expected = schema.get("type")
    if expected is None or schema.get("x-kubernetes-int-or-string"):
        return
    if not _is_of(value, expected):
        got = _type_of(value)
        text = f'{path}: Invalid value: "{got}": {path} in body must be of type {expected}: "{got}"'
        yield False, text
    elif schema.get("enum") and value not in schema["enum"]:
        allowed = ", ".join(f'"{each}"' for each in schema["enum"])
        yield False, f"{path}: Unsupported value: supported values: {allowed}"
    elif isinstance(value, dict):
        yield from _object_errors(value, schema, path)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _errors(item, schema.get("items") or {}, f"{path}[{index}]")


def _object_errors(
    value: Mapping[Any, Any], schema: Mapping[str, Any], path: str
) -> Iterator[tuple[bool, str]]:
    properties: Mapping[str, Any] = schema.get("properties") or {}
    required: Sequence[str] = schema.get("required") or ()
    for name in required:
        if value.get(name) is None:
            yield False, f"{path}.{name}: Required value"
    others = schema.get("additionalProperties")
    for key, item in value.items():
        if key in properties:
            yield from _errors(item, properties[key], f"{path}.{key}")
        elif isinstance(others, Mapping):
            yield from _errors(item, others, f"{path}.{key}")
        elif not others and not schema.get("x-kubernetes-preserve-unknown-fields"):
            yield True, f'unknown field "{path}.{key}"'


def _is_of(value: Any, expected: str) -> bool:
    if isinstance(value, bool):
        return expected == "boolean"
    if isinstance(value, float) and expected == "integer":
        return value.is_integer()
    return isinstance(value, _TYPES.get(expected, (object,)))


def _type_of(value: Any) -> str:
    """The type of a value, as the API server names it."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, float):
        return "number"
    return next((name for name, types in _TYPES.items() if isinstance(value, types)), "null")
