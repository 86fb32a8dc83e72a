"""The work queue: keys, not events. One worker per key at a time, deduplicated, gathered for a while, retried with back-off."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from pryv_operator.kube import metrics

log = logging.getLogger(__name__)

_FIRST_BACKOFF: Final = 0.5
_LONGEST_BACKOFF: Final = 60.0


class Key(NamedTuple):
    """A platform."""

    namespace: str
    name: str


@dataclass
class _State:
    """``due`` is when the next pass may begin; None when nothing is asked for. ``began`` is that of the pass under way."""

    due: float | None = None
    began: float | None = None
    failures: int = 0


#: One pass. The answer is when to look again (seconds), or None. An exception means: try again, with back-off.
Worker = Callable[[Key], Awaitable[float | None]]


class WorkQueue:
    """Keys that are due, worked on by a few workers."""

    def __init__(
        self,
        worker: Worker,
        *,
        concurrency: int = 4,
        retryable: type[Exception] | tuple[type[Exception], ...],
    ) -> None:
        """``retryable`` are the exceptions that mean "again later"; any other one is a bug, and logged as such."""
        self._worker = worker
        self._concurrency = concurrency
        self._retryable = retryable
        self._states: dict[Key, _State] = {}
        self._wake = asyncio.Event()
        self._stopping = False

    def add(self, key: Key, *, delay: float = 0.0) -> None:
        """Ask for a pass in ``delay`` seconds; an earlier one that is asked for already counts for both.

        So changes are gathered in a window that begins with the first of them.
        """
        state = self._states.setdefault(key, _State())
        due = asyncio.get_running_loop().time() + delay
        state.due = due if state.due is None else min(state.due, due)
        self._wake.set()

    def forget(self, key: Key) -> None:
        """Nothing of this key is of interest any more."""
        state = self._states.get(key)
        if state and state.began is None:
            del self._states[key]
        elif state:
            state.due = None

    def overdue(self) -> float:
        """How long the oldest due key has waited for a worker, or a pass has been running, in seconds."""
        now = asyncio.get_running_loop().time()
        since = (
            each
            for state in self._states.values()
            for each in (state.due, state.began)
            if each is not None
        )
        return max(0.0, now - min(since, default=now))

    def stop(self) -> None:
        """Begin no further pass; ``run`` ends when those under way have."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Work until stopped."""
        slots = asyncio.Semaphore(self._concurrency)
        async with asyncio.TaskGroup() as passes:
            while True:
                await slots.acquire()
                key = await self._next()
                if key is None:
                    return
                task = passes.create_task(self._work(key), name=f"pass {key.namespace}/{key.name}")
                task.add_done_callback(lambda _: slots.release())

    async def _next(self) -> Key | None:
        loop = asyncio.get_running_loop()
        while not self._stopping:
            self._wake.clear()
            now = loop.time()
            due = sorted(
                (state.due, key)
                for key, state in self._states.items()
                if state.due is not None and state.began is None
            )
            metrics.QUEUE_LENGTH.set(len(due))
            metrics.QUEUE_AGE.set(self.overdue())
            if due and due[0][0] <= now:
                key = due[0][1]
                self._states[key].due = None
                self._states[key].began = now
                return key
            try:
                async with asyncio.timeout(due[0][0] - now if due else None):
                    await self._wake.wait()
            except TimeoutError:
                continue
        return None

    @staticmethod
    def _backoff(state: _State, error: Exception) -> float:
        first = getattr(error, "first_backoff", _FIRST_BACKOFF)
        return float(min(_LONGEST_BACKOFF, first * 2 ** min(state.failures - 1, 10)))

    async def _work(self, key: Key) -> None:
        state = self._states[key]
        again: float | None
        try:
            again = await self._worker(key)
            state.failures = 0
        except self._retryable as error:
            state.failures += 1
            again = max(self._backoff(state, error), getattr(error, "retry_after", None) or 0.0)
            log.warning("%s/%s: %s; again in %.1f s", key.namespace, key.name, error, again)
        except Exception as error:  # noqa: BLE001 - a bug met by one platform must not stop the work for all others
            state.failures += 1
            again = self._backoff(state, error)
            # Where, not what: an unexpected message could quote anything.
            frames = "".join(traceback.format_tb(error.__traceback__))
            log.error(
                "%s/%s: unexpected %s; again in %.1f s\n%s",
                key.namespace,
                key.name,
                type(error).__name__,
                again,
                frames,
            )
        finally:
            state.began = None
            self._wake.set()
        if again is not None:
            self.add(key, delay=again)
        elif state.due is None:
            self._states.pop(key, None)
