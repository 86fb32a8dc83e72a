"""Whether this process may write: checked against the clock directly before every request."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from pryv_operator.kube import metrics
from pryv_operator.kube.errors import NotLeaderError
from pryv_operator.kube.shards import Shards

#: Seconds of a clock that never goes back.
Clock = Callable[[], float]


def boot_seconds() -> float:
    """Seconds since boot (CLOCK_BOOTTIME).

    It goes on while the process is frozen and while the machine sleeps, and nobody sets it.
    """
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class WriteGuard(Protocol):
    """Decides whether a request may be sent, directly before it is."""

    def check_write(self, namespace: str) -> None:
        """Check that this process certainly leads a namespace; empty: what has none.

        Raises:
            NotLeaderError: it does not, or cannot be sure.
        """

    def check_shard(self, shard: int) -> None:
        """Check that this process certainly leads a shard.

        Raises:
            NotLeaderError: it does not, or cannot be sure.
        """

    def check_any(self) -> None:
        """Check that no leadership was lost: a former leader sends no request of any kind.

        Raises:
            NotLeaderError: this process was the leader, and another one may be by now.
        """


def _show(leads: bool) -> None:
    metrics.LEADER.set(leads)
    metrics.SHARD_LEADER.labels("0").set(leads)


class Leadership:
    """Whether the lease is still valid.

    It is, for ``seconds`` counted from the moment before the last successful renewal was sent.
    """

    def __init__(
        self,
        seconds: float | None = None,
        clock: Clock = boot_seconds,
        show: Callable[[bool], None] = _show,
    ) -> None:
        """No lease is held yet.

        Args:
            seconds: None: there is no leader election, and this process may always write.
            clock: the clock that ``seconds`` are counted by.
            show: called with whether it leads, for the metrics.
        """
        self._seconds = seconds
        self._clock = clock
        self._show = show
        self._ended = False
        self.renewed_at: float | None = None
        show(seconds is None)

    def renewed(self, sent: float) -> None:
        """Record a successful renewal; ``sent``: the clock's time before it was sent."""
        self.renewed_at = sent
        self._show(not self._ended)

    def end(self) -> None:
        """Refuse every write from now on: the lease is about to be released."""
        self._ended = True
        self._show(False)

    @property
    def leads(self) -> bool:
        """Whether a write would be admitted now."""
        if self._seconds is None:
            return True
        return not self._ended and self.renewed_at is not None and not self._expired()

    def admits(self, namespace: str) -> bool:  # noqa: ARG002 - all of them
        """Whether platforms of a namespace are to be reconciled here."""
        return True

    def check_write(self, namespace: str = "") -> None:  # noqa: ARG002 - all of them
        """Check that this process is certainly the leader.

        Raises:
            NotLeaderError: this process is not the leader, or cannot be sure.
        """
        self.check_any()
        if self._seconds is not None and (self._ended or self.renewed_at is None):
            raise NotLeaderError("not the leader: write refused")

    def check_shard(self, shard: int) -> None:  # noqa: ARG002 - there is one
        """Check that this process is certainly the leader.

        Raises:
            NotLeaderError: this process is not the leader, or cannot be sure.
        """
        self.check_write()

    def check_any(self) -> None:
        """Check that no leadership was lost: a former leader sends no request of any kind.

        Raises:
            NotLeaderError: this process was the leader, and another one may be by now.
        """
        if self._expired():
            raise NotLeaderError(
                "the lease was not renewed in time; another operator may be the leader"
            )

    def _expired(self) -> bool:
        return (
            self._seconds is not None
            and self.renewed_at is not None
            and self._clock() - self.renewed_at >= self._seconds
        )


class ShardedLeadership:
    """Which shards this process leads.

    A write needs two valid leases: that of the shard, and that of the number of shards. The latter
    keeps operators apart that divide the namespaces differently.
    """

    def __init__(self, shards: Shards, seconds: float, clock: Clock = boot_seconds) -> None:
        """No shard is led yet. ``seconds``: how long a renewal is valid."""
        self.shards = shards
        self._seconds = seconds
        self._clock = clock
        self._closing: set[int] = set()
        self._of_shard: dict[int, Leadership] = {}
        self._of_number = self.stand_for_number()
        for shard in range(shards.count):
            self.stand_for(shard)

    def stand_for_number(self) -> Leadership:
        """A new candidacy for the Lease of the number of shards."""
        self._of_number = Leadership(self._seconds, self._clock, lambda _: None)
        return self._of_number

    def stand_for(self, shard: int) -> Leadership:
        """A new candidacy for a shard, after the last one has ended."""

        def show(leads: bool) -> None:
            metrics.SHARD_LEADER.labels(str(shard)).set(leads)
            others = (each for at, each in self._of_shard.items() if at != shard)
            metrics.LEADER.set(leads or any(each.leads for each in others))

        self._closing.discard(shard)
        self._of_shard[shard] = Leadership(self._seconds, self._clock, show)
        return self._of_shard[shard]

    def may_lead(self) -> bool:
        """Whether the number of shards is certainly ours, so that a shard may be acquired."""
        return self._of_number.leads

    def close(self, shard: int) -> None:
        """Take no further work of a shard, which is about to be handed over."""
        self._closing.add(shard)

    def leads(self, shard: int) -> bool:
        """Whether this process leads a shard, and intends to go on."""
        return shard not in self._closing and self._of_number.leads and self._of_shard[shard].leads

    def leads_any(self) -> bool:
        """Whether it has become the leader of a shard, and has not handed that over."""
        return any(each.renewed_at is not None for each in self._of_shard.values())

    def admits(self, namespace: str) -> bool:
        """Whether platforms of a namespace are to be reconciled here."""
        return self.leads(self.shards.of(namespace))

    def check_write(self, namespace: str) -> None:
        """Check that this process certainly leads the shard of a namespace.

        Raises:
            NotLeaderError: it does not, or cannot be sure.
        """
        self.check_shard(self.shards.of(namespace))

    def check_shard(self, shard: int) -> None:
        """Check that this process certainly leads a shard.

        Raises:
            NotLeaderError: it does not, or cannot be sure.
        """
        self.check_any()
        if not (self._of_number.leads and self._of_shard[shard].leads):
            raise NotLeaderError(f"not the leader of shard {shard}: write refused")

    def check_any(self) -> None:
        """Check that no leadership was lost: a former leader sends no request of any kind.

        Raises:
            NotLeaderError: this process led a shard, and another one may by now.
        """
        for each in self._of_shard.values():
            each.check_any()
        if self.leads_any():
            self._of_number.check_any()
