"""How fast requests are sent: a token bucket, and pauses that the API server asks for.

A client that goes on while the server refuses it with 429 makes it worse for all. So a Retry-After
pauses every request of the process but watches and those for the Lease, not only the one that was
refused. Requests that wait are served in turn by namespace, as the server's own priority and
fairness does: those of one platform do not delay another's for long.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Final

#: The API server asks for a second. A longer pause than this one could stop the whole operator.
_LONGEST_PAUSE: Final = 30.0
#: What a token may lack, as times are rounded.
_ROUNDING: Final = 1e-6


@dataclass(frozen=True)
class Rate:
    """Requests each second, and how many may be sent at once after a quiet time.

    ``per_second`` 0: no limit.
    """

    per_second: float
    burst: int


UNLIMITED: Final = Rate(0.0, 1)


@dataclass
class TokenBucket:
    """A token for each request, refilled at a rate. Has no clock; ``now`` never goes back."""

    rate: Rate
    _tokens: float = field(init=False)
    _at: float = field(default=0.0, init=False)
    _paused_until: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        """It begins full."""
        self._tokens = float(self.rate.burst)

    def take(self, now: float) -> bool:
        """Take a token if there is one."""
        if self.seconds_until_token(now) > 0:
            return False
        self._tokens -= 1
        return True

    def seconds_until_token(self, now: float) -> float:
        """How long it takes until there is a token; 0: there is one."""
        if now < self._paused_until:
            return self._paused_until - now
        if not self.rate.per_second:
            self._tokens = 1.0
            return 0.0
        self._tokens += max(0.0, now - self._at) * self.rate.per_second
        self._tokens = min(self._tokens, float(self.rate.burst))
        self._at = now
        missing = 1 - self._tokens
        return missing / self.rate.per_second if missing > _ROUNDING else 0.0

    def pause(self, seconds: float, now: float) -> None:
        """Give no token for a while. Then the bucket is empty: no burst follows a pause."""
        until = now + min(seconds, _LONGEST_PAUSE)
        self._paused_until = max(self._paused_until, until)
        self._tokens, self._at = 0.0, self._paused_until


class RateLimiter:
    """Lets requests through at the rate of a bucket, a namespace after another."""

    def __init__(self, rate: Rate) -> None:
        """``rate``: of all requests together."""
        self._bucket = TokenBucket(rate)
        #: Namespace → its requests that wait; the namespace whose turn is next comes first.
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def wait(self, namespace: str) -> float:
        """Wait for the turn of a request; return the seconds that it took."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        if not self._waiting and self._bucket.take(began):
            return 0.0
        turn = loop.create_future()
        self._waiting.setdefault(namespace, deque()).append(turn)
        self._serve()
        await turn
        return loop.time() - began

    def pause(self, seconds: float) -> None:
        """Send nothing for so long, as the API server asks for."""
        self._bucket.pause(seconds, asyncio.get_running_loop().time())

    def _serve(self) -> None:
        """Let requests through while there are tokens; come back when there is the next one."""
        loop = asyncio.get_running_loop()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiting:
            namespace = next(iter(self._waiting))
            turns = self._waiting[namespace]
            if turns[0].done():  # cancelled: its task waits no longer
                turns.popleft()
            elif self._bucket.take(loop.time()):
                turns.popleft().set_result(None)
                self._waiting[namespace] = self._waiting.pop(namespace)
            else:
                seconds = self._bucket.seconds_until_token(loop.time())
                self._timer = loop.call_later(seconds, self._serve)
                return
            if not turns:
                del self._waiting[namespace]
