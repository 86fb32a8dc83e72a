"""Free ports of the loopback address."""

from __future__ import annotations

import socket
import time

LOOPBACK = "127.0.0.1"


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port that nothing listens on."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def accepts(port: int, host: str = LOOPBACK) -> bool:
    """Whether something listens on a TCP port."""
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0


def wait_until_accepts(
    port: int, check_alive: object, seconds: float = 15, host: str = LOOPBACK
) -> None:
    """Wait until something listens; `check_alive` is called in between, and may raise."""
    assert callable(check_alive)
    deadline = time.monotonic() + seconds
    while not accepts(port, host):
        check_alive()
        assert time.monotonic() < deadline, f"nothing listens on port {port} after {seconds:g} s"
        time.sleep(0.02)
