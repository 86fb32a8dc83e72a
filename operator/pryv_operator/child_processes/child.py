"""The child process: calls the functions it is told to until its input ends."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final

from pryv_operator.child_processes import frames
from pryv_operator.child_processes.limits import ProcessLimits

#: The exit code after a MemoryError.
OUT_OF_MEMORY: Final = 77
#: A busy child must not slow the operator, which has to renew its lease.
_NICE: Final = 10


@dataclass(frozen=True)
class Call:
    """A function, known to the child by its name in its module, and its arguments."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...] = field(repr=False)


@dataclass(frozen=True)
class Returned:
    """The result of a call, and the CPU time that it has taken.

    ``reusable``: whether the process may answer another one.
    """

    value: Any = field(repr=False)
    cpu_seconds: float = 0.0
    reusable: bool = True


@dataclass(frozen=True)
class Raised:
    """An unexpected exception: its type and where, but not its message, which could quote input."""

    type: str
    frames: str


def main() -> None:
    """Answer calls from stdin on stdout, each after the seconds of CPU time that it may use.

    The first object on stdin are the limits.
    """
    os.nice(_NICE)
    calls, answers = _take_streams()
    first = frames.read(calls)
    if first is None:
        return
    limits: ProcessLimits = frames.decode(first)
    limits.limit_address_space()
    while (seconds := frames.read(calls)) and (call := frames.read(calls)):
        limits.restart_cpu_time(limits.cpu_seconds)
        try:
            answer = _answer(call, frames.decode(seconds), limits)
        except MemoryError:
            os._exit(OUT_OF_MEMORY)
        answers.write(answer)
        answers.flush()


def _take_streams() -> tuple[BinaryIO, BinaryIO]:
    """The two pipes; nothing else in the process can read or write them by accident."""
    calls, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    return calls, answers


def _answer(call: bytes, cpu_seconds: int, limits: ProcessLimits) -> bytes:
    """The encoded answer to an encoded call, of which the first one imports its modules."""
    try:
        decoded: Call = frames.decode(call)
        limits.restart_cpu_time(cpu_seconds)
        began = time.process_time()
        value = decoded.function(*decoded.arguments)
        used = time.process_time() - began
        return frames.encode(Returned(value, used, limits.permit_reuse()))
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - reported by the operator, whatever it is
        where = "".join(traceback.format_tb(error.__traceback__))
        return frames.encode(Raised(type(error).__name__, where))
