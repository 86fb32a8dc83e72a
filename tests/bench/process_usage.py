"""CPU time and memory of a process and its children, from ``/proc``."""

from __future__ import annotations

import contextlib
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PROC: Final = Path("/proc")
#: Fields of ``/proc/PID/stat`` behind the command's name: user and system time of the process, and
#: of its children that have ended and were waited for (proc(5)).
_OWN_TIMES: Final = slice(11, 13)
_ALL_TIMES: Final = slice(11, 15)


@dataclass(frozen=True)
class Memory:
    """Resident memory in MiB: now, and the highest since the process started."""

    resident: float = 0.0
    peak: float = 0.0


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and its children, ended ones too."""
    return _times(pid, _ALL_TIMES) + sum(_times(child, _ALL_TIMES) for child in children(pid))


def own_cpu_seconds(pid: int) -> float:
    """User and system time of a process without its children."""
    return _times(pid, _OWN_TIMES)


def memory(pid: int) -> Memory:
    """Of one process; zeros once it has ended."""
    fields = {"VmRSS": 0.0, "VmHWM": 0.0}
    with contextlib.suppress(OSError):
        for line in (_PROC / str(pid) / "status").read_text().splitlines():
            name, _, value = line.partition(":")
            if name in fields:
                fields[name] = int(value.split()[0]) / 1024
    return Memory(fields["VmRSS"], fields["VmHWM"])


def children(pid: int) -> list[int]:
    """The running children of a process, and theirs."""
    found: list[int] = []
    for path in (_PROC / str(pid) / "task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, path.read_text().split()):
                found += [child, *children(child)]
    return found


def open_files(pid: int) -> int:
    """Number of open file descriptors: connections, watches among them, and files."""
    with contextlib.suppress(OSError):
        return len(list((_PROC / str(pid) / "fd").iterdir()))
    return 0


def threads(pid: int) -> int:
    """Number of threads."""
    with contextlib.suppress(OSError):
        return len(list((_PROC / str(pid) / "task").iterdir()))
    return 0


class FamilyPeak:
    """``with FamilyPeak(pid) as peak:`` samples the resident memory of a process and its children.

    Pages that they share count several times, so the sum is an upper bound.
    """

    def __init__(self, pid: int, every: float = 0.1) -> None:
        self._pid = pid
        self._every = every
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self.mebibytes = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _sample(self) -> None:
        while True:
            family = [self._pid, *children(self._pid)]
            self.mebibytes = max(self.mebibytes, sum(memory(pid).resident for pid in family))
            if self._ended.wait(self._every):
                return


def _times(pid: int, fields: slice) -> float:
    try:
        stat = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return 0.0
    return sum(map(int, stat.rpartition(")")[2].split()[fields])) / _TICKS
