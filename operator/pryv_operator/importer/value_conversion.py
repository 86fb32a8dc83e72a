"""Compares and converts the values of a leader on their way to a resource."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final

from pryv_operator.api import secret_variables
from pryv_operator.leader.javascript import stringify
from pryv_operator.leader.json_value import Json
from pryv_operator.templates.bundle import UNSET, VariableType
from pryv_operator.templates.leader_values import has_gaps
from pryv_operator.values.nested import value_at

_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?", re.ASCII)
#: Types of which null is a value, as the leader inserts it.
NULLABLE_TYPES: Final = ("object", "array", "any")
#: What the report says of such a value.
AS_JSON_TEXT: Final = "contains null, which `kubectl apply` removes; written as its JSON text"
#: Integers below this are exact in JavaScript.
_SAFE_INTEGER: Final = 2**53


def is_same(left: Json, right: Json) -> bool:
    """Whether two values are equal as JSON.

    1 equals 1.0, true does not equal 1, and the order of keys does not matter.
    """
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(is_same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(
            is_same(one, other) for one, other in zip(left, right, strict=True)
        )
    return left == right and isinstance(left, bool) == isinstance(right, bool)


def convert(value: Json, kind: VariableType) -> Json:
    """The value in a type, if that loses nothing: ``"20"`` as a number is 20; else the value."""
    if not isinstance(value, str):
        is_collection = isinstance(value, (list, Mapping))
        return stringify(value) if kind == "string" and is_collection else value
    if kind in ("number", "integer") and _NUMBER.fullmatch(value.strip()):
        number = float(value)
        is_exact = number.is_integer() and math.fabs(number) < _SAFE_INTEGER
        return int(number) if is_exact else number
    if kind == "boolean" and value in ("true", "false"):
        return value == "true"
    collections: dict[str, type] = {"object": dict, "array": list}
    if kind in collections:
        parsed: Json = secret_variables.parse_collection(value)
        is_of_kind = isinstance(parsed, collections[kind])
        return parsed if is_of_kind else value
    return value


def has_null(value: Json) -> bool:
    """Whether a value is null or contains one; ``kubectl apply`` removes nulls from a resource."""
    if isinstance(value, Mapping):
        return any(has_null(child) for child in value.values())
    return value is None or (isinstance(value, list) and any(has_null(child) for child in value))


def without_nulls(value: Json) -> Json:
    """The value without the keys of its maps that are null."""
    if isinstance(value, Mapping):
        return {key: without_nulls(child) for key, child in value.items() if child is not None}
    return [without_nulls(child) for child in value] if isinstance(value, list) else value


def fill_gaps(value: Json, default: Any) -> Json:
    """The value with its gaps filled from the default; a gap without a default is removed."""
    if isinstance(value, Mapping):
        result: dict[str, Json] = {}
        for key, child in value.items():
            known = value_at(default, (key,))
            if secret_variables.REPLACE_ME in key:
                continue
            if isinstance(child, str) and secret_variables.REPLACE_ME in child:
                if known is not UNSET:
                    result[key] = known
                continue
            inner = fill_gaps(child, known)
            if not (inner == {} and child != {}):
                result[key] = inner
        return result
    if isinstance(value, list):
        return [child for child in value if not has_gaps(child)]
    return value
