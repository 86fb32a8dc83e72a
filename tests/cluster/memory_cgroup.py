"""A control group with a memory limit, as a container has one. Needs root.

Both versions of control groups are known.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml
from kubernetes.utils.quantity import parse_quantity

from tests.cluster.waiting import wait_until

_CHART_VALUES: Final = Path(__file__).parents[2] / "charts" / "pryv-operator" / "values.yaml"
#: The shell joins the group before it becomes the program, whose memory then counts from the start.
_JOIN_AND_RUN: Final = 'echo $$ > "$0"/cgroup.procs && exec "$@"'


def chart_memory_limit() -> int:
    """The memory limit of the operator's container, in bytes."""
    values = yaml.safe_load(_CHART_VALUES.read_text())
    return int(parse_quantity(values["resources"]["limits"]["memory"]))


class NoCgroupsError(Exception):
    """No control group can be created here; the message says why."""


@dataclass(frozen=True)
class _Version:
    folder: Path
    limit: str
    peak: str


_VERSIONS: Final = (
    _Version(Path("/sys/fs/cgroup"), "memory.max", "memory.peak"),
    _Version(Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.max_usage_in_bytes"),
)


class MemoryCgroup:
    """A control group; `memory_cgroup` makes and removes it."""

    def __init__(self, folder: Path, version: _Version) -> None:
        self._folder = folder
        self._version = version

    def command(self, program: Sequence[str]) -> list[str]:
        """The command that runs a program, and all that it starts, in this group."""
        return ["/bin/sh", "-c", _JOIN_AND_RUN, str(self._folder), *program]

    @property
    def peak(self) -> int:
        """The kernel's high-water mark in bytes: of all processes, page cache included."""
        return int((self._folder / self._version.peak).read_text())

    @property
    def kills(self) -> int:
        """How many processes the kernel has killed for want of memory."""
        name = "memory.events" if self._version.limit == "memory.max" else "memory.oom_control"
        lines = (self._folder / name).read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))


@contextmanager
def memory_cgroup(limit: int) -> Iterator[MemoryCgroup]:
    """A control group with a limit in bytes, which is removed once its processes have ended.

    Raises:
        NoCgroupsError: none can be created.
    """
    folder, version = _create(limit)
    try:
        yield MemoryCgroup(folder, version)
    finally:
        processes = folder / "cgroup.procs"
        wait_until(lambda: not processes.read_text(), "the group to be empty", seconds=60)
        folder.rmdir()


def _create(limit: int) -> tuple[Path, _Version]:
    reasons = []
    for version in _VERSIONS:
        folder = version.folder / f"pryv-operator-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        try:
            folder.mkdir()
        except OSError as error:
            reasons.append(f"{version.folder}: {error.strerror}")
            continue
        try:
            (folder / version.limit).write_text(str(limit))
            (folder / version.peak).read_text()
        except OSError as error:
            reasons.append(f"{folder / version.limit}: {error.strerror}")
            with contextlib.suppress(OSError):
                folder.rmdir()
            continue
        return folder, version
    raise NoCgroupsError("; ".join(reasons))
