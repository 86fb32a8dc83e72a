"""Computations that exceeded a limit are not tried again at once: the same input costs the same."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from pryv_operator.child_processes.limits import LimitExceededError

_FIRST_SECONDS: Final = 15.0
_LONGEST_SECONDS: Final = 900.0
#: So many are remembered, the last ones.
_REMEMBERED: Final = 1024


@dataclass
class _Exceeded:
    limit: str
    times: int = 0
    until: float = 0.0


class Backoff:
    """Remembers calls that exceeded a limit, by a digest of function and input. Has no clock."""

    def __init__(self) -> None:
        self._exceeded: OrderedDict[bytes, _Exceeded] = OrderedDict()

    def check(self, call: bytes, now: float) -> None:
        """Refuse a call that exceeded a limit a short time ago.

        Raises:
            LimitExceededError: the one that it exceeded.
        """
        found = self._exceeded.get(_digest(call))
        if found and now < found.until:
            raise LimitExceededError(found.limit, found.until - now)

    def exceeded(self, call: bytes, limit: str, now: float) -> LimitExceededError:
        """Remember a call; the error to raise, with the seconds until it may be tried again."""
        found = self._exceeded.setdefault(_digest(call), _Exceeded(limit))
        self._exceeded.move_to_end(_digest(call))
        while len(self._exceeded) > _REMEMBERED:
            self._exceeded.popitem(last=False)
        seconds = min(_LONGEST_SECONDS, _FIRST_SECONDS * 2 ** min(found.times, 10))
        found.limit, found.times, found.until = limit, found.times + 1, now + seconds
        return LimitExceededError(limit, seconds)

    def succeeded(self, call: bytes) -> None:
        """Forget a call: it was within the limits."""
        self._exceeded.pop(_digest(call), None)


def _digest(call: bytes) -> bytes:
    return hashlib.sha256(call).digest()
