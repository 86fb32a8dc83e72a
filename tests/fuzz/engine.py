"""The loop: change an input, run it, keep it if it does something new; and the limits that every input must keep to.

Why our own: atheris has wheels for x86-64 only (a compiler with libFuzzer is needed elsewhere), hypofuzz's licence does
not fit a project under Apache-2.0. Code traced by ``sys.settrace`` runs a tenth as fast, and is fast enough for parsers.

It belongs into a process of its own (``tests/fuzz/process.py``): what hangs, or breaks the interpreter, ends that process.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
import traceback
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.fuzz.coverage import Coverage, steps
from tests.fuzz.mutations import Mutator, Shape

#: CPU seconds that one input may take.
TIME_LIMIT = 1.0
#: CPU seconds after which the process is ended: nothing else stops a loop inside C.
DEADLINE = 20.0
#: Slower inputs are not traced, and not changed any further.
_TRACED_LIMIT = 0.2
#: How often in a hundred an input is stretched to the size limit.
_STRETCHED = 2
_FINDINGS = 20


@dataclass(frozen=True)
class Target:
    """Something that takes bytes from outside.

    ``run`` may raise ``raises`` only; it may return what it has seen, which counts as coverage (for code that is not
    Python's). ``size`` (bytes) is what an input may be stretched to, ``memory`` (MiB) what one may take.
    """

    run: Callable[[bytes], Iterable[object] | None]
    raises: tuple[type[BaseException], ...]
    shape: Shape = "text"
    tokens: tuple[bytes, ...] = ()
    watched: tuple[str, ...] = ("/pryv_operator/",)
    size: int = 128 * 1024
    memory: int = 128


@dataclass(frozen=True)
class Finding:
    """An input that breaks a promise. ``kind``: crash, slow, memory, growth, died."""

    kind: str
    what: str
    data: bytes = field(repr=False)


@dataclass
class Result:
    """What a run of the fuzzer did."""

    replayed: int = 0
    executions: int = 0
    features: int = 0
    kept: int = 0
    #: Most CPU seconds and most memory (MiB) that one input took.
    slowest: float = 0.0
    largest: float = 0.0
    #: Objects and bytes that came to stay while all inputs were run again.
    growth_objects: int = 0
    growth_bytes: int = 0
    findings: dict[str, Finding] = field(default_factory=dict)


class Fuzzer:
    """Fuzzes one target, beginning with ``seeds`` (name → content). ``note`` is told every input before it is run."""

    def __init__(
        self,
        target: Target,
        seeds: Mapping[str, bytes],
        *,
        seed: int,
        note: Callable[[bytes], None] = lambda _: None,
    ) -> None:
        self.result = Result()
        #: What did something new, and the features of each.
        self.pool: dict[bytes, set[int]] = {}
        self._target = target
        self._seeds = seeds
        self._note = note
        self._random = Random(seed)
        self._mutator = Mutator(self._random, target.shape, target.tokens, target.size)
        self._coverage = Coverage(target.watched)
        self._seen: set[int] = set()
        self._has_room = True

    def fuzz(self, *, seconds: float = 0.0, executions: int = sys.maxsize) -> Result:
        """Replay the seeds, fuzz for so long or so often, and look whether memory has grown."""
        for data in self._seeds.values():
            self.result.replayed += 1
            self._try(data)
        self.pool = self.pool or {b"": set()}
        end = time.monotonic() + seconds
        while (
            seconds
            and self.result.executions < executions
            and time.monotonic() < end
            and len(self.result.findings) < _FINDINGS
        ):
            self.result.executions += 1
            self._try(*self._next())
        self._measure_growth()
        self.result.features, self.result.kept = len(self._seen), len(self.pool)
        return self.result

    def _next(self) -> tuple[bytes, bool]:
        """The next input, and whether it may join the others."""
        entries = list(self.pool)
        data = self._random.choice(entries[-20:] if self._random.random() < 0.4 else entries)
        if self._random.randrange(100) < _STRETCHED:
            return self._mutator.stretched(data), False
        return self._mutator.mutated(data, self._random.choice(entries)), True

    def _try(self, data: bytes, may_join: bool = True) -> None:
        self._note(data)
        taken, finding = _limited(self._target, data)
        self.result.slowest = max(self.result.slowest, taken.seconds)
        self.result.largest = max(self.result.largest, taken.memory)
        if finding:
            where = f"{finding.kind}: {finding.what}"
            if where not in self.result.findings:
                self.result.findings[where] = Finding(
                    finding.kind, finding.what, self._smaller(finding)
                )
        elif may_join and taken.seconds < _TRACED_LIMIT:
            features = self._features(data)
            if features - self._seen:
                self._seen |= features
                self.pool[data] = features

    def _features(self, data: bytes) -> set[int]:
        seen: set[int] = set()
        with _deadline():
            features = self._coverage.features(lambda: seen.update(_said(self._target, data)))
        return features | seen

    def _smaller(self, finding: Finding) -> bytes:
        """A shorter input that breaks the same promise in the same place."""
        data = finding.data
        end = time.monotonic() + 3
        size = len(data) // 2
        while size and finding.kind == "crash":
            at = 0
            while at < len(data) and time.monotonic() < end:
                shorter = data[:at] + data[at + size :]
                self._note(shorter)
                _, found = _limited(self._target, shorter)
                if found and found.what == finding.what:
                    data = shorter
                else:
                    at += size
            size //= 2
        return data

    def _measure_growth(self) -> None:
        """Run everything again and again: what is kept after the second time is lost for ever."""
        quick = list(self._quick())
        for _ in range(2):
            sizes = []
            for _ in range(6):
                for data in quick:
                    self._note(data)
                    _said(self._target, data)
                gc.collect()
                sizes.append((sys.getallocatedblocks(), _resident()))
            self.result.growth_objects = sizes[-1][0] - sizes[1][0]
            self.result.growth_bytes = sizes[-1][1] - sizes[1][1]
            if (
                self.result.growth_objects <= len(quick) + 100
                and self.result.growth_bytes <= 8 * 1024 * 1024
            ):
                return
        what = f"{self.result.growth_objects} objects and {self.result.growth_bytes} bytes stay after {len(quick)} inputs were run four times"
        self.result.findings["growth"] = Finding("growth", what, b"")

    def _quick(self) -> Iterator[bytes]:
        """Inputs of the pool that take a tenth of a second together."""
        spent = 0.0
        for data in list(self.pool)[:300]:
            start = time.thread_time()
            _said(self._target, data)
            spent += time.thread_time() - start
            if spent > 0.1:
                return
            yield data


@dataclass(frozen=True)
class _Taken:
    seconds: float
    memory: float


def _limited(target: Target, data: bytes) -> tuple[_Taken, Finding | None]:
    """One run within the limits: CPU time, for the machine may be busy, and the process's memory at its highest."""
    crash: Finding | None = None
    _reset_peak()
    rested = _resident()
    start = time.thread_time()
    with _deadline():
        try:
            target.run(data)
        except target.raises:
            pass
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - panics of Rust are no Exception; whatever it is, it is a find
            crash = Finding("crash", _place(error), data)
    seconds = time.thread_time() - start
    memory = max(0, _peak() - rested) / 2**20
    if crash:
        return _Taken(seconds, memory), crash
    if seconds > TIME_LIMIT:
        seconds = min(seconds, *(_seconds(target, data) for _ in range(2)))
        if seconds > TIME_LIMIT:
            return _Taken(seconds, memory), Finding(
                "slow", "an input takes longer than a second", data
            )
    if memory > target.memory:
        return _Taken(seconds, memory), Finding(
            "memory", f"an input takes more than {target.memory} MiB", data
        )
    return _Taken(seconds, memory), None


def _seconds(target: Target, data: bytes) -> float:
    start = time.thread_time()
    with _deadline():
        _said(target, data)
    return time.thread_time() - start


def _said(target: Target, data: bytes) -> Iterable[int]:
    """What a run that does not crash says of itself."""
    said: Iterable[object]
    try:
        said = target.run(data) or ()
    except target.raises as error:
        said = [(type(error).__name__, getattr(error, "reason", None))]
    return [-(zlib.crc32(repr(each).encode("utf-8", "replace")) << 3) - 1 for each in said]


def _place(error: BaseException) -> str:
    """The error's type, and where in the operator (else: anywhere) it comes from."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/pryv_operator/" in frame.filename] or frames
    file = ours[-1].filename.rpartition("/pryv_operator/")[2]
    text = f": {error}"[:200] if isinstance(error, AssertionError) else ""
    return f"{type(error).__name__} at {file}:{ours[-1].lineno}{text}"


class _deadline:  # noqa: N801 - reads as a function
    """Ends the process when more CPU time goes by."""

    def __enter__(self) -> None:
        signal.setitimer(signal.ITIMER_VIRTUAL, DEADLINE)

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


# --- memory ---

_STATUS = os.open("/proc/self/status", os.O_RDONLY)
_CLEAR = os.open("/proc/self/clear_refs", os.O_WRONLY)


def _resident() -> int:
    return _status(b"VmRSS:")


def _reset_peak() -> None:
    # Not getrusage's ru_maxrss: it never falls, and begins with what the parent process had.
    os.pwrite(_CLEAR, b"5", 0)


def _peak() -> int:
    return _status(b"VmHWM:")


def _status(name: bytes) -> int:
    text = os.pread(_STATUS, 8192, 0)
    return int(text[text.index(name) + len(name) :].split(maxsplit=1)[0]) * 1024


# --- the corpus ---


def read_corpus(folder: Path) -> dict[str, bytes]:
    """The kept inputs by name; none where there is no folder."""
    return {file.name: file.read_bytes() for file in sorted(folder.glob("*")) if file.is_file()}


def chosen(
    pool: Mapping[bytes, set[int]], kept: Iterable[bytes], *, files: int, size: int
) -> list[bytes]:
    """The inputs worth keeping: those kept already, then the shortest that take steps no other takes."""
    result = list(kept)
    seen: set[int] = (
        set().union(*(steps(pool.get(data, set())) for data in result)) if result else set()
    )
    for data in sorted(pool, key=lambda data: (len(data), data)):
        new = steps(pool[data]) - seen
        if new and data not in result and len(data) <= size and len(result) < files:
            seen |= new
            result.append(data)
    return result
