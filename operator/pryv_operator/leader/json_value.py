"""The type of a JSON value, and what Python's types leave open about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias, TypeGuard

#: A JSON value. Sequence and Mapping rather than list and dict, so that ``dict[str, str]`` fits.
Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether a value is a JSON number; Python's booleans are integers, JSON's are not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)
