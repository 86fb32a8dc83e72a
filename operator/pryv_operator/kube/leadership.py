"""Whether this process may write. A question to the clock, asked directly before every request."""

from __future__ import annotations

import time
from collections.abc import Callable

from pryv_operator.kube import metrics
from pryv_operator.kube.errors import NotLeaderError

Clock = Callable[[], float]


def boot_seconds() -> float:
    """Seconds since boot. It goes on while the process is frozen and while the machine sleeps, and nobody sets it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Leadership:
    """Leader from the first renewal on, for ``seconds`` after the moment before the last renewal that succeeded was sent."""

    def __init__(self, seconds: float | None = None, clock: Clock = boot_seconds) -> None:
        """``seconds`` None: there is no election, and this process may always write."""
        self._seconds = seconds
        self._clock = clock
        self._ended = False
        self.renewed_at: float | None = None
        metrics.LEADER.set(seconds is None)

    def renewed(self, sent: float) -> None:
        """A renewal has succeeded; ``sent`` is what the clock said before it was sent."""
        self.renewed_at = sent
        metrics.LEADER.set(not self._ended)

    def end(self) -> None:
        """Write nothing from now on: the lease is about to be released."""
        self._ended = True
        metrics.LEADER.set(0)

    def check_write(self) -> None:
        """Raises NotLeaderError unless this process is certainly the leader."""
        self.check_any()
        if self._seconds is not None and (self._ended or self.renewed_at is None):
            raise NotLeaderError("this operator is not the leader, and writes nothing")

    def check_any(self) -> None:
        """Raises NotLeaderError when this process was the leader and may be it no longer: it starts no request of any kind."""
        if (
            self._seconds is not None
            and self.renewed_at is not None
            and self._clock() - self.renewed_at >= self._seconds
        ):
            raise NotLeaderError(
                "the lease was not renewed in time: another operator may have taken over"
            )
