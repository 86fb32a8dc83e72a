"""What one computation in a child process may use."""

from __future__ import annotations

import resource
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_MIB: Final = 1024 * 1024


@dataclass(frozen=True)
class ProcessLimits:
    """The limits of one computation; the address space is that of the whole process."""

    #: Bytes (``RLIMIT_AS``); 64 MiB of them are the interpreter with the operator's modules.
    address_space: int = 256 * _MIB
    #: Bytes: a process that has grown beyond is not used again.
    reused_size: int = 128 * _MIB
    #: Seconds (``RLIMIT_CPU``).
    cpu_seconds: int = 10
    #: The same of a short call; a longer one is begun again where it holds up only others like it.
    short_cpu_seconds: int = 1
    #: Seconds by the clock: a busy node gives a process little of its CPUs.
    deadline_seconds: float = 60.0
    #: Bytes of the result, which the operator itself has to hold.
    result_size: int = 24 * _MIB

    def limit_address_space(self) -> None:
        """Limit this process for good."""
        resource.setrlimit(resource.RLIMIT_AS, (self.address_space, self.address_space))

    def permit_reuse(self) -> bool:
        """Whether this process is small enough for another computation to have its whole space."""
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
        return pages * resource.getpagesize() <= self.reused_size

    @staticmethod
    def restart_cpu_time(seconds: int) -> None:
        """Give this process so much CPU time for what comes; SIGXCPU ends it afterwards."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        soft = int(used.ru_utime + used.ru_stime) + 1 + seconds
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        if hard != resource.RLIM_INFINITY:
            soft = min(soft, hard)
        resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


class LimitExceededError(Exception):
    """A computation was ended because it exceeded a limit, now or a short time ago."""

    def __init__(self, limit: str, retry_after: float) -> None:
        """``limit``: which limit, and how much it is, such as ``10 s of CPU time``.

        ``retry_after``: seconds until the same computation may be tried again.
        """
        self.limit = limit
        self.retry_after = retry_after
        super().__init__(f"more than {limit}")


def mebibytes(size: int) -> str:
    """A number of bytes as text."""
    return f"{size // _MIB} MiB"
