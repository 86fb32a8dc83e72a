"""redis-server, started on the redis.conf of a pod.

What is changed in the file, and nothing else: `port`, `dir` and `logfile`, the address and port
of `replicaof`; and it listens on the loopback address only. In production redis-server is started
with this file (`docker/redis/runit/run` in pryv/dev-release-packaging).
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.cluster.processes import ServerProcess
from tests.cluster.run_folder import RunFolder
from tests.readers import programs
from tests.readers.pod import Pod
from tests.readers.ports import LOOPBACK, free_port, wait_until_accepts

CONFIGURATION: Final = "/app/conf/redis.conf"

_REPLICA_OF: Final = re.compile(r"^replicaof (\S+) (\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class RunningRedis:
    """A redis that answers on `port`."""

    port: int
    process: ServerProcess

    def command(self, *words: str) -> str:
        """Send a command; the reply as text, an error with its `-`."""
        with socket.create_connection((LOOPBACK, self.port), timeout=15) as connection:
            parts = "".join(f"${len(word.encode())}\r\n{word}\r\n" for word in words)
            connection.sendall(f"*{len(words)}\r\n{parts}".encode())
            reply = connection.makefile("rb")
            first = reply.readline().decode().rstrip("\r\n")
            if not first.startswith("$"):
                return first
            length = int(first[1:])
            return "(nil)" if length < 0 else reply.read(length).decode()

    def info(self, name: str) -> str:
        """A field of `INFO replication`."""
        lines = self.command("INFO", "replication").splitlines()
        return next(line.partition(":")[2] for line in lines if line.startswith(f"{name}:"))


def master_of(pod: Pod) -> tuple[str, int] | None:
    """Address and port of the master in a pod's redis.conf."""
    found = _REPLICA_OF.search(pod.text(CONFIGURATION))
    return (found[1], int(found[2])) if found else None


@contextmanager
def running_redis(
    pod: Pod, folder: RunFolder, master: RunningRedis | None = None
) -> Iterator[RunningRedis]:
    """redis-server with the file of a pod; `master` stands for the one that the file names."""
    port = free_port()
    here = folder.path / f"redis-{pod.instance}-{port}"
    for each in ("app/data", "app/log"):
        (here / each).mkdir(parents=True)
    file = here / "redis.conf"
    file.write_text(_localised(pod.text(CONFIGURATION), here, port, master))
    command = [str(programs.redis_server()), str(file), "--bind", LOOPBACK]
    process = ServerProcess(here.name, command, folder, env={}, grace_seconds=2)
    try:
        wait_until_accepts(port, process.check_alive)
        yield RunningRedis(port, process)
    finally:
        process.stop(abruptly=True)


def _localised(text: str, here: Path, port: int, master: RunningRedis | None) -> str:
    text = re.sub(r"^port 6379$", f"port {port}", text, flags=re.MULTILINE)
    text = re.sub(
        r"^(dir|logfile) \"?(/app/[^\"\s]*)\"?$", rf"\1 {here}\2", text, flags=re.MULTILINE
    )
    if master is None:
        return text
    assert _REPLICA_OF.search(text)
    return _REPLICA_OF.sub(f"replicaof {LOOPBACK} {master.port}", text)
