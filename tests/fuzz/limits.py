"""Runs a target on one input within limits: foreseen errors, CPU time, memory; and no leaks."""

from __future__ import annotations

import gc
import signal
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.target import Target

#: CPU seconds that one input may take.
TIME_LIMIT = 1.0
#: CPU seconds after which the process is killed: nothing else ends a loop inside C.
DEADLINE = 20.0
#: Growth that is not a leak: objects in addition to one per input, and bytes. (Names that Jinja
#: makes up while it compiles stay in CPython's method cache, some forty in a round.)
_GROWTH_OBJECTS = 250
_GROWTH_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True)
class Finding:
    """An input that exceeds a limit. ``kind``: crash, slow, memory, growth or died."""

    kind: str
    what: str
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class Usage:
    """What one input took: CPU seconds, and MiB of memory at the peak."""

    seconds: float
    memory: float


def run_limited(target: Target, data: bytes) -> tuple[Usage, Finding | None]:
    """Run a target on one input; return what it took, and the limit that it exceeded.

    CPU time is measured, because the machine may be busy; a slow input is run again twice.
    """
    crash: str | None = None
    _reset_peak()
    resident = _resident()
    start = time.thread_time()
    with _deadline():
        try:
            target.run(data)
        except target.raises:
            pass
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - a panic of Rust is no Exception
            crash = _place(error)
    usage = Usage(time.thread_time() - start, max(0, _peak() - resident) / 2**20)
    if crash:
        return usage, Finding("crash", crash, data)
    if usage.seconds > TIME_LIMIT:
        fastest = min(usage.seconds, *(_seconds(target, data) for _ in range(2)))
        if fastest > TIME_LIMIT:
            return usage, Finding("slow", f"an input takes more than {TIME_LIMIT:g} s", data)
    if usage.memory > target.memory:
        return usage, Finding("memory", f"an input takes more than {target.memory} MiB", data)
    return usage, None


@dataclass(frozen=True)
class Growth:
    """Objects and bytes that were allocated and not freed while inputs were run repeatedly."""

    objects: int
    bytes: int
    inputs: int

    @property
    def finding(self) -> Finding | None:
        """The finding, if this is a leak."""
        if self.objects <= self.inputs + _GROWTH_OBJECTS and self.bytes <= _GROWTH_BYTES:
            return None
        what = f"{self.objects} objects and {self.bytes} bytes are not freed"
        return Finding("growth", f"{what} after {self.inputs} inputs were run four times", b"")


def measure_growth(target: Target, inputs: Iterable[bytes]) -> Growth:
    """Run inputs repeatedly; measure what is not freed after the second round."""
    quick = list(_quick(target, inputs))
    growth = Growth(0, 0, len(quick))
    for _ in range(2):  # a second attempt, for caches that were still growing
        sizes = []
        for _ in range(6):
            for data in quick:
                _run(target, data)
            gc.collect()
            sizes.append((sys.getallocatedblocks(), _resident()))
        growth = Growth(sizes[-1][0] - sizes[1][0], sizes[-1][1] - sizes[1][1], len(quick))
        if growth.finding is None:
            break
    return growth


def _quick(target: Target, inputs: Iterable[bytes]) -> Iterator[bytes]:
    """The first inputs that together take a tenth of a second."""
    spent = 0.0
    for data in inputs:
        spent += _seconds(target, data)
        if spent > 0.1:
            return
        yield data


def _seconds(target: Target, data: bytes) -> float:
    start = time.thread_time()
    _run(target, data)
    return time.thread_time() - start


def _run(target: Target, data: bytes) -> None:
    with _deadline(), suppress(target.raises):
        target.run(data)


def _place(error: BaseException) -> str:
    """The error's type and the place in the operator (else anywhere) that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/pryv_operator/" in frame.filename] or frames
    file = ours[-1].filename.rpartition("/pryv_operator/")[2]
    text = f": {error}"[:200] if isinstance(error, AssertionError) else ""
    return f"{type(error).__name__} at {file}:{ours[-1].lineno}{text}"


@contextmanager
def _deadline() -> Iterator[None]:
    """Kill the process (SIGVTALRM) after ``DEADLINE`` CPU seconds."""
    signal.setitimer(signal.ITIMER_VIRTUAL, DEADLINE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


# --- memory of this process, from /proc ---


def _resident() -> int:
    return _status("VmRSS:")


def _peak() -> int:
    return _status("VmHWM:")


def _reset_peak() -> None:
    # Not getrusage's ru_maxrss: it cannot be reset, and starts with the parent's peak.
    Path("/proc/self/clear_refs").write_bytes(b"5")


def _status(name: str) -> int:
    text = Path("/proc/self/status").read_text()
    return int(text[text.index(name) + len(name) :].split(maxsplit=1)[0]) * 1024
