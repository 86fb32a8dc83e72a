"""Scalars of YAML as ``docker compose config`` prints them: ``1.10`` is ``1.1``, ``010`` is ``8``.

Compose reads a plain scalar as a null, boolean, number or time where it looks like one, and writes
it into the environment in Go's notation. Source: ``resolve`` of go.yaml.in/yaml/v4, and
``mappingValue`` of github.com/compose-spec/compose-go (``types/mapping.go``).
"""

from __future__ import annotations

import math
import re
from datetime import datetime
from decimal import Decimal
from typing import Final

NULLS: Final = ("", "~", "null", "Null", "NULL")
_BOOLEANS: Final = {
    **dict.fromkeys(("true", "True", "TRUE"), "true"),
    **dict.fromkeys(("false", "False", "FALSE"), "false"),
}
_INTEGER: Final = re.compile(
    r"(?P<sign>[-+]?)(?:0[xX](?P<hex>[0-9a-fA-F]+)|0[bB](?P<bin>[01]+)|0[oO]?(?P<oct>[0-7]+)"
    r"|(?P<dec>0|[1-9][0-9]*))",
    re.ASCII,
)
_BASES: Final = {"hex": 16, "bin": 2, "oct": 8, "dec": 10}
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_TIME: Final = re.compile(
    r"(?P<date>\d{4}-\d{1,2}-\d{1,2})"
    r"(?:(?P<gap>[Tt ])(?P<clock>\d{1,2}:\d{1,2}:\d{1,2})(?P<fraction>\.\d{1,9})?"
    r"(?P<zone>Z|[-+]\d\d:\d\d)?)?",
    re.ASCII,
)
#: Decimal exponents of floats that Go's ``%v`` writes without one.
_PLAIN_EXPONENTS: Final = range(-4, 6)


class PlainScalar(str):
    """The text of a scalar without quotes, which YAML may read as a number or boolean."""

    __slots__ = ()


def printed(text: str) -> str:
    """The text that compose prints for a scalar that is no null."""
    if not isinstance(text, PlainScalar) or not text:
        return text
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if text[0] not in "+-.0123456789" or text.startswith("._"):
        return str(text)
    return _time(text) or _number(text.replace("_", "")) or str(text)


def _number(text: str) -> str | None:
    integer = _INTEGER.fullmatch(text)
    if integer and text != "-0":
        base, digits = next(
            (base, integer[name]) for name, base in _BASES.items() if integer[name] is not None
        )
        # Longer numbers are floats, and Python limits the digits of integers.
        value = int(integer["sign"] + digits, base) if len(digits.lstrip("0")) <= 64 else 2**64
        if -(2**63) <= value < (2**63 if integer["sign"] else 2**64):
            return str(value)
    if not _FLOAT.fullmatch(text):
        return None
    number = float(text)
    return None if math.isinf(number) else _go_float(number)


def _go_float(number: float) -> str:
    """A float as Go's ``%v`` writes it: the shortest digits, with an exponent from 1e+06 on."""
    sign, places, _ = Decimal(repr(number)).as_tuple()
    exponent = Decimal(repr(number)).adjusted()
    digits = "".join(map(str, places)).rstrip("0") or "0"
    minus = "-" if sign else ""
    if number == 0:
        return f"{minus}0"
    if exponent not in _PLAIN_EXPONENTS:
        fraction = f".{digits[1:]}" if len(digits) > 1 else ""
        return f"{minus}{digits[0]}{fraction}e{'-' if exponent < 0 else '+'}{abs(exponent):02}"
    if exponent < 0:
        return f"{minus}0.{'0' * (-exponent - 1)}{digits}"
    return (
        f"{minus}{digits[: exponent + 1].ljust(exponent + 1, '0')}.{digits[exponent + 1 :]}".rstrip(
            "."
        )
    )


def _time(text: str) -> str | None:
    """A time as Go's ``time.Time`` prints it; None if it is no valid one."""
    match = _TIME.fullmatch(text)
    # Go reads a zone after "T" only, where it requires one.
    if not match or (match["gap"] in ("T", "t")) != bool(match["zone"]):
        return None
    clock = match["clock"] or "0:0:0"
    try:
        year, month, day = map(int, match["date"].split("-"))
        hour, minute, second = map(int, clock.split(":"))
        moment = datetime(year, month, day, hour, minute, second)
    except ValueError:
        return None
    zone = (match["zone"] or "Z").replace(":", "")
    utc = zone in ("Z", "+0000", "-0000")
    fraction = (match["fraction"] or "").rstrip("0").rstrip(".")
    shown = "+0000 UTC" if utc else f"{zone} {zone}"
    return f"{moment.isoformat(' ')}{fraction} {shown}"
