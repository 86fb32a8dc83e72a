"""The routing table of a reverse proxy: what it does with requests for all its names and locations.

The requests come from the configuration itself: each server name with each location, and paths
that no location names. So a new location is in the table without anybody adding it.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import crossplane

from tests.readers.nginx import LocalFiles, RunningNginx
from tests.readers.ports import LOOPBACK

#: Regular expression of a location → a path that it matches.
SAMPLES: Final = {
    "/events/[^/]+/series$": "/events/ckx1/series",
    "^/events/[^/]+/series$": "/events/ckx1/series",
    "/series/batch$": "/series/batch",
    "^/series/batch$": "/series/batch",
}
#: Asked for of every server.
_ALWAYS: Final = ("/", "/some/path?a=1&b=%2F", "/redirected")
_ACCOUNT: Final = "alice"
_METHODS: Final = ("GET", "POST")
_HEADERS: Final = {"Upgrade": "websocket", "Connection": "upgrade"}


@dataclass(frozen=True)
class Server:
    """A server block: the hosts to ask it for, and the paths."""

    port: int
    hosts: tuple[str, ...]
    paths: tuple[str, ...]


@dataclass(frozen=True)
class Answer:
    """What came back for a request."""

    status: int
    headers: dict[str, str]
    body: bytes


def servers_of(files: LocalFiles, domain: str) -> tuple[Server, ...]:
    """The server blocks, in the order of the files.

    Raises:
        AssertionError: nginx would take the files otherwise than they are parsed here.
    """
    payload = crossplane.parse(str(files.configuration), combine=True, check_args=False)
    assert payload["status"] == "ok", payload["errors"]
    return tuple(
        _server(block["block"], files, domain)
        for top in payload["config"][0]["parsed"]
        if top["directive"] == "http"
        for block in top["block"]
        if block["directive"] == "server"
    )


def _server(block: list[dict[str, Any]], files: LocalFiles, domain: str) -> Server:
    listen = next(each["args"][0] for each in block if each["directive"] == "listen")
    names = [name for each in block if each["directive"] == "server_name" for name in each["args"]]
    paths = [
        path for each in block if each["directive"] == "location" for path in _paths(each["args"])
    ]
    return Server(
        port=next(port for port, local in files.ports.items() if listen.endswith(f":{local}")),
        hosts=tuple(name.replace("*", _ACCOUNT) for name in names) or (f"{_ACCOUNT}.{domain}",),
        paths=tuple(dict.fromkeys([*_ALWAYS, *paths])),
    )


def _paths(location: list[str]) -> Iterator[str]:
    match location:
        case ["=", path]:
            yield from (path, f"{path}?a=1")
        case [("~" | "~*"), expression]:
            assert expression in SAMPLES, f"add a path that matches {expression}"
            yield from (f"{SAMPLES[expression]}?a=1", f"/x{SAMPLES[expression]}")
        case [name] if name.startswith("@"):
            pass  # Other locations lead there.
        case [path] | ["^~", path]:
            yield from (path, f"{path.rstrip('/')}/below%20it?a=1")


def ask(
    running: RunningNginx,
    port: int,
    host: str,
    method: str,
    target: str,
    tls: ssl.SSLContext,
    **headers: str,
) -> Answer:
    """Send one request, by TLS if `port` is 443; `headers` with `_` for `-`."""
    with socket.create_connection((LOOPBACK, running.files.ports[port]), timeout=15) as plain:
        sock = tls.wrap_socket(plain, server_hostname=host) if port == 443 else plain
        connection = http.client.HTTPConnection(host)
        connection.sock = sock
        connection.request(
            method,
            target,
            body=b"{}" if method == "POST" else None,
            headers={
                **_HEADERS,
                **{name.replace("_", "-"): text for name, text in headers.items()},
            },
        )
        response = connection.getresponse()
        answered = {key.lower(): value for key, value in response.getheaders()}
        answer = Answer(response.status, answered, response.read())
        sock.close()
        return answer


def routing_table(running: RunningNginx, domain: str, tls: ssl.SSLContext) -> str:
    """One line for each request, sorted, with DOMAIN for the domain.

    Besides the servers' own names, the bare domain is asked for: it gets the default server.
    """
    lines: list[str] = []
    for server in servers_of(running.files, domain):
        for host in server.hosts:
            for path in server.paths:
                for method in _METHODS:
                    answer = ask(running, server.port, host, method, path, tls)
                    lines.append(_line(server.port, host, method, path, answer))
    for port in sorted({server.port for server in servers_of(running.files, domain)}):
        answer = ask(running, port, domain, "GET", "/some/path", tls)
        lines.append(_line(port, domain, "GET", "/some/path", answer))
    text = "\n".join(sorted(dict.fromkeys(lines), key=lambda line: line.split(" ")[1::-1])) + "\n"
    for local in running.files.ports.values():
        text = text.replace(f":{local}/", "/")
    return text.replace(domain, "DOMAIN")


def _line(port: int, host: str, method: str, path: str, answer: Answer) -> str:
    scheme = "https" if port == 443 else "http"
    return f"{method} {scheme}://{host}{path} -> {_result(answer)}"


def _result(answer: Answer) -> str:
    if "location" in answer.headers:
        return f"{answer.status} {answer.headers['location']}"
    if answer.headers.get("content-type", "").startswith("application/json"):
        seen = json.loads(answer.body)
        headers = seen["headers"]
        shown = {
            "host": headers["host"],
            "proto": headers.get("x-forwarded-proto"),
            "for": headers.get("x-forwarded-for"),
            "upgrade": headers.get("upgrade"),
        }
        given = " ".join(f"{name}={value}" for name, value in shown.items() if value)
        return f"{seen['upstream']} {seen['method']} {seen['target']} {given}"
    return str(answer.status)
