"""The Lease that two operators agree by: acquired, renewed, released, or lost. The decision is a pure function.

No clock of another machine is believed. A holder counts from the moment before it sent its last renewal; the others count from when
they first saw that renewal, which is later, and wait longer.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import enum
import logging
from collections.abc import Awaitable
from dataclasses import dataclass, replace
from typing import Final

from pryv_operator.api.kubernetes import Object
from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.errors import ApiError, ConflictError
from pryv_operator.kube.leadership import Clock, Leadership, boot_seconds
from pryv_operator.kube.resources import LEASES

log = logging.getLogger(__name__)

_RELEASE_SECONDS: Final = 1.0
_RELEASE_ATTEMPTS: Final = 3


@dataclass(frozen=True)
class Timing:
    """Seconds. ``duration``: within it another operator takes over from one that is gone. ``retry``: between two looks."""

    duration: int = 15
    retry: float = 0.5

    @property
    def renew_every(self) -> float:
        """A leader renews so often."""
        return self.duration / 3

    @property
    def deadline(self) -> float:
        """A leader that has not renewed for so long is none any more."""
        return self.duration * 2 / 3

    def expiry(self, duration: float) -> float:
        """Others take a lease of this duration for expired when they have seen no renewal for so long.

        After the holder's own deadline, and early enough for the look and the request that taking it needs, on a slow API server too.
        """
        return duration * 0.8


@dataclass(frozen=True)
class Seen:
    """The Lease as this process knows it. ``version`` empty: there is none.

    ``since``: when it was first seen in this version; ``looked``: when it was last read (our own clock); None: it has to be read.
    """

    version: str = ""
    holder: str = ""
    duration: float = 0.0
    transitions: int = 0
    since: float = 0.0
    looked: float | None = None


class Step(enum.Enum):
    """What to do next."""

    LOOK = "look"
    TAKE = "take"
    RENEW = "renew"
    WAIT = "wait"
    LOST = "lost"


def decide(seen: Seen, identity: str, now: float, renewed: float | None, timing: Timing) -> Step:
    """The next step. ``renewed``: when our last renewal was sent, None when we do not lead."""
    if renewed is not None:
        if now - renewed >= timing.deadline:
            return Step.LOST
        if seen.looked is None:
            return Step.LOOK
        if seen.holder != identity:
            return Step.LOST
        return Step.RENEW if now - renewed >= timing.renew_every else Step.WAIT
    if seen.looked is None or now - seen.looked >= timing.retry:
        return Step.LOOK
    # Ours although we do not lead: the answer to our request was lost.
    free = seen.holder in ("", identity) or now - seen.since >= timing.expiry(seen.duration)
    return Step.TAKE if free else Step.WAIT


def observed(before: Seen, lease: Object | None, now: float) -> Seen:
    """What is known once the Lease has been read, at ``now`` or before."""
    if lease is None:
        return Seen(since=now, looked=now)
    version = lease["metadata"]["resourceVersion"]
    if version == before.version:
        return replace(before, looked=now)
    spec = lease.get("spec") or {}
    return Seen(
        version=version,
        holder=spec.get("holderIdentity") or "",
        duration=float(spec.get("leaseDurationSeconds") or 0),
        transitions=int(spec.get("leaseTransitions") or 0),
        since=now,
        looked=now,
    )


@dataclass(frozen=True)
class Election:
    """Which Lease it is about, who this process is (no other one, ever, is called so), and how long things take."""

    namespace: str
    name: str
    identity: str
    timing: Timing = Timing()


class Lease:
    """This process's part in an election. ``held`` is set when it leads."""

    def __init__(
        self,
        client: KubeClient,
        election: Election,
        leadership: Leadership,
        clock: Clock = boot_seconds,
    ) -> None:
        """``leadership`` is told of renewals, and is the one that ``cluster`` asks."""
        self._client = client
        self._namespace, self._name, self._identity = (
            election.namespace,
            election.name,
            election.identity,
        )
        self._timing = election.timing
        self._leadership = leadership
        self._clock = clock
        self._seen = Seen()
        self._acquired = ""
        self.held = asyncio.Event()

    async def run(self) -> None:
        """Acquire and renew; ends when the lease is lost, and must not be run again."""
        while (step := self._decide()) is not Step.LOST:
            match step:
                case Step.LOOK:
                    await self._attempt(self._look())
                case Step.TAKE | Step.RENEW:
                    await self._attempt(self._hold())
                case _:
                    await asyncio.sleep(self._pause())

    async def release(self) -> None:
        """Let another operator take over at once. Nothing may be written any more; ``run`` must have been cancelled."""
        self._leadership.end()
        if not self.held.is_set():
            return
        for _ in range(_RELEASE_ATTEMPTS):  # a renewal that was cancelled may have been made
            try:
                async with asyncio.timeout(_RELEASE_SECONDS):
                    await self._look()
                    if self._seen.holder == self._identity:
                        await self._client.replace_lease(self._body(holder=""))
                log.info("the lease is released")
                return
            except (ApiError, TimeoutError) as error:
                log.warning("the lease could not be released: %s", str(error) or "no answer")

    def _decide(self) -> Step:
        return decide(
            self._seen, self._identity, self._clock(), self._leadership.renewed_at, self._timing
        )

    async def _attempt(self, call: Awaitable[None]) -> None:
        """Make a request in time; when it fails, what is known counts for nothing until the Lease has been read again."""
        try:
            async with asyncio.timeout(self._patience()):
                await call
        except ConflictError:
            self._seen = replace(self._seen, looked=None)
        except (ApiError, TimeoutError) as error:
            self._seen = replace(self._seen, looked=None)
            log.warning(
                "the lease %s/%s: %s", self._namespace, self._name, str(error) or "no answer"
            )
            await asyncio.sleep(min(self._timing.retry, self._patience()))

    def _patience(self) -> float:
        """How long an answer is waited for."""
        renewed = self._leadership.renewed_at
        left = (
            self._timing.deadline - (self._clock() - renewed)
            if renewed is not None
            else self._timing.renew_every
        )
        return max(0.0, min(left, self._timing.renew_every))

    def _pause(self) -> float:
        """Until the next step may be due."""
        now, renewed = self._clock(), self._leadership.renewed_at
        if renewed is not None:
            return max(0.01, self._timing.renew_every - (now - renewed))
        return max(
            0.01,
            min(
                self._timing.retry,
                self._timing.expiry(self._seen.duration) - (now - self._seen.since),
            ),
        )

    async def _look(self) -> None:
        lease = await self._client.read_lease(self._namespace, self._name)
        self._seen = observed(self._seen, lease, self._clock())

    async def _hold(self) -> None:
        """Take the lease or renew it, if it is still what was seen."""
        sent = self._clock()
        leading = self.held.is_set()
        if not leading:
            self._acquired = _wall_clock()
        body = self._body(holder=self._identity)
        lease = await (
            self._client.replace_lease(body)
            if self._seen.version
            else self._client.create_lease(body)
        )
        self._seen = replace(observed(self._seen, lease, sent), since=sent)
        self._leadership.renewed(sent)
        if not leading:
            log.info(
                "leader: holds the lease %s/%s as %s", self._namespace, self._name, self._identity
            )
            self.held.set()

    def _body(self, holder: str) -> Object:
        changed = bool(holder) and holder != self._seen.holder and bool(self._seen.version)
        spec = {
            "holderIdentity": holder,
            "leaseDurationSeconds": self._timing.duration,
            "acquireTime": self._acquired,
            "renewTime": _wall_clock(),
            "leaseTransitions": self._seen.transitions + changed,
        }
        metadata = {"name": self._name, "namespace": self._namespace}
        if self._seen.version:
            metadata["resourceVersion"] = self._seen.version
        return {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.kind,
            "metadata": metadata,
            "spec": spec,
        }


def _wall_clock() -> str:
    """For people to read."""
    return f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
