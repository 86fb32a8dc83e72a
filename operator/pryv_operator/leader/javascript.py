"""JavaScript's texts of values and order of properties, as the leader (a Node.js program) has them.

``stringify`` is what the leader substitutes for every value that is not a string.
Source: ECMAScript, JSON.stringify (well-formed), Number::toString and OrdinaryOwnPropertyKeys.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from json.encoder import encode_basestring
from typing import Any, Final

import rfc8785

#: What an element of a list or a map counts against a limit, besides its characters.
ELEMENT_COST: Final = 8

_CONTAINERS: Final = (list, tuple, dict, Mapping)
#: Looked up by exact type first: asking whether something is a Mapping is slow.
_SCALARS: Final = frozenset({str, int, float, bool, type(None)})
_SAFE_INTEGER: Final = 2**53 - 1
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_DIGITS: Final = frozenset("0123456789")


class TooLongError(Exception):
    """The text would be longer than the limit."""


class CircularError(ValueError):
    """The value contains itself."""


def stringify(value: Any, limit: int | None = None) -> str:
    """A value as ``JSON.stringify`` writes it.

    Values are None, bool, int, float, str, datetime (UTC if without a zone), and lists and maps of
    these. With a ``limit`` (characters) a longer text is never built: a small value can be a huge
    text, as YAML's aliases put one object in many places. Each element counts as ``ELEMENT_COST``
    more characters.

    Raises:
        TooLongError: the text is longer than ``limit``.
        CircularError: the value contains itself.
        TypeError: a value that JSON does not know, or a map with a key that is not a string.
    """
    kind = type(value)
    if kind in _SCALARS or not isinstance(value, _CONTAINERS):
        text = _quoted(value) if kind is str else _scalar(value)
        if limit is not None and len(text) > limit:
            raise TooLongError
        return text
    return _container(value, sys.maxsize if limit is None else limit)


def well_formed(text: str) -> str:
    """The text as JavaScript writes it in UTF-8: pairs of surrogates joined, lone ones U+FFFD."""
    if text.isascii():
        return text
    try:
        text.encode()  # ten times as fast as a search
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def property_order(names: Iterable[str]) -> list[str]:
    """Names in the order of a JavaScript object's properties: array indices first, by number."""
    given = list(names)
    indices = [name for name in given if name[:1] in _DIGITS and _is_array_index(name)]
    if not indices:
        return given
    chosen = set(indices)
    return sorted(indices, key=int) + [name for name in given if name not in chosen]


def number_text(number: float) -> str:
    """A number as JavaScript's ``String(number)`` writes it; every number is a double there."""
    try:
        double = float(number)
    except OverflowError:
        return "Infinity" if number > 0 else "-Infinity"
    if not math.isfinite(double):
        return "NaN" if math.isnan(double) else "Infinity" if double > 0 else "-Infinity"
    return rfc8785.dumps(double).decode()


def iso_string(moment: datetime) -> str:
    """A time as ``Date.toISOString`` writes it; one without a zone is UTC."""
    utc = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return f"{utc.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def _container(root: Any, room: int) -> str:
    """The text of a list or a map, at most ``room`` characters long.

    Without recursion, as values may be nested deeper than Python's stack allows.
    """
    pieces: list[str] = []
    #: The containers around the current one.
    outer: list[tuple[Any, Iterator[Any]]] = []
    inside: set[int] = {id(root)}
    current, rest = root, _opened(root, pieces)
    while True:
        is_map = type(current) is dict or isinstance(current, Mapping)
        for child in rest:
            if is_map:
                text = _quoted(child) + ":"
                pieces.append(text)
                room -= len(text)
                child = current[child]  # noqa: PLW2901 - a map is iterated by its keys
            room -= ELEMENT_COST
            kind = type(child)
            if kind not in _SCALARS and isinstance(child, _CONTAINERS):
                if id(child) in inside:
                    raise CircularError("the value contains itself")
                inside.add(id(child))
                outer.append((current, rest))
                current, rest = child, _opened(child, pieces)
                break
            text = _quoted(child) if kind is str else _scalar(child)
            pieces.append(text)
            pieces.append(",")
            room -= len(text)
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
    if type(container) is dict or isinstance(container, Mapping):
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
        return f'"{iso_string(value)}"'
    raise TypeError(f"{type(value).__name__} is not a type of JSON")


def _quoted(text: str) -> str:
    if not text.isascii() and _SURROGATE.search(text):
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
        return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", encode_basestring(text))
    return encode_basestring(text)


def _is_array_index(name: str) -> bool:
    canonical = name == "0" or (
        name[0] != "0" and len(name) <= 10 and name.isascii() and name.isdigit()
    )
    return canonical and int(name) < 2**32 - 1
