"""Runs one server and stops it when the process that started it exits, for whatever reason.

Usage: `python supervise.py PARENT_PID GRACE_SECONDS COMMAND…`. Standard input is a pipe from the
parent. A `T` on it, or its end, sends SIGTERM, and SIGKILL after the grace period; a `K` sends
SIGKILL. The exit code is the server's.

The pipe closes as soon as the parent exits, unless a fork of the parent holds a copy; therefore
the parent's process id is polled too. (PR_SET_PDEATHSIG alone is not enough for the parent: it
follows the thread that forked. It is used for the server, which the supervisor's main thread
forks, in case the supervisor itself is killed.)
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import threading

KILL = b"K"
TERMINATE = b"T"
_PR_SET_PDEATHSIG = 1


def main(argv: list[str]) -> int:
    parent_pid, grace_seconds, command = int(argv[1]), float(argv[2]), argv[3:]
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None

    def die_with_supervisor() -> None:
        if libc is not None:
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    server = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        preexec_fn=die_with_supervisor,  # noqa: PLW1509
    )
    threading.Thread(
        target=_stop_on_command, args=(server, parent_pid, grace_seconds), daemon=True
    ).start()
    return server.wait() & 0xFF


def _stop_on_command(
    server: subprocess.Popen[bytes], parent_pid: int, grace_seconds: float
) -> None:
    if _next_command(parent_pid) != KILL:
        server.terminate()
        try:
            server.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            print(
                f"still running {grace_seconds:g} s after SIGTERM: killed",
                file=sys.stderr,
                flush=True,
            )
    server.kill()


def _next_command(parent_pid: int) -> bytes:
    while os.getppid() == parent_pid:
        if select.select([sys.stdin.fileno()], [], [], 0.5)[0]:
            return os.read(sys.stdin.fileno(), 1)
    return TERMINATE


if __name__ == "__main__":
    sys.exit(main(sys.argv))
