"""Durations as kubectl's flags have them: ``90s``, ``1h30m``, ``500ms``; a number is in seconds."""

from __future__ import annotations

import re
from typing import Final

_UNITS: Final = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_NUMBER: Final = r"[0-9]{1,9}(?:\.[0-9]{1,9})?"
_WHOLE: Final = re.compile(f"{_NUMBER}|(?:{_NUMBER}(?:ms|[smhd]))+", re.ASCII)
_PART: Final = re.compile(f"({_NUMBER})(ms|[smhd]|)", re.ASCII)


def seconds_of(text: str) -> float | None:
    """The seconds of a duration; None: it is not one."""
    if not _WHOLE.fullmatch(text):
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
