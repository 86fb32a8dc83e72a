"""Values as JavaScript's ``JSON.stringify`` writes them: what the leader puts in for everything that is no string.

Source: ECMAScript, JSON.stringify (well-formed) and Number::toString.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from json.encoder import encode_basestring
from typing import Any, Final

from pryv_operator.leader.platform_yml import number_text, property_order

#: What an element of a list or a map counts for beside its characters, when there is a limit.
ELEMENT_COST: Final = 8

_CONTAINERS: Final = (list, tuple, dict, Mapping)
#: Looked up by exact type first: asking whether something is a Mapping is slow.
_SCALARS: Final = frozenset({str, int, float, bool, type(None)})
_SAFE_INTEGER: Final = 2**53 - 1
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class TooLongError(Exception):
    """The text would be longer than the limit."""


class CircularError(ValueError):
    """The value contains itself."""


def stringify(value: Any, limit: int | None = None) -> str:
    """A value (None, bool, int, float, str, datetime, lists and maps of these) as ``JSON.stringify`` writes it.

    Datetimes without a zone are UTC. With a ``limit`` (characters) a longer text is never built: a small value can be a
    huge text, as YAML's aliases put one object in many places. Each element counts for ``ELEMENT_COST`` more.

    Raises:
        TooLongError: the text is longer than ``limit``.
        CircularError: the value contains itself.
        TypeError: a value that JSON does not know, or a map with a key that is no string.
    """
    if not isinstance(value, _CONTAINERS):
        text = _scalar(value)
        if limit is not None and len(text) > limit:
            raise TooLongError
        return text
    return _container(value, sys.maxsize if limit is None else limit)


def well_formed(text: str) -> str:
    """The text with surrogate pairs joined and lone surrogates replaced by U+FFFD, as they are when JavaScript writes UTF-8."""
    if not _SURROGATE.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _container(root: Any, room: int) -> str:
    """The text of a list or a map, without recursion: values may be nested deeper than Python's stack."""
    pieces: list[str] = []
    #: The containers around the current one.
    outer: list[tuple[Any, Iterator[Any]]] = []
    inside: set[int] = {id(root)}
    current, rest = root, _opened(root, pieces)
    while True:
        is_map = isinstance(current, Mapping)
        for child in rest:
            if is_map:
                pieces.append(_quoted(child) + ":")
                room -= len(pieces[-1])
                child = current[child]  # noqa: PLW2901 - a map is iterated by its keys
            room -= ELEMENT_COST
            if type(child) not in _SCALARS and isinstance(child, _CONTAINERS):
                if id(child) in inside:
                    raise CircularError("the value contains itself")
                inside.add(id(child))
                outer.append((current, rest))
                current, rest = child, _opened(child, pieces)
                break
            pieces.append(_scalar(child))
            room -= len(pieces[-1])
            pieces.append(",")
            if room < 0:
                raise TooLongError
        else:
            end = "}" if is_map else "]"
            if pieces[-1] == ",":
                pieces[-1] = end
            else:
                pieces.append(end)
            if not outer:
                return "".join(pieces)
            inside.discard(id(current))
            current, rest = outer.pop()
            pieces.append(",")
        if room < 0:
            raise TooLongError


def _opened(container: Any, pieces: list[str]) -> Iterator[Any]:
    if isinstance(container, Mapping):
        pieces.append("{")
        return iter(property_order(container))
    pieces.append("[")
    return iter(container)


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return _quoted(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if type(value) is int and -_SAFE_INTEGER <= value <= _SAFE_INTEGER:
        return str(value)
    if isinstance(value, (int, float)):
        text = number_text(value)
        return "null" if text in {"NaN", "Infinity", "-Infinity"} else text
    if isinstance(value, datetime):
        moment = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        return f'"{moment.replace(tzinfo=None).isoformat(timespec="milliseconds")}Z"'
    raise TypeError(f"JSON knows no {type(value).__name__}")


def _quoted(text: str) -> str:
    if _SURROGATE.search(text):
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
        return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", encode_basestring(text))
    return encode_basestring(text)
