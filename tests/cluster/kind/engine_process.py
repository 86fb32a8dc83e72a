"""Runs a container engine that meets nothing else on this machine, and removes all that it leaves.

Usage: `python engine_process.py FOLDER ENTER ARGUMENT…`. It creates control groups, and starts
`enter.sh FOLDER ARGUMENT…` in them and in namespaces of its own: network, mounts, processes, IPC,
host name, control groups. The end of the first process in there ends all others, with their mounts
and network. Then the control groups and FOLDER are removed. What a run that was killed together
with this process has left is removed by the next one.

SIGTERM ends it at once. It is run by `supervise.py`, which sends that when the tests are killed.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

_PREFIX = "pryv-operator-kind-"
_CGROUPS = Path("/proc/self/cgroup")
_MOUNTED = Path("/sys/fs/cgroup")
_NAMESPACES = ("--mount", "--net", "--pid", "--ipc", "--uts", "--cgroup")
_REMOVAL_SECONDS = 20
_PR_SET_PDEATHSIG = 1


class _TerminatedError(Exception):
    pass


def main(argv: list[str]) -> int:
    folder, enter, arguments = Path(argv[1]), argv[2], argv[3:]
    signal.signal(signal.SIGTERM, _terminate)
    groups = _create_groups(folder.parent)
    server: subprocess.Popen[bytes] | None = None
    try:
        server = subprocess.Popen(
            [
                *("unshare", *_NAMESPACES, "--fork", "--kill-child", "--propagation=private"),
                *("/bin/sh", "-eu", enter, str(folder), *arguments),
            ],
            preexec_fn=lambda: _join(groups),  # noqa: PLW1509
        )
        _write_first_process(server, folder / "pid")
        return server.wait()
    except _TerminatedError:
        return 0
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if server is not None:
            server.kill()
            server.wait()
        for group in groups:
            _remove_group(group)
        shutil.rmtree(folder, ignore_errors=True)


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise _TerminatedError


def _create_groups(run: Path) -> list[Path]:
    """A control group in each hierarchy, below the one that this process is in.

    Groups of runs whose folders are no more beside this run's are removed.
    """
    groups = []
    for line in _CGROUPS.read_text().splitlines():
        _number, controllers, place = line.split(":", 2)
        hierarchy = _hierarchy(controllers)
        if hierarchy is None:
            continue
        parent = hierarchy / place.lstrip("/")
        for stale in parent.glob(f"{_PREFIX}run-*"):
            if not (run.parent / stale.name.removeprefix(_PREFIX)).exists():
                _remove_group(stale)
        group = parent / f"{_PREFIX}{run.name}"
        group.mkdir()
        if controllers == "cpuset":
            # Without them no process can join.
            for setting in ("cpuset.cpus", "cpuset.mems"):
                (group / setting).write_text((group.parent / setting).read_text())
        groups.append(group)
    return groups


def _hierarchy(controllers: str) -> Path | None:
    if not controllers:
        candidates = [_MOUNTED / "unified", _MOUNTED]
    else:
        candidates = [_MOUNTED / controllers.removeprefix("name=")]
    return next((folder for folder in candidates if (folder / "cgroup.procs").exists()), None)


def _join(groups: list[Path]) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    for group in groups:
        (group / "cgroup.procs").write_text(str(os.getpid()))


def _write_first_process(server: subprocess.Popen[bytes], file: Path) -> None:
    """Write the process id of the first process inside, as seen from here."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children")
    while server.poll() is None:
        if found := children.read_text().split():
            file.with_suffix(".new").write_text(found[0])
            file.with_suffix(".new").replace(file)
            return
        time.sleep(0.01)


def _remove_group(group: Path) -> None:
    deadline = time.monotonic() + _REMOVAL_SECONDS
    # A killed process is in its group until the kernel is done with it.
    while group.exists() and time.monotonic() < deadline:
        for inner, _folders, _files in os.walk(group, topdown=False):
            with contextlib.suppress(OSError):
                Path(inner).rmdir()
        if group.exists():
            time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
