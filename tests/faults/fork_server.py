"""Starts operators quickly: imports the program once and forks a process for each operator.

Run as ``python fork_server.py SOCKET FOLDER``; FOLDER is the one to import the program from.
A request is one line of JSON: ``{"log": path, "arguments": [...]}``; the response is the
process id. No event loop and no connection exists before the fork, so operators share nothing.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import signal
import socket
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def main(socket_path: str) -> None:
    """Serve requests on the Unix socket until killed."""
    import pryv_operator.cli.main  # noqa: F401, PLC0415 - imported once, before the fork

    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(socket_path)
    listening.listen(64)
    while True:
        connection, _ = listening.accept()
        with connection, connection.makefile() as lines:
            request = json.loads(lines.readline())
            pid = os.fork()
            if pid:
                connection.sendall(f"{pid}\n".encode())
                continue
        listening.close()
        _run(request["log"], request["arguments"])


def _run(log: str, arguments: list[str]) -> None:
    """Run an operator in this (forked) process; dies with the fork server."""
    from pryv_operator.cli.main import operator  # noqa: PLC0415

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with Path(log).open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    code = 1
    try:
        operator(arguments, standalone_mode=False)
        code = 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        if code == 0:
            os._exit(0)


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[2])
    main(sys.argv[1])
