"""The work queue: keys, not events, as client-go's workqueue.

A key is worked on by one worker at a time. Adding it again before it is due changes nothing, so a
burst of events is one reconciliation. Failures are requeued with exponential back-off. What a user
waits for comes first; of equal priority, namespaces take turns (see ``fair_order``). The more
workers one has, the more stay free: a tenant does not hold up another.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Final

from pryv_operator.kube import metrics
from pryv_operator.kube.fair_order import FairOrder, Key, Priority
from pryv_operator.kube.log_context import set_platform
from pryv_operator.kube.ranked import Ranked

__all__ = ["Key", "Priority", "Reconcile", "WorkQueue"]

log = logging.getLogger(__name__)

_FIRST_BACKOFF: Final = 0.5
_LONGEST_BACKOFF: Final = 60.0


@dataclass
class _State:
    """A key's place in the queue, in the loop's time.

    ``due``: when its next reconciliation may start, None when none is requested. ``priority``: the
    highest of those who requested it; of the one under way if none is requested. ``began``: when
    the one under way started. ``working``: since when that has been at work; None while it waits
    for others.
    """

    due: float | None = None
    priority: Priority = Priority.RESYNC
    began: float | None = None
    working: float | None = None
    failures: int = 0


#: That of the reconciliation that the running task belongs to.
_CURRENT: Final[ContextVar[_State]] = ContextVar("current")

#: Reconciles a platform. Returns seconds until it is requeued, or None; an exception requeues it
#: with back-off.
Reconcile = Callable[[Key], Awaitable[float | None]]


class WorkQueue:
    """Keys with a time, and a few workers that take those that are due, a namespace after another.

    A group of namespaces gets another worker only while more are free than it has. So it has half
    of them at most, a second one a quarter, and a third one finds a free worker at once.
    """

    def __init__(
        self,
        reconcile: Reconcile,
        *,
        concurrency: int = 8,
        group: Callable[[str], str] = str,
        admits: Callable[[str], bool] = lambda _namespace: True,
        retryable: type[Exception] | tuple[type[Exception], ...],
    ) -> None:
        """Start nothing yet.

        Args:
            reconcile: what a worker does with a key.
            concurrency: how many workers there are.
            group: namespace → its group at present; default: each is one by itself.
            admits: whether keys of a namespace are accepted at present; others are ignored.
            retryable: exceptions that are expected; any other is logged as an operator bug.
        """
        self._reconcile = reconcile
        self._concurrency = concurrency
        self._group = group
        self._admits = admits
        self._retryable = retryable
        self._states: dict[Key, _State] = {}
        #: Namespace → how many keys have a state.
        self._keys: Counter[str] = Counter()
        #: Keys that are not due yet, by due time; then they wait for a worker in ``_order``.
        self._later: Ranked[Key, float] = Ranked()
        self._order = FairOrder(group)
        self._running: set[Key] = set()
        self._tasks: dict[Key, asyncio.Task[None]] = {}
        #: When a reconciliation last started, ended, or began or ended to wait for others.
        self._moved = 0.0
        self._wake = asyncio.Event()
        self._stopping = False

    def add(self, key: Key, *, delay: float = 0.0, priority: Priority = Priority.EVENT) -> None:
        """Request a reconciliation in ``delay`` seconds, or at the earlier time already requested.

        So the window in which changes are batched begins with the first of them. Of several
        requests the highest priority counts.
        """
        if not self._admits(key.namespace):
            return
        state = self._states.get(key)
        if state is None:
            state = self._states[key] = _State()
            self._keys[key.namespace] += 1
        due = asyncio.get_running_loop().time() + delay
        if state.due is None:
            state.due, state.priority = due, priority
        else:
            state.due, state.priority = min(state.due, due), min(state.priority, priority)
        if key not in self._running:
            self._line_up(key, state)
        self._wake.set()

    def waiting(self) -> int:
        """Keys that are due and wait for a worker."""
        now = asyncio.get_running_loop().time()
        return sum(
            state.due is not None and state.due <= now and state.began is None
            for state in self._states.values()
        )

    def started(self) -> int:
        """Keys that workers have taken so far."""
        return self._order.taken

    def running(self) -> list[float]:
        """Seconds that each key that a worker has taken has been worked on."""
        now = asyncio.get_running_loop().time()
        return [now - state.began for state in self._states.values() if state.began is not None]

    def age(self) -> float:
        """Seconds that the oldest due key has waited for a worker, or that one has been running."""
        now = asyncio.get_running_loop().time()
        times = [at for state in self._states.values() for at in (state.due, state.began)]
        return max(0.0, now - min((at for at in times if at is not None), default=now))

    def overdue(self) -> float:
        """Seconds that a reconciliation has been at work, or that nothing moves though keys wait.

        What waits for a worker, or in ``waiting_for_others``, is not stuck while any other moves:
        what it waits for is at work, and counts by itself. However many wait, and for how long.
        """
        now = asyncio.get_running_loop().time()
        states = self._states.values()
        waiting = (max(state.due, self._moved) for state in states if state.due is not None)
        running = (
            self._moved if state.working is None else state.working
            for state in states
            if state.began is not None
        )
        return max(0.0, now - min((*waiting, *running), default=now))

    @contextmanager
    def waiting_for_others(self) -> Iterator[None]:
        """Enter it while the reconciliation under way waits for its turn among others."""
        state = _CURRENT.get(_State())
        state.working = None
        self._moved = asyncio.get_running_loop().time()
        try:
            yield
        finally:
            state.working = self._moved = asyncio.get_running_loop().time()

    async def drain(self, drained: Callable[[str], bool], seconds: float) -> frozenset[Key]:
        """Give up the keys of namespaces that are not admitted any more, and return them.

        Reconciliations under way have some seconds to end; then they are cancelled.
        """
        keys = frozenset(key for key in self._states if drained(key.namespace))
        for key in keys:
            self._states[key].due = None
            self._later.discard(key)
            self._order.discard(key)
        if running := {self._tasks[key] for key in keys & self._tasks.keys()}:
            _, late = await asyncio.wait(running, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for key in keys & self._states.keys():
            self._forget(key)
        return keys

    def stop(self) -> None:
        """Start no further reconciliation; ``run`` returns when those under way have finished."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Work until stopped."""
        slots = asyncio.Semaphore(self._concurrency)
        with metrics.QUEUE.showing(self):
            async with asyncio.TaskGroup() as workers:
                while True:
                    await slots.acquire()
                    key = await self._next()
                    if key is None:
                        return
                    name = f"reconcile {key.namespace}/{key.name}"
                    task = workers.create_task(self._work(key), name=name)
                    self._tasks[key] = task
                    task.add_done_callback(partial(self._on_end, key))
                    task.add_done_callback(lambda _: slots.release())

    def _on_end(self, key: Key, task: asyncio.Task[None]) -> None:
        if self._tasks.get(key) is task:
            del self._tasks[key]

    async def _next(self) -> Key | None:
        """Wait for the next due key; None once stopped."""
        loop = asyncio.get_running_loop()
        while not self._stopping:
            self._wake.clear()
            now = loop.time()
            while (first := self._later.first()) and first[0] <= now:
                self._line_up(first[1], self._states[first[1]])
            key = self._order.take(self._is_full())
            if key is not None:
                self._start(key, now)
                return key
            try:
                async with asyncio.timeout(first[0] - now if first else None):
                    await self._wake.wait()
            except TimeoutError:
                continue
        return None

    def _line_up(self, key: Key, state: _State) -> None:
        """Let a key wait until it is due, or for a worker."""
        if state.due is None:
            return
        if state.due <= asyncio.get_running_loop().time():
            self._later.discard(key)
            self._order.put(key, state.due, state.priority)
        else:
            self._later.set(key, state.due)

    def _is_full(self) -> Callable[[str], bool]:
        """Whether a group may have no further worker, as it is now."""
        running = Counter(self._group(key.namespace) for key in self._running)
        free = self._concurrency - len(self._running)
        return lambda group: running[group] >= free

    def _start(self, key: Key, now: float) -> None:
        state = self._states[key]
        metrics.QUEUE_SECONDS.observe(now - (now if state.due is None else state.due))
        state.due = None
        state.began = state.working = self._moved = now
        self._running.add(key)

    @staticmethod
    def _backoff(state: _State, error: Exception) -> float:
        first = getattr(error, "first_backoff", _FIRST_BACKOFF)
        return float(min(_LONGEST_BACKOFF, first * 2 ** min(state.failures - 1, 10)))

    async def _work(self, key: Key) -> None:
        state = self._states[key]
        _CURRENT.set(state)
        set_platform(key.namespace, key.name)
        requeue_after: float | None
        priority = state.priority
        try:
            requeue_after = await self._reconcile(key)
            state.failures = 0
            if requeue_after:
                priority = Priority.RESYNC
        except self._retryable as error:
            state.failures += 1
            metrics.RETRIES.inc()
            server_asks = getattr(error, "retry_after", None) or 0.0
            requeue_after = max(self._backoff(state, error), server_asks)
            log.warning(
                "%s/%s: %s; requeued in %.1f s", key.namespace, key.name, error, requeue_after
            )
        except Exception as error:  # noqa: BLE001 - must not stop the work on other platforms
            state.failures += 1
            metrics.RETRIES.inc()
            requeue_after = self._backoff(state, error)
            # Where, not what: an unexpected message could quote anything.
            frames = "".join(traceback.format_tb(error.__traceback__))
            log.error(
                "%s/%s: operator bug: unexpected %s; requeued in %.1f s\n%s",
                key.namespace,
                key.name,
                type(error).__name__,
                requeue_after,
                frames,
            )
        finally:
            self._moved = asyncio.get_running_loop().time()
            if state.began is not None:
                metrics.WORK_SECONDS.observe(self._moved - state.began)
            state.began = state.working = None
            self._running.discard(key)
            self._line_up(key, state)
            self._wake.set()
        if requeue_after is not None:
            self.add(key, delay=requeue_after, priority=priority)
        elif state.due is None:
            self._forget(key)

    def _forget(self, key: Key) -> None:
        self._states.pop(key, None)
        self._keys[key.namespace] -= 1
        if not self._keys[key.namespace]:
            del self._keys[key.namespace]
            self._order.forget(key.namespace)
