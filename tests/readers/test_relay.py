"""The sidecar through which register and dns reach redis: what a client of redis meets."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final

import pytest

from pryv_operator.objects.model import Relay
from pryv_operator.objects.relay import sidecar_of
from tests.cluster.processes import ServerProcess
from tests.cluster.run_folder import RunFolder
from tests.cluster.waiting import wait_until
from tests.readers import programs
from tests.readers.node_packages import Node
from tests.readers.ports import LOOPBACK, free_port, wait_until_accepts

#: Where redis listens: another address than the relay's.
STORE: Final = "127.0.0.2"
#: Until the relay has given up, or a loaded machine has started redis.
SECONDS: Final = 60


@pytest.fixture
def port(node: Node, run_folder: RunFolder) -> Iterator[int]:
    """The port of a relay that runs as in a pod, and at which redis would be."""
    found = free_port()
    _, *arguments = sidecar_of(Relay("redis", STORE, (found,)), "image")["command"]
    command = [str(node.program), *arguments]
    process = ServerProcess(f"relay-{found}", command, run_folder, env={}, grace_seconds=2)
    try:
        wait_until_accepts(found, process.check_alive)
        yield found
    finally:
        process.stop(abruptly=True)


@pytest.fixture
def redis(
    port: int, run_folder: RunFolder, tmp_path: Path
) -> Callable[[], AbstractContextManager[None]]:
    """Starts redis at the relay's port; it is killed with the context."""

    @contextmanager
    def running() -> Iterator[None]:
        options = ("--port", str(port), "--bind", STORE, "--dir", str(tmp_path))
        command = [str(programs.redis_server()), *options]
        process = ServerProcess(f"redis-{port}", command, run_folder, env={}, grace_seconds=2)
        try:
            wait_until_accepts(port, process.check_alive, host=STORE)
            yield
        finally:
            process.stop(abruptly=True)

    return running


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection((LOOPBACK, port), timeout=SECONDS) as found:
        yield found


def pings(client: socket.socket) -> bool:
    """Whether redis answers by a connection."""
    client.sendall(b"PING\r\n")
    return client.recv(100) == b"+PONG\r\n"


def test_a_connection_waits_for_redis(
    port: int, redis: Callable[[], AbstractContextManager[None]]
) -> None:
    """A client that is refused tries again after waits that grow."""
    with connected(port) as client:
        client.sendall(b"PING\r\n")
        with redis():
            assert client.recv(100) == b"+PONG\r\n"
            assert pings(client)


def test_a_client_learns_that_redis_has_gone_and_gets_the_next_one(
    port: int, redis: Callable[[], AbstractContextManager[None]]
) -> None:
    with connected(port) as client:
        with redis():
            assert pings(client)
        assert client.recv(100) == b""
    with connected(port) as again, redis():
        assert pings(again)


def test_what_nobody_answers_ends(port: int) -> None:
    """Commands that were sent to a pod whose node is gone: the client sends them again."""
    with socket.create_server((STORE, port)), connected(port) as client:
        client.sendall(b"PING\r\n")
        assert client.recv(100) == b""


def test_a_client_that_leaves_is_forgotten(
    port: int, redis: Callable[[], AbstractContextManager[None]]
) -> None:
    for _ in range(50):
        with connected(port):
            pass
    with redis(), connected(port) as client:
        wait_until(lambda: clients(client) == 1, "only this client to be left", seconds=SECONDS)


def clients(client: socket.socket) -> int:
    """How many redis has."""
    client.sendall(b"INFO clients\r\n")
    found = re.search(rb"connected_clients:(\d+)", client.recv(10_000))
    assert found is not None
    return int(found[1])
