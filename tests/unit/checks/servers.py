"""Real servers on the loopback address: DNS, TLS, mail and an image registry."""

from __future__ import annotations

import json
import socket
import socketserver
import ssl
import threading
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from tests.unit.pki.chains import Link, joined

LOOPBACK = "127.0.0.1"


@contextmanager
def _running(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


# --- DNS ---


@dataclass
class DnsData:
    """Records by name and type. ``referrals``: name → NS name and glue, given as a referral."""

    records: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    referrals: dict[str, tuple[str, str | None]] = field(default_factory=dict)

    def answer(self, query: dns.message.Message) -> dns.message.Message:
        reply = dns.message.make_response(query)
        question = query.question[0]
        name, kind = question.name.to_text().rstrip("."), dns.rdatatype.to_text(question.rdtype)
        if name in self.referrals and kind == "NS" and not query.flags & dns.flags.RD:
            server, glue = self.referrals[name]
            reply.authority.append(dns.rrset.from_text(f"{name}.", 60, "IN", "NS", f"{server}."))
            if glue:
                reply.additional.append(dns.rrset.from_text(f"{server}.", 60, "IN", "A", glue))
            return reply
        values = self.records.get((name, kind)) or self.records.get((name, "CNAME"))
        if values:
            kind = kind if (name, kind) in self.records else "CNAME"
            reply.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", kind, *values))
        elif not any(known == name for known, _ in self.records):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        return reply


@contextmanager
def dns_server(data: DnsData) -> Iterator[int]:
    """A server that answers by UDP and TCP; its port."""

    class Udp(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            query = dns.message.from_wire(self.request[0])
            self.request[1].sendto(data.answer(query).to_wire(), self.client_address)

    class Tcp(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            length = self.rfile.read(2)
            if length:
                query = dns.message.from_wire(self.rfile.read(int.from_bytes(length, "big")))
                wire = data.answer(query).to_wire()
                self.wfile.write(len(wire).to_bytes(2, "big") + wire)

    tcp = socketserver.ThreadingTCPServer((LOOPBACK, 0), Tcp)
    udp = socketserver.ThreadingUDPServer((LOOPBACK, tcp.server_address[1]), Udp)
    with _running(tcp), _running(udp):
        yield tcp.server_address[1]


# --- TLS ---


def server_context(chain: Sequence[Link], folder: Path) -> ssl.SSLContext:
    """A TLS context that presents a chain, leaf first."""
    (folder / "chain.pem").write_text(joined([*chain]))
    (folder / "key.pem").write_text(chain[0].key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "chain.pem", folder / "key.pem")
    return context


@contextmanager
def https_server(context: ssl.SSLContext, documents: Mapping[str, Any]) -> Iterator[int]:
    """A web server with JSON documents by path; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = documents.get(self.path)
            body = json.dumps(found).encode()
            self.send_response(200 if found is not None else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None:
            """A client that does not trust the certificate ends the handshake."""

    server = Server((LOOPBACK, 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with _running(server):
        yield server.server_address[1]


# --- mail ---


@dataclass
class MailBox:
    """The port of a mail server, and what it was sent."""

    port: int = 0
    messages: list[bytes] = field(default_factory=list)


@contextmanager
def mail_server(user: str, password: str, context: ssl.SSLContext | None) -> Iterator[MailBox]:
    """A mail server with a login; with a context it has STARTTLS."""
    box = MailBox()

    class Handler:
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
            box.messages.append(envelope.content)
            return "250 kept"

    def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> Any:
        right = (data.login, data.password) == (user.encode(), password.encode())
        return AuthResult(success=right, handled=False, message=None if right else (
            f"535 5.7.8 no: {data.password.decode()}"))  # fmt: skip

    controller = Controller(
        Handler(),
        hostname=LOOPBACK,
        port=0,
        tls_context=context,
        authenticator=authenticate,
        auth_require_tls=context is not None,
        auth_exclude_mechanism=["LOGIN"],
    )
    controller.port = _free_port()
    controller.start()
    box.port = controller.port
    try:
        yield box
    finally:
        controller.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


# --- registry ---


@contextmanager
def registry(images: Sequence[str], login: str | None) -> Iterator[int]:
    """A registry with images (REPOSITORY/VERSION); with a login it asks for a token of it."""
    wanted = f"Basic {b64encode(login.encode()).decode()}" if login else None

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            if login and self.headers.get("Authorization") != "Bearer the-token":
                self._answer(401, {"WWW-Authenticate": f'Bearer realm="{self._url}/token"'})
                return
            name = self.path.removeprefix("/v2/").replace("/manifests/", "/")
            self._answer(200 if name in images else 404, {})

        def do_GET(self) -> None:
            if self.headers.get("Authorization") != wanted:
                self._answer(401, {})
                return
            self._answer(200, {}, b'{"token": "the-token"}')

        @property
        def _url(self) -> str:
            return f"http://{LOOPBACK}:{self.server.server_port}"  # type: ignore[attr-defined]

        def _answer(self, status: int, headers: Mapping[str, str], body: bytes = b"") -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
    with _running(server):
        yield server.server_address[1]
