"""Starts operators quickly: loads the program once, and forks a process of its own for each that is asked for.

Run as ``python nursery.py SOCKET FOLDER``, with the folder that has the program.
An order is one line of JSON: ``{"log": path, "arguments": [...]}``; the answer is the process id.
Nothing runs in this process before the fork: each operator begins with an event loop, connections and a memory of its own.
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


def main(path: str) -> None:
    """Take orders until killed."""
    import kubernetes.aio.client  # noqa: F401, PLC0415 - loaded here so that no child has to

    import pryv_operator.cli.main  # noqa: F401, PLC0415

    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    listening.listen(64)
    while True:
        connection, _ = listening.accept()
        with connection, connection.makefile() as orders:
            order = json.loads(orders.readline())
            pid = os.fork()
            if pid:
                connection.sendall(f"{pid}\n".encode())
                continue
        listening.close()
        _run(order["log"], order["arguments"])


def _run(log: str, arguments: list[str]) -> None:
    """Be an operator."""
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
