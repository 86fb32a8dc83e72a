"""Leader election for each shard: every process is a candidate for all of them.

A process leads several shards while others are missing, and hands some over when they return. The
Lease without a number is held by the number of shards, under an identity that all processes with
the same number share: processes with another one wait until nobody renews it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.leadership import Clock, ShardedLeadership, boot_seconds
from pryv_operator.kube.lease import Election, LeaderElection, LeaseState, Timing, free_for
from pryv_operator.kube.members import Members
from pryv_operator.kube.shards import assign_shards, holder_of_number, lease_name

log = logging.getLogger(__name__)

#: A shard that nobody has acquired for this share of the lease's duration is for everybody.
_GRACE: Final = 0.05
#: A shard is handed over if that was due for so many reads of who takes part: they may be late.
_STEADY: Final = 2
#: Leases are read at least so often, as a share of their duration.
_LONGEST_RETRY: Final = 0.1

#: Called when a shard is led from now on.
OnAcquired = Callable[[int], None]
#: Ends all work on a shard that is about to be handed over.
Drain = Callable[[int], Coroutine[Any, Any, None]]


def _slower(timing: Timing, count: int) -> Timing:
    """Read less often the more shards there are: of most, nothing changes for weeks."""
    retry = min(_LONGEST_RETRY * timing.duration, timing.retry * (1 + count))
    return replace(timing, retry=max(timing.retry, retry))


@dataclass
class _Candidacy:
    """This process as a candidate for a shard. ``successor``: whom it hands the shard over to."""

    election: LeaderElection
    successor: asyncio.Future[str] = field(default_factory=asyncio.Future)


class ShardElections:
    """This process as a candidate for all shards. ``leading`` is set once it leads one."""

    def __init__(
        self,
        client: KubeClient,
        election: Election,
        leadership: ShardedLeadership,
        on_acquired: OnAcquired,
        drain: Drain,
        clock: Clock = boot_seconds,
    ) -> None:
        """``client`` checks ``leadership`` before it writes."""
        self._client = client
        timing = _slower(election.timing, leadership.shards.count)
        self._election = replace(election, timing=timing)
        self._leadership = leadership
        self._count = leadership.shards.count
        self._on_acquired = on_acquired
        self._drain = drain
        self._clock = clock
        self._members = Members(election.identity, timing.expiry(timing.duration))
        self._number: LeaderElection | None = None
        self._candidacies: dict[int, _Candidacy] = {}
        self.leading = asyncio.Event()

    async def run(self) -> None:
        """Acquire, renew, hand over; returns when a lease is lost, and must not be run again."""
        await _first(
            self._stand_for_number(),
            self._rebalance(),
            *(self._stand_for(shard) for shard in range(self._count)),
        )

    async def release(self) -> None:
        """Let others take over at once. Call it after ``run`` was cancelled.

        Nothing may be written afterwards.
        """
        self._members.leave()
        if self._number:
            # It is shared, so it is not given up; but others learn that this process has left.
            await self._number.release(to=holder_of_number(self._count))
        assigned = self._assigned() or {}
        await asyncio.gather(
            *(
                each.election.release(to=assigned.get(shard, ""))
                for shard, each in self._candidacies.items()
            )
        )

    async def _stand_for_number(self) -> None:
        """Hold the Lease of the number of shards; returns when it is lost while shards are led."""
        identity = holder_of_number(self._count)
        while True:
            self._number = LeaderElection(
                self._client,
                replace(self._election, identity=identity),
                self._leadership.stand_for_number(),
                self._clock,
                members=self._members,
            )
            await self._number.run()
            if self._leadership.leads_any():
                return
            log.warning("lease %s lost; standing again, as no shard is led", self._election.name)

    async def _stand_for(self, shard: int) -> None:
        """Lead a shard, hand it over, and stand for it again; returns when its lease is lost."""
        election = replace(self._election, name=lease_name(self._election.name, shard))
        while True:
            candidacy = _Candidacy(
                LeaderElection(
                    self._client,
                    election,
                    self._leadership.stand_for(shard),
                    self._clock,
                    may_acquire=partial(self._may_acquire, shard),
                )
            )
            self._candidacies[shard] = candidacy
            renewing = asyncio.create_task(candidacy.election.run())
            try:
                await _first(_ended(renewing), candidacy.election.leading.wait())
                if renewing.done():
                    return renewing.result()
                self.leading.set()
                self._on_acquired(shard)
                await _first(_ended(renewing), _ended(candidacy.successor))
                if renewing.done():
                    return renewing.result()
                successor = candidacy.successor.result()
                log.info("shard %d: handing over to %s", shard, successor)
                self._leadership.close(shard)
                # The lease is renewed meanwhile: what is in progress may still write.
                await _first(_ended(renewing), self._drain(shard))
                if renewing.done():
                    return renewing.result()
            finally:
                renewing.cancel()
                await asyncio.gather(renewing, return_exceptions=True)
            await candidacy.election.release(to=successor)

    async def _rebalance(self) -> None:
        """Hand over what others should lead."""
        due: Counter[tuple[int, str]] = Counter()
        while True:
            await asyncio.sleep(self._election.timing.retry)
            moves = {
                (shard, member)
                for shard, member in (self._assigned() or {}).items()
                if member != self._election.identity and self._leadership.leads(shard)
            }
            due = Counter({move: due[move] + 1 for move in moves})
            for shard, member in moves:
                successor = self._candidacies[shard].successor
                if due[shard, member] >= _STEADY and not successor.done():
                    successor.set_result(member)

    def _may_acquire(self, shard: int, state: LeaseState, now: float) -> bool:
        """Whether this process should acquire a shard that is free."""
        if not self._leadership.may_lead():
            return False
        if state.holder == self._election.identity:  # it was handed over to us
            return True
        timing = self._election.timing
        if free_for(state, now, timing) >= _GRACE * timing.duration:
            return True
        return (self._assigned() or {}).get(shard) == self._election.identity

    def _assigned(self) -> dict[int, str] | None:
        """Shard → the process that should lead it; None while the holder of one is not known.

        Once this process has left, what it leads is free, and what is not known does not matter.
        """
        holders = {shard: each.election.holder() for shard, each in self._candidacies.items()}
        members = self._members.live(self._clock())
        left = self._election.identity not in members
        if not left and (len(holders) < self._count or None in holders.values()):
            return None
        free = {None, "", self._election.identity if left else ""}
        led = {shard: holder for shard, holder in holders.items() if holder and holder not in free}
        return assign_shards(self._count, led, members)


async def _ended(future: asyncio.Future[Any]) -> None:
    """Wait for a task or future that is not to be cancelled with the waiting."""
    await asyncio.wait({future})


async def _first(*coroutines: Coroutine[Any, Any, Any]) -> None:
    """Run coroutines until one of them ends; the others are cancelled.

    Raises:
        Exception: what the one that ended has raised.
    """
    tasks = [asyncio.create_task(each) for each in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
