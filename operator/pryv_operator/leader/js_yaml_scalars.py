"""The types that js-yaml 4 gives to scalars: null, booleans, numbers, timestamps, strings.

Source: js-yaml 4.1.0, the version that the leader locks (``lib/type/*.js``). Later versions of 4
read numbers with underscores, and those beyond JavaScript's range, as texts.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable, Hashable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pryv_operator.leader.javascript import number_text

TAG_PREFIX: Final = "tag:yaml.org,2002:"

#: Underscores are allowed inside, and never last.
_INTEGER: Final = re.compile(
    r"([-+]?)(?:0b([01_]+)|0o([0-7_]+)|0x([0-9a-fA-F_]+)|([0-9][0-9_]*))(?<!_)", re.ASCII
)
_FLOAT: Final = re.compile(
    r"([-+]?[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9_]+)(?:[eE]([-+]?[0-9]+))?(?<!_)", re.ASCII
)
_INFINITY: Final = re.compile(r"([-+]?)\.(?:inf|Inf|INF)")
_NAN: Final = re.compile(r"\.(?:nan|NaN|NAN)")
_DATE: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})", re.ASCII)
_TIMESTAMP: Final = re.compile(
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})"
    r"(?:[Tt]|[ \t]+)([0-9]{1,2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]*))?"
    r"(?:[ \t]*(?:Z|([-+])([0-9]{1,2})(?::([0-9]{2}))?))?",
    re.ASCII,
)
#: Numbers and timestamps begin with one of these.
_BEGIN_NUMBERS: Final = frozenset("+-.0123456789")
#: Digits of a number that is exact in JavaScript, too.
_SHORT_NUMBER: Final = 15
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS: Final = {
    text: value
    for value in (True, False)
    for text in (str(value), str(value).lower(), str(value).upper())
}


class ScalarError(Exception):
    """A scalar that has no value; the message holds nothing of its text."""


class _NotOfThisTypeError(Exception):
    """The text is not a value of the type asked for."""


def plain_scalar(text: str) -> Any:
    """The value of an unquoted scalar without a tag: of the first type that fits, else a string.

    Raises:
        ScalarError: a timestamp is out of Python's range.
    """
    if text and text[0] not in _BEGIN_NUMBERS and text not in _NULLS and text not in _BOOLEANS:
        return text
    if text.isdigit() and text.isascii() and len(text) <= _SHORT_NUMBER:
        return int(text)
    for read in (_null, _boolean, _integer, _float):
        try:
            return read(text)
        except _NotOfThisTypeError:
            continue
    try:
        return _timestamp(text)
    except _NotOfThisTypeError:
        return text
    except OverflowError:
        raise ScalarError("date out of range") from None


def tagged_scalar(text: str, tag: str, *, has_style: bool) -> Any:
    """The value of a scalar with a tag; ``has_style``: it is quoted, or a block scalar.

    Raises:
        ScalarError: the tag is unknown, or the text is not a value of its type.
    """
    if not text and not has_style and tag in _EMPTY:
        return copy.copy(_EMPTY[tag])
    if tag in {"!", TAG_PREFIX + "str"}:
        return text
    name = tag.removeprefix(TAG_PREFIX)
    read = _READERS.get(name)
    if read is None:
        raise ScalarError("YAML tag not supported")
    try:
        return read(text)
    except (_NotOfThisTypeError, OverflowError):
        raise ScalarError(f"not a valid {name}, as its tag declares") from None


def key_text(value: Hashable) -> str:
    """A scalar as a key of a map, as JavaScript writes it."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    assert isinstance(value, (int, float))  # noqa: S101 - for the type checker
    return number_text(value)


def _null(text: str) -> None:
    if text not in _NULLS:
        raise _NotOfThisTypeError


def _boolean(text: str) -> bool:
    if text not in _BOOLEANS:
        raise _NotOfThisTypeError
    return _BOOLEANS[text]


def _integer(text: str) -> int | float:
    """An integer, infinite beyond JavaScript's numbers."""
    found = _INTEGER.fullmatch(text)
    if not found:
        raise _NotOfThisTypeError
    sign = found[1]
    binary, octal, hexadecimal, decimal = (
        part.replace("_", "") if part else "" for part in found.groups()[1:]
    )
    if decimal:
        # Through float: JavaScript has doubles only, and Python limits the digits of a decimal int.
        number: int | float = int(decimal) if len(decimal) <= 300 else float(decimal)
    elif binary or octal or hexadecimal:
        number = int(binary or octal or hexadecimal, 2 if binary else 8 if octal else 16)
    else:
        raise _NotOfThisTypeError
    try:
        float(number)
    except OverflowError:
        number = math.inf
    return -number if sign == "-" else number


def _float(text: str) -> float:
    """A number with a point or an exponent, as ``parseFloat`` reads it without underscores."""
    if found := _FLOAT.fullmatch(text):
        mantissa = found[1].replace("_", "")
        if mantissa == ".":
            return math.nan
        return float(f"{mantissa}e{found[2]}" if found[2] else mantissa)
    if _NAN.fullmatch(text):
        return math.nan
    if infinity := _INFINITY.fullmatch(text):
        return -math.inf if infinity[1] == "-" else math.inf
    raise _NotOfThisTypeError


def _timestamp(text: str) -> datetime:
    """A UTC time; months, days and hours beyond their range carry over, as in ``Date.UTC``."""
    found = _DATE.fullmatch(text) or _TIMESTAMP.fullmatch(text)
    if not found:
        raise _NotOfThisTypeError
    year, month, day, hour, minute, second = (
        int(part or 0) for part in (*found.groups(), *[None] * 7)[:6]
    )
    fraction, sign, offset_hours, offset_minutes = (*found.groups(), *[None] * 7)[6:10]
    year += 1900 if year < 100 else 0
    year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    since = timedelta(
        days=day - 1,
        hours=hour,
        minutes=minute,
        seconds=second,
        milliseconds=int((fraction or "0")[:3].ljust(3, "0")),
    )
    offset = timedelta(hours=int(offset_hours or 0), minutes=int(offset_minutes or 0))
    try:
        return datetime(year, month, 1, tzinfo=UTC) + since - (-offset if sign == "-" else offset)
    except ValueError:
        raise OverflowError from None


#: The value of an empty scalar, by its tag.
_EMPTY: Final[Mapping[str, Any]] = {"!": None, TAG_PREFIX + "seq": [], TAG_PREFIX + "map": {}}
_READERS: Final[Mapping[str, Callable[[str], Any]]] = {
    "null": _null,
    "bool": _boolean,
    "int": _integer,
    "float": _float,
    "timestamp": _timestamp,
}
