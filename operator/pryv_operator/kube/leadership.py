"""Whether this process may write: checked against the clock directly before every request."""

from __future__ import annotations

import time
from collections.abc import Callable

from pryv_operator.kube import metrics
from pryv_operator.kube.errors import NotLeaderError

#: Seconds of a clock that never goes back.
Clock = Callable[[], float]


def boot_seconds() -> float:
    """Seconds since boot (CLOCK_BOOTTIME).

    It goes on while the process is frozen and while the machine sleeps, and nobody sets it.
    """
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Leadership:
    """Whether the lease is still valid.

    It is, for ``seconds`` counted from the moment before the last successful renewal was sent.
    """

    def __init__(self, seconds: float | None = None, clock: Clock = boot_seconds) -> None:
        """``seconds`` None: there is no leader election, and this process may always write."""
        self._seconds = seconds
        self._clock = clock
        self._ended = False
        self.renewed_at: float | None = None
        metrics.LEADER.set(seconds is None)

    def renewed(self, sent: float) -> None:
        """Record a successful renewal; ``sent``: the clock's time before it was sent."""
        self.renewed_at = sent
        metrics.LEADER.set(not self._ended)

    def end(self) -> None:
        """Refuse every write from now on: the lease is about to be released."""
        self._ended = True
        metrics.LEADER.set(0)

    def check_write(self) -> None:
        """Check that this process is certainly the leader.

        Raises:
            NotLeaderError: this process is not the leader, or cannot be sure.
        """
        self.check_any()
        if self._seconds is not None and (self._ended or self.renewed_at is None):
            raise NotLeaderError("not the leader: write refused")

    def check_any(self) -> None:
        """Check that no leadership was lost: a former leader sends no request of any kind.

        Raises:
            NotLeaderError: this process was the leader, and another one may be by now.
        """
        if (
            self._seconds is not None
            and self.renewed_at is not None
            and self._clock() - self.renewed_at >= self._seconds
        ):
            raise NotLeaderError(
                "the lease was not renewed in time; another operator may be the leader"
            )
