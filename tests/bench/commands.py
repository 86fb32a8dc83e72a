"""Commands that end by themselves: how long they take and what they use."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tests.bench.process_usage import memory

#: What a command inherits: how programs are found, and nothing of the one that measures.
_ENVIRONMENT: Final = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
_EVERY_SECONDS: Final = 0.005


@dataclass(frozen=True)
class Run:
    """One run of a command."""

    seconds: float
    cpu_seconds: float
    peak_mebibytes: float


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Run:
    """Run a command; its output is dropped.

    Raises:
        CalledProcessError: it failed.
    """
    started = time.perf_counter()
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**_ENVIRONMENT, **(environment or {})},
    ) as process:
        pid, peak = 0, 0.0
        while not pid:
            # Not from the resource usage: in that, the peak of this process counts too (execve).
            peak = max(peak, memory(process.pid).peak)
            time.sleep(_EVERY_SECONDS)
            pid, status, used = os.wait4(process.pid, os.WNOHANG)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Run(
        seconds=time.perf_counter() - started,
        cpu_seconds=used.ru_utime + used.ru_stime,
        peak_mebibytes=peak,
    )


def alternate(rounds: int, *commands: Sequence[str]) -> list[list[Run]]:
    """The runs of each command. They take turns, so that a busy machine slows all of them."""
    turns = [[run(command) for command in commands] for _ in range(rounds)]
    return [list(runs) for runs in zip(*turns, strict=True)]
