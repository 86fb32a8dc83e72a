"""Memory that is freed is handed back; measured by what is mapped, in a process of its own."""

from __future__ import annotations

import asyncio
import platform
import subprocess
import sys
import threading

import pytest

from pryv_operator.cli import allocator

GLIBC = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's allocator")

#: How many heaps of threads there are: each reserves 64 MiB of addresses.
HEAPS = """
import re, sys, threading
from pathlib import Path
from pryv_operator.cli import allocator
if sys.argv[1] == "configured":
    allocator.configure()
barrier = threading.Barrier(8)
def allocate():
    kept = [bytearray(50_000) for _ in range(20)]
    barrier.wait()
    assert kept
threads = [threading.Thread(target=allocate) for _ in range(8)]
for each in threads: each.start()
for each in threads: each.join()
ends = re.findall("^([0-9a-f]+)-([0-9a-f]+)", Path("/proc/self/maps").read_text(), re.MULTILINE)
print(len({int(begin, 16) >> 26 for begin, _ in ends if int(begin, 16) % (64 << 20) == 0}))
"""


def heaps(how: str) -> int:
    ended = subprocess.run(
        [sys.executable, "-c", HEAPS, how], capture_output=True, text=True, check=True
    )
    return int(ended.stdout)


@GLIBC
def test_threads_share_heaps() -> None:
    assert heaps("configured") <= 1 < heaps("as it is")


async def test_free_memory_is_returned_only_after_work(monkeypatch: pytest.MonkeyPatch) -> None:
    trimmed = asyncio.Event()
    calls: list[int] = []
    looked = done = 0

    def trim(pad: int) -> None:
        calls.append(pad)
        loop.call_soon_threadsafe(trimmed.set)

    def work() -> int:
        nonlocal looked
        looked += 1
        if looked == 5:
            loop.call_soon(trimmed.set)
        return done

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(allocator, "_function", lambda _: trim)
    trimming = asyncio.create_task(allocator.trim_forever(work, seconds=0.001))
    async with asyncio.timeout(30):
        await trimmed.wait()
        assert not calls  # it has looked five times
        trimmed.clear()
        done = 1
        await trimmed.wait()
    assert calls == [0]
    trimming.cancel()


async def test_without_glibc_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocator, "_function", lambda _: None)
    allocator.configure()


def test_the_c_library_has_the_functions() -> None:
    found = allocator._function("malloc_trim")
    assert (found is not None) == (platform.libc_ver()[0] == "glibc")
    assert allocator._function("no_such_function") is None


def test_threads_are_bounded() -> None:
    names: set[str] = set()
    together = threading.Barrier(allocator.THREADS)

    def meet() -> None:
        names.add(threading.current_thread().name)
        together.wait(30)

    async def compute() -> None:
        allocator.bound_threads()
        await asyncio.gather(*(asyncio.to_thread(meet) for _ in range(3 * allocator.THREADS)))

    asyncio.run(compute())
    assert len(names) == allocator.THREADS
