"""What is done to the values of a leader on their way into a resource."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pryv_operator.api import secret_variables
from pryv_operator.leader.javascript import stringify
from pryv_operator.leader.json_value import Json
from pryv_operator.templates.bundle import UNSET, VariableType
from pryv_operator.values.nested import Path, value_at

_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?", re.ASCII)


def same(left: Json, right: Json) -> bool:
    """Whether two values are one: 1 and 1.0 are, true and 1 are not; the order of keys does not matter."""
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(
            same(one, other) for one, other in zip(left, right, strict=True)
        )
    return left == right and isinstance(left, bool) == isinstance(right, bool)


def coerced(value: Json, kind: VariableType) -> Json:
    """The value in the type that is asked for, where it says the same: ``"20"`` for a number is 20."""
    if not isinstance(value, str):
        return (
            stringify(value) if kind == "string" and isinstance(value, (list, Mapping)) else value
        )
    if kind in ("number", "integer") and _NUMBER.fullmatch(value.strip()):
        number = float(value)
        return int(number) if number.is_integer() and math.fabs(number) < 2**53 else number
    if kind == "boolean" and value in ("true", "false"):
        return value == "true"
    wanted: dict[str, type] = {"object": dict, "array": list}
    if kind in wanted:
        parsed = parsed_text(value)
        return parsed if isinstance(parsed, wanted[kind]) else value
    return value


def parsed_text(value: Json) -> Json:
    """The list or map that a text is as JSON; anything else as it is."""
    if not isinstance(value, str) or value.lstrip()[:1] not in ("[", "{"):
        return value
    try:
        parsed: Any = json.loads(value)
    except (ValueError, RecursionError):
        return value
    return parsed if isinstance(parsed, (list, dict)) else value


def has_null(value: Json) -> bool:
    """Whether there is a null in a value: ``kubectl apply`` takes nulls out of a resource."""
    if isinstance(value, Mapping):
        return any(has_null(child) for child in value.values())
    return value is None or (isinstance(value, list) and any(has_null(child) for child in value))


def gaps(value: Json, path: Path = ()) -> Iterator[Path]:
    """Paths to what still waits to be filled in; the word for it may stand inside a text, or be a key."""
    if isinstance(value, str):
        if secret_variables.REPLACE_ME in value:
            yield path
    elif isinstance(value, Mapping):
        for key, child in value.items():
            yield from (
                [(*path, key)] if secret_variables.REPLACE_ME in key else gaps(child, (*path, key))
            )
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from gaps(child, (*path, str(index)))


def filled(value: Json, default: Any) -> Json:
    """The value without its gaps: what the default has stands there, else nothing."""
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
            inner = filled(child, known)
            if not (inner == {} and child != {}):
                result[key] = inner
        return result
    if isinstance(value, list):
        return [child for child in value if not any(True for _ in gaps(child))]
    return value
