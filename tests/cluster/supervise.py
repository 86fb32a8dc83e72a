"""Runs one server, and ends it when the process that asked for it is gone, however that one ended.

Started as `python supervise.py ASKING_PID GRACE_SECONDS COMMAND…`; standard input is a pipe whose other end the asking process
holds. A `T` on it, or its end, means: TERM, and KILL after the grace time; a `K` means KILL. Exits with the server's code.

The pipe tells of the asking process's end at once; the parent's id is looked at too, because a process forked off the asking
one holds a copy of the pipe. (PR_SET_PDEATHSIG alone would not do for the asking process: it follows the thread that forked.
It is used below, where the supervisor forks from its main thread, for the case that the supervisor itself is killed.)
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
    asking_pid, grace_seconds, command = int(argv[1]), float(argv[2]), argv[3:]
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None

    def die_with_supervisor() -> None:
        if libc is not None:
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=die_with_supervisor)  # noqa: PLW1509
    threading.Thread(target=_obey, args=(server, asking_pid, grace_seconds), daemon=True).start()
    return server.wait() & 0xFF


def _obey(server: subprocess.Popen[bytes], asking_pid: int, grace_seconds: float) -> None:
    if _next_order(asking_pid) != KILL:
        server.terminate()
        try:
            server.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            print(f"not ended {grace_seconds:g} s after TERM: killed", file=sys.stderr, flush=True)
    server.kill()


def _next_order(asking_pid: int) -> bytes:
    while os.getppid() == asking_pid:
        if select.select([sys.stdin.fileno()], [], [], 0.5)[0]:
            return os.read(sys.stdin.fileno(), 1)
    return TERMINATE


if __name__ == "__main__":
    sys.exit(main(sys.argv))
