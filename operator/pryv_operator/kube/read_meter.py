"""How many bytes of the API server's answers a reconciliation has read, or remembered."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final


@dataclass
class Meter:
    """Bytes that were read."""

    bytes: int = 0


_METER: Final[ContextVar[Meter | None]] = ContextVar("meter", default=None)


def count_read(size: int) -> None:
    """Count what an answer has held, for the reconciliation that the running task belongs to."""
    if meter := _METER.get():
        meter.bytes += size


@contextmanager
def metered() -> Iterator[Meter]:
    """Count what is read within the context, and in tasks that are started within it."""
    meter = Meter()
    token = _METER.set(meter)
    try:
        yield meter
    finally:
        _METER.reset(token)
