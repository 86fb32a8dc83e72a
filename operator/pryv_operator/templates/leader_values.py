"""A leader's values as JSON within limits, and which of them are not filled in."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from pryv_operator.api import secret_variables
from pryv_operator.api.messages import printable
from pryv_operator.leader.javascript import iso_string, property_order
from pryv_operator.leader.json_value import Json
from pryv_operator.leader.platform_yml import UNDEFINED, LeaderValue
from pryv_operator.templates.leader_conf import DEPTH_LIMIT, LeaderError
from pryv_operator.templates.leader_settings import LeaderSettings

#: Elements of all values together, at most: YAML's aliases make huge values of short texts.
ELEMENT_LIMIT: Final = 50_000
#: Characters of all their texts together, at most.
TEXT_LIMIT: Final = 4 * 1024 * 1024


class JsonCopier:
    """Copies leader's values as JSON; the limits hold for all copies together."""

    def __init__(self, file: str) -> None:
        """``file`` is named in errors."""
        self._file = file
        self._elements = ELEMENT_LIMIT
        self._characters = TEXT_LIMIT

    def copies(self, values: Mapping[str, LeaderValue]) -> dict[str, Json]:
        """Copies of all values that are defined.

        Raises:
            LeaderError: a limit is exceeded.
        """
        return {
            name: self.copy(name, value) for name, value in values.items() if value is not UNDEFINED
        }

    def copy(self, name: str, value: LeaderValue) -> Json:
        """The JSON value that renders to the same text; a date alone renders with its quotes.

        Raises:
            LeaderError: a limit is exceeded.
        """
        if isinstance(value, datetime):
            return f'"{iso_string(value)}"'
        return self._copy(name, value, 0)

    def _copy(self, name: str, value: Any, depth: int) -> Json:
        self._count_element(name, depth)
        if isinstance(value, str):
            self._count_characters(len(value))
            return value
        if isinstance(value, dict):
            return {key: self._copy(name, value[key], depth + 1) for key in property_order(value)}
        if isinstance(value, list):
            return [self._copy(name, item, depth + 1) for item in value]
        if isinstance(value, datetime):
            return iso_string(value)
        if isinstance(value, float) and not math.isfinite(value):
            return None
        plain: Json = value
        return plain

    def _count_element(self, name: str, depth: int) -> None:
        self._elements -= 1
        if self._elements < 0:
            raise LeaderError(f"all values together exceed {ELEMENT_LIMIT} elements", self._file)
        if depth > DEPTH_LIMIT:
            raise LeaderError(
                f"variable {printable(name)}: its value is nested deeper than {DEPTH_LIMIT} levels",
                self._file,
            )

    def _count_characters(self, count: int) -> None:
        self._characters -= count
        if self._characters < 0:
            raise LeaderError(f"all values together exceed {TEXT_LIMIT} characters", self._file)


def is_unset(name: str, value: Json, *, own_name: bool) -> bool:
    """Whether a value is not filled in: it is ``REPLACE_ME``, or (2019) the variable's own name."""
    return value == secret_variables.REPLACE_ME or (own_name and value == name)


def unset_paths(settings: LeaderSettings, values: Mapping[str, Json]) -> Iterator[str]:
    """Variables, and dotted paths into them, that are not filled in.

    ``values`` are the copies of all internals and values.
    """
    for name, value in settings.ordered.items():
        own_name = settings.generation == "2019" and name in settings.values
        if value is UNDEFINED or is_unset(name, values[name], own_name=own_name):
            yield name
        else:
            yield from (".".join((name, *path)) for path in gaps(values[name]))


def gaps(value: Json, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Paths inside a value to ``REPLACE_ME``, which may also be part of a text, or a key."""
    if isinstance(value, str):
        if secret_variables.REPLACE_ME in value:
            yield path
    elif isinstance(value, Mapping):
        for key, child in value.items():
            if secret_variables.REPLACE_ME in key:
                yield (*path, key)
            else:
                yield from gaps(child, (*path, key))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from gaps(child, (*path, str(index)))


def has_gaps(value: Json) -> bool:
    """Whether anything in a value is not filled in."""
    return any(True for _ in gaps(value))
