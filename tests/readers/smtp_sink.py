"""An SMTP server that keeps what it is sent (RFC 5321, and AUTH of RFC 4954)."""

from __future__ import annotations

import email
import email.policy
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage

from tests.readers.ports import LOOPBACK


@dataclass
class Sink:
    """The server: its port, the messages, and whether each connection had logged in."""

    port: int
    messages: list[EmailMessage] = field(default_factory=list)
    logins: list[bool] = field(default_factory=list)


class _Handler(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        self.logged_in = False
        self._answer("220 sink")
        while line := self.rfile.readline():
            command = line.decode().strip().upper()
            if command.startswith("EHLO"):
                self._answer("250-sink\r\n250-8BITMIME\r\n250 AUTH PLAIN")
            elif command.startswith("AUTH PLAIN"):
                self.logged_in = True
                self._answer("235 welcome")
            elif command == "DATA":
                self._answer("354 go on")
                self._receive()
                self._answer("250 kept")
            elif command == "QUIT":
                self._answer("221 bye")
                return
            else:
                self._answer("250 fine")

    def _receive(self) -> None:
        lines = []
        while (line := self.rfile.readline()) not in {b".\r\n", b""}:
            lines.append(line.removeprefix(b"."))
        message = email.message_from_bytes(b"".join(lines), policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        self.server.sink.messages.append(message)
        self.server.sink.logins.append(self.logged_in)

    def _answer(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__((LOOPBACK, 0), _Handler)
        self.sink = Sink(self.server_address[1])


@contextmanager
def smtp_sink() -> Iterator[Sink]:
    """A sink on a free port of the loopback address."""
    with _Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server.sink
        finally:
            server.shutdown()
            thread.join()
