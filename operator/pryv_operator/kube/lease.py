"""Leader election by a Lease: acquired, renewed, released, or lost. The decision is pure.

No clock of another machine is trusted. The holder counts from the moment before it sent its last
renewal; the others count from when they first saw that renewal, which is later, and wait longer.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import enum
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final

from pryv_operator.api.kubernetes import Object
from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.errors import ApiError, ConflictError
from pryv_operator.kube.leadership import Clock, Leadership, boot_seconds
from pryv_operator.kube.members import Members
from pryv_operator.kube.resources import LEASES

log = logging.getLogger(__name__)

_RELEASE_SECONDS: Final = 1.0
_RELEASE_ATTEMPTS: Final = 3


@dataclass(frozen=True)
class Timing:
    """Seconds. ``duration``: a dead leader is replaced within it. ``retry``: poll period."""

    duration: int = 15
    retry: float = 0.5

    @property
    def renew_every(self) -> float:
        """Period of the leader's renewals."""
        return self.duration / 3

    @property
    def renew_deadline(self) -> float:
        """A leader that has not renewed for so long stops being the leader."""
        return self.duration * 2 / 3

    def expiry(self, duration: float) -> float:
        """Candidates treat a lease of ``duration`` as expired after so long without a renewal.

        That is after the holder's own deadline, and early enough to leave time for reading and
        taking the lease, on a slow API server too.
        """
        return duration * 0.8


@dataclass(frozen=True)
class LeaseState:
    """The Lease as this process last saw it. Times are of our own clock.

    ``version``: its resourceVersion, empty when it does not exist. ``since``: when that version was
    first seen. ``read_at``: when it was last read; None: it has to be read.
    """

    version: str = ""
    holder: str = ""
    duration: float = 0.0
    transitions: int = 0
    since: float = 0.0
    read_at: float | None = None


class Step(enum.Enum):
    """What to do next."""

    READ = "read"
    ACQUIRE = "acquire"
    RENEW = "renew"
    WAIT = "wait"
    LOST = "lost"


def decide_step(
    state: LeaseState, identity: str, now: float, renewed: float | None, timing: Timing
) -> Step:
    """The next step. ``renewed``: when our last renewal was sent; None: we are not the leader."""
    if renewed is not None:
        if now - renewed >= timing.renew_deadline:
            return Step.LOST
        if state.read_at is None:
            return Step.READ
        if state.holder != identity:
            return Step.LOST
        return Step.RENEW if now - renewed >= timing.renew_every else Step.WAIT
    if state.read_at is None or now - state.read_at >= timing.retry:
        return Step.READ
    # Held by us although we are not the leader: the answer to our request was lost.
    free = state.holder in ("", identity) or now - state.since >= timing.expiry(state.duration)
    return Step.ACQUIRE if free else Step.WAIT


def holder_of(state: LeaseState, now: float, timing: Timing) -> str | None:
    """Who holds the lease; empty: it is free. None: it has to be read first."""
    if state.read_at is None:
        return None
    expired = now - state.since >= timing.expiry(state.duration)
    return "" if expired else state.holder


def free_for(state: LeaseState, now: float, timing: Timing) -> float:
    """Seconds since the lease was seen to be free; negative while it is not."""
    held = timing.expiry(state.duration) if state.holder else 0.0
    return now - state.since - held


def next_state(before: LeaseState, lease: Object | None, now: float) -> LeaseState:
    """The state after the Lease was read at ``now``."""
    if lease is None:
        missing = not before.version and before.read_at is not None
        return LeaseState(since=before.since if missing else now, read_at=now)
    version = lease["metadata"]["resourceVersion"]
    if version == before.version:
        return replace(before, read_at=now)
    spec = lease.get("spec") or {}
    return LeaseState(
        version=version,
        holder=spec.get("holderIdentity") or "",
        duration=float(spec.get("leaseDurationSeconds") or 0),
        transitions=int(spec.get("leaseTransitions") or 0),
        since=now,
        read_at=now,
    )


@dataclass(frozen=True)
class Election:
    """The Lease, this process's identity (never reused), and the timing."""

    namespace: str
    name: str
    identity: str
    timing: Timing = Timing()


#: Whether a free lease, as it is at a time of our own clock, may be acquired.
MayAcquire = Callable[[LeaseState, float], bool]


class LeaderElection:
    """This process as a candidate. ``leading`` is set once it is the leader."""

    def __init__(
        self,
        client: KubeClient,
        election: Election,
        leadership: Leadership,
        clock: Clock = boot_seconds,
        *,
        may_acquire: MayAcquire = lambda _state, _now: True,
        members: Members | None = None,
    ) -> None:
        """Nothing is sent yet.

        Args:
            client: checks ``leadership`` before it writes.
            election: which Lease, and who this is.
            leadership: records renewals.
            clock: the clock that the leadership uses.
            may_acquire: asked before a free lease is acquired.
            members: who holds the lease together, under one identity; each renews it.
        """
        self._client = client
        self._namespace = election.namespace
        self._name = election.name
        self._identity = election.identity
        self._timing = election.timing
        self._leadership = leadership
        self._clock = clock
        self._may_acquire = may_acquire
        self._members = members
        self._state = LeaseState()
        self._acquired = ""
        self.leading = asyncio.Event()

    async def run(self) -> None:
        """Acquire and renew; returns when the lease is lost, and must not be run again."""
        while (step := self._decide()) is not Step.LOST:
            match step:
                case Step.READ:
                    await self._attempt(self._read())
                case Step.ACQUIRE | Step.RENEW:
                    await self._attempt(self._acquire_or_renew())
                case _:
                    await asyncio.sleep(self._pause())

    def holder(self) -> str | None:
        """Who holds the lease; empty: it is free. None: not known."""
        return holder_of(self._state, self._clock(), self._timing)

    async def release(self, to: str = "") -> None:
        """Let another operator take over at once. Call it after ``run`` was cancelled.

        Nothing may be written afterwards. ``to``: who becomes the holder; empty: anybody.
        """
        self._leadership.end()
        if not self.leading.is_set():
            return
        for _ in range(_RELEASE_ATTEMPTS):  # a renewal that was cancelled may have taken effect
            try:
                async with asyncio.timeout(_RELEASE_SECONDS):
                    await self._read()
                    if self._state.holder == self._identity:
                        await self._client.replace_lease(self._body(holder=to))
                log.info("lease %s/%s released", self._namespace, self._name)
                return
            except (ApiError, TimeoutError) as error:
                log.warning(
                    "releasing lease %s/%s failed: %s",
                    self._namespace,
                    self._name,
                    str(error) or "no answer",
                )

    def _decide(self) -> Step:
        renewed, now = self._leadership.renewed_at, self._clock()
        step = decide_step(self._state, self._identity, now, renewed, self._timing)
        if step is Step.ACQUIRE and not self._may_acquire(self._state, now):
            return Step.WAIT
        read_at = self._state.read_at
        if self._members and step in (Step.RENEW, Step.WAIT) and read_at is not None:
            # Others renew it too, and come and go: what was read before is out of date.
            return Step.READ if now - read_at >= self._timing.retry else step
        return step

    async def _attempt(self, call: Awaitable[None]) -> None:
        """Make a request with a time limit; after a failure the Lease has to be read again."""
        try:
            async with asyncio.timeout(self._request_limit()):
                await call
        except ConflictError:
            self._state = replace(self._state, read_at=None)
        except (ApiError, TimeoutError) as error:
            self._state = replace(self._state, read_at=None)
            log.warning(
                "lease %s/%s: %s; retrying", self._namespace, self._name, str(error) or "no answer"
            )
            await asyncio.sleep(self._retry_pause(getattr(error, "retry_after", None) or 0.0))

    def _retry_pause(self, retry_after: float) -> float:
        """Seconds to wait after a failure. ``retry_after``: what the server asks for.

        A leader keeps time for last attempts before its deadline.
        """
        pause = max(self._timing.retry, retry_after)
        if (renewed := self._leadership.renewed_at) is not None:
            left = self._timing.renew_deadline - (self._clock() - renewed)
            last_attempts = max(self._timing.retry, left - 2 * self._timing.retry)
            pause = min(pause, last_attempts, max(0.0, left))
        return pause

    def _request_limit(self) -> float:
        """Seconds that an answer is waited for."""
        renewed = self._leadership.renewed_at
        left = (
            self._timing.renew_deadline - (self._clock() - renewed)
            if renewed is not None
            else self._timing.renew_every
        )
        return max(0.0, min(left, self._timing.renew_every))

    def _pause(self) -> float:
        """Seconds until the next step may be due."""
        now, renewed = self._clock(), self._leadership.renewed_at
        read_at = self._state.read_at
        until_read = self._timing.retry - (now - read_at) if read_at is not None else 0.0
        if renewed is not None:
            until_renewal = self._timing.renew_every - (now - renewed)
            return max(0.01, min(until_read, until_renewal) if self._members else until_renewal)
        until_expiry = self._timing.expiry(self._state.duration) - (now - self._state.since)
        # Once it has expired, it is free, and left to another candidate until it is read again.
        return max(0.01, min(until_read, until_expiry) if until_expiry > 0 else until_read)

    async def _read(self) -> None:
        lease = await self._client.read_lease(self._namespace, self._name)
        self._observe(lease)
        self._state = next_state(self._state, lease, self._clock())

    def _observe(self, lease: Object | None) -> None:
        if self._members:
            annotations = ((lease or {}).get("metadata") or {}).get("annotations")
            self._members.observe(annotations or {}, self._clock())

    async def _acquire_or_renew(self) -> None:
        """Take the lease or renew it, if it has not changed since it was read."""
        sent = self._clock()
        leading = self.leading.is_set()
        if not leading:
            self._acquired = _wall_clock()
        body = self._body(holder=self._identity)
        lease = await (
            self._client.replace_lease(body)
            if self._state.version
            else self._client.create_lease(body)
        )
        self._state = replace(next_state(self._state, lease, sent), since=sent)
        self._leadership.renewed(sent)
        if not leading:
            log.info("leading: lease %s/%s, as %s", self._namespace, self._name, self._identity)
            self.leading.set()

    def _body(self, holder: str) -> Object:
        changed = bool(holder) and holder != self._state.holder and bool(self._state.version)
        spec = {
            "holderIdentity": holder,
            "leaseDurationSeconds": self._timing.duration,
            "acquireTime": self._acquired,
            "renewTime": _wall_clock(),
            "leaseTransitions": self._state.transitions + changed,
        }
        metadata: Object = {"name": self._name, "namespace": self._namespace}
        if self._members:
            metadata["annotations"] = self._members.annotations(_wall_clock(), self._clock())
        if self._state.version:
            metadata["resourceVersion"] = self._state.version
        return {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.kind,
            "metadata": metadata,
            "spec": spec,
        }


def _wall_clock() -> str:
    """The time, only for people to read (metav1.MicroTime)."""
    return f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
