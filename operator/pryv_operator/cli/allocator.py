"""How the C library hands memory back: a process with threads keeps what it has freed for long.

Python takes objects that are larger than 512 bytes from it: texts, bodies of requests, buffers.
"""

from __future__ import annotations

import asyncio
import ctypes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

#: ``mallopt`` of glibc's ``malloc.h``.
_ARENA_MAX: Final = -8
_MMAP_THRESHOLD: Final = -3
_TRIM_THRESHOLD: Final = -1
#: Each thread would get a heap of its own, up to eight for a CPU; one lock is no burden beside
#: that of the interpreter.
_ARENAS: Final = 2
#: From this size on, memory is mapped, and unmapped when it is freed. Set, it does not grow by
#: itself with what is freed.
_MAPPED_BYTES: Final = 256 << 10
#: Free memory at the end of a heap, above which it is returned.
_FREE_BYTES: Final = 1 << 20

#: As many as there are reconciliations at a time: more would only wait for the interpreter.
THREADS: Final = 8
_TRIM_SECONDS: Final = 30.0


def configure() -> None:
    """Set limits for all memory that is allocated from now on; without glibc, nothing."""
    if mallopt := _function("mallopt"):
        for option, value in (
            (_ARENA_MAX, _ARENAS),
            (_MMAP_THRESHOLD, _MAPPED_BYTES),
            (_TRIM_THRESHOLD, _FREE_BYTES),
        ):
            mallopt(option, value)


def bound_threads() -> None:
    """Bound the threads that compute beside the event loop: asyncio would start up to 32."""
    executor = ThreadPoolExecutor(THREADS, "worker")
    asyncio.get_running_loop().set_default_executor(executor)


async def trim_forever(done: Callable[[], int], seconds: float = _TRIM_SECONDS) -> None:
    """Return free memory between what is in use, each time after work was done.

    ``done``: how much work was done so far.
    """
    trim, before = _function("malloc_trim"), done()
    while True:
        await asyncio.sleep(seconds)
        if trim and (now := done()) != before:
            before = now
            await asyncio.to_thread(trim, 0)


def _function(name: str) -> Callable[..., int] | None:
    """A function of the C library; None if it does not have it."""
    return getattr(ctypes.CDLL(None), name, None)
