"""A few child processes, started when they are needed and ended when they are idle."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from typing import Any, Final, TypeVar

from pryv_operator.child_processes import child, frames
from pryv_operator.child_processes.backoff import Backoff
from pryv_operator.child_processes.limits import ProcessLimits, mebibytes
from pryv_operator.child_processes.slots import RecentUse, Slots, Ticket

log = logging.getLogger(__name__)

T = TypeVar("T")

_MODULE: Final = "pryv_operator.child_processes"
#: What the child inherits: how programs and libraries are found, and nothing of the pod's.
_INHERITED: Final = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL")
#: With one thread, further arenas only use address space.
_ALLOCATOR: Final = {"MALLOC_ARENA_MAX": "1"}


class UnexpectedInChildError(Exception):
    """A computation raised an exception: an operator bug. ``type_name``: the exception's type."""

    def __init__(self, type_name: str) -> None:
        """The message names the type only: that of the exception could quote input."""
        self.type_name = type_name
        super().__init__(f"unexpected {type_name} in a child process")


class ChildProcesses:
    """Calls functions in child processes, one of each namespace at a time.

    A call that takes more than the CPU time of a short one is ended, and begun again in the one
    process that all namespaces with such calls share. So with two processes or more, they never
    hold up the others. Of those that wait, the namespace that has lately computed least is next.
    """

    def __init__(
        self,
        limits: ProcessLimits = ProcessLimits(),  # noqa: B008 - frozen
        *,
        size: int = 2,
        idle_seconds: float = 120.0,
        confined_seconds: float = 600.0,
        half_life: float = 60.0,
        waiting: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """Say how many run, and for how long.

        Args:
            limits: of each computation.
            size: how many processes run at most.
            idle_seconds: an unused one ends after so long.
            confined_seconds: for so long after a long computation, or one that has exceeded a
                limit, a namespace shares one process with others like it.
            half_life: seconds after which half of a namespace's use counts.
            waiting: entered by a call while it waits for a process that others use.
        """
        self._limits = limits
        self._idle_seconds = idle_seconds
        self._slots = Slots(size, confined_seconds, RecentUse(half_life))
        self._waiting = waiting
        self._granted: dict[Ticket, asyncio.Event] = {}
        self._idle: dict[_Child, asyncio.TimerHandle] = {}
        self._backoff = Backoff()

    async def run(self, namespace: str, function: Callable[..., T], *arguments: Any) -> T:
        """The function's result. It, its arguments and its result are pickled.

        Raises:
            LimitExceededError: it exceeded a limit; its process was ended.
            UnexpectedInChildError: it raised an exception.
        """
        call = await asyncio.to_thread(frames.encode, child.Call(function, arguments))
        self._backoff.check(call, _now())
        try:
            answer = await self._answer(namespace, call)
        except _EndedError as error:
            raise self._backoff.exceeded(call, error.limit, _now()) from None
        self._backoff.succeeded(call)
        if isinstance(answer, child.Raised):
            log.error("operator bug: unexpected %s in a child process\n%s", *_fields(answer))
            raise UnexpectedInChildError(answer.type)
        result: T = answer.value
        return result

    async def close(self) -> None:
        """End the idle processes. Those at work end with their calls."""
        while self._idle:
            process, timer = self._idle.popitem()
            timer.cancel()
            await process.end()

    def sharing(self, namespace: str) -> str:
        """What is equal for namespaces that share one process, and for others their own name."""
        return "" if self._slots.is_confined(namespace, _now()) else namespace

    async def _answer(self, namespace: str, call: bytes) -> child.Returned | child.Raised:
        """The answer to an encoded call.

        Raises:
            _EndedError: it exceeded a limit.
        """
        limits, is_long = self._limits, False
        while True:
            async with self._slot(namespace, confined=is_long) as ticket:
                cpu_seconds = limits.cpu_seconds if ticket.confined else limits.short_cpu_seconds
                try:
                    answer = await self._call(call, cpu_seconds)
                except _EndedError as error:
                    self._slots.confine(namespace, _now())
                    if not error.out_of_cpu_time or cpu_seconds >= limits.cpu_seconds:
                        raise
                else:
                    if ticket.confined and _cpu_seconds(answer) > limits.short_cpu_seconds:
                        self._slots.confine(namespace, _now())
                    return answer
            is_long = True

    @asynccontextmanager
    async def _slot(self, namespace: str, *, confined: bool) -> AsyncIterator[Ticket]:
        ticket = self._slots.wait(namespace, confined=confined)
        granted = self._granted[ticket] = asyncio.Event()
        self._grant()
        try:
            with self._waiting():
                await granted.wait()
            yield ticket
        finally:
            del self._granted[ticket]
            self._slots.leave(ticket, _now())
            self._grant()

    def _grant(self) -> None:
        while (ticket := self._slots.grant(_now())) is not None:
            self._granted[ticket].set()

    async def _call(self, call: bytes, cpu_seconds: int) -> child.Returned | child.Raised:
        async with self._child() as process:
            answer = await process.call(call, cpu_seconds)
            if not (isinstance(answer, child.Returned) and answer.reusable):
                process.kill()
            return answer

    @asynccontextmanager
    async def _child(self) -> AsyncIterator[_Child]:
        """An idle child, or a new one; it is idle again afterwards, or ended after any failure."""
        process = self._take_idle() or await _Child.start(self._limits)
        try:
            yield process
        except BaseException:
            await process.end()
            raise
        if process.killed:
            await process.end()
            return
        loop = asyncio.get_running_loop()
        self._idle[process] = loop.call_later(self._idle_seconds, self._end_idle, process)

    def _take_idle(self) -> _Child | None:
        while self._idle:
            process, timer = self._idle.popitem()
            timer.cancel()
            if process.alive:
                return process
        return None

    def _end_idle(self, process: _Child) -> None:
        del self._idle[process]
        process.kill()


class _EndedError(Exception):
    """A child process was ended by a limit."""

    def __init__(self, limit: str, *, out_of_cpu_time: bool = False) -> None:
        super().__init__(limit)
        self.limit = limit
        self.out_of_cpu_time = out_of_cpu_time


class _Child:
    """One child process."""

    def __init__(self, process: Process, limits: ProcessLimits) -> None:
        self._process = process
        self._limits = limits
        self.killed = False

    @classmethod
    async def start(cls, limits: ProcessLimits) -> _Child:
        environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            _MODULE,
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            env={**environment, **_ALLOCATOR, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        started = cls(process, limits)
        started._write(frames.encode(limits))
        return started

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    async def call(self, call: bytes, cpu_seconds: int) -> child.Returned | child.Raised:
        """The answer to an encoded call that may use so much CPU time.

        Raises:
            _EndedError: the process ended, or takes too long, or answers too much.
        """
        try:
            async with asyncio.timeout(self._limits.deadline_seconds):
                self._write(frames.encode(cpu_seconds))
                self._write(call)
                return await self._read()
        except TimeoutError:
            raise _EndedError(f"{self._limits.deadline_seconds:.0f} s") from None
        except (asyncio.IncompleteReadError, ConnectionError):
            code = await self._process.wait()
            if code > 0 and code != child.OUT_OF_MEMORY:
                return child.Raised(f"exit code {code}", "")
            raise self._ended(code) from None

    def kill(self) -> None:
        """End the process at once: nothing in it is worth keeping."""
        self.killed = True
        if self.alive:
            self._process.kill()

    async def end(self) -> None:
        """End the process and wait until it is gone."""
        self.kill()
        await self._stdout.read()  # what is unread stays in the pipe, and `wait` waits for its end
        await self._process.wait()

    @property
    def _stdout(self) -> asyncio.StreamReader:
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        return self._process.stdout

    def _write(self, encoded: bytes) -> None:
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        self._process.stdin.write(encoded)

    async def _read(self) -> child.Returned | child.Raised:
        stream = self._stdout
        size = frames.length(await stream.readexactly(frames.LENGTH_SIZE))
        if size > self._limits.result_size:
            raise _EndedError(f"{mebibytes(self._limits.result_size)} of results")
        data = await stream.readexactly(size)
        answer: child.Returned | child.Raised = await asyncio.to_thread(frames.decode, data)
        return answer

    def _ended(self, code: int) -> _EndedError:
        """The limit that ended the process. Other signals than SIGXCPU follow a failed malloc."""
        if code == -signal.SIGXCPU:
            return _EndedError(f"{self._limits.cpu_seconds} s of CPU time", out_of_cpu_time=True)
        return _EndedError(f"{mebibytes(self._limits.address_space)} of memory")


def _now() -> float:
    return asyncio.get_running_loop().time()


def _cpu_seconds(answer: child.Returned | child.Raised) -> float:
    return answer.cpu_seconds if isinstance(answer, child.Returned) else 0.0


def _fields(raised: child.Raised) -> tuple[str, str]:
    return raised.type, raised.frames
