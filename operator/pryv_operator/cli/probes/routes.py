"""Where probes really connect: elsewhere than clients, for a platform that is not published yet."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

#: ``HOST:PORT:ADDRESS:PORT`` as curl's --connect-to; IPv6 addresses in brackets.
_PART: Final = r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:]*)"
_RULE: Final = re.compile(f"{_PART}:([0-9]*):{_PART}:([0-9]*)")
_SERVER: Final = re.compile(f"{_PART}(?::([0-9]+))?")
DNS_PORT: Final = 53


class RouteError(Exception):
    """An option that is not HOST:PORT:ADDRESS:PORT, or no server's address."""


@dataclass(frozen=True)
class _Rule:
    host: str
    port: int | None
    address: str
    to_port: int | None


@dataclass(frozen=True)
class Routes:
    """Rules of ``--connect-to``; of several that apply, the first counts."""

    rules: tuple[_Rule, ...] = ()

    def target(self, host: str, port: int) -> tuple[str, int]:
        """The host and port to connect to instead of these."""
        for rule in self.rules:
            if rule.host in ("", host) and rule.port in (None, port):
                return rule.address or host, rule.to_port or port
        return host, port


def parse_routes(texts: Iterable[str]) -> Routes:
    """The rules of ``--connect-to``.

    Raises:
        RouteError: one of them has another form.
    """
    return Routes(tuple(_parsed(text) for text in texts))


def _parsed(text: str) -> _Rule:
    match = _RULE.fullmatch(text)
    ports = [int(each) if each else None for each in (match[2], match[4])] if match else []
    if match is None or any(each is not None and each > 65535 for each in ports):
        raise RouteError(
            f'--connect-to: "{text}" is not HOST:PORT:ADDRESS:PORT; as with curl, an empty HOST or '
            "PORT stands for any"
        )
    return _Rule(match[1].strip("[]"), ports[0], match[3].strip("[]"), ports[1])


def parse_server(text: str, option: str) -> tuple[str, int]:
    """IP address and port of a DNS server: ``ADDRESS[:PORT]``; IPv6 with a port in brackets.

    Raises:
        RouteError: it has another form.
    """
    try:
        return str(ipaddress.ip_address(text.strip("[]"))), DNS_PORT
    except ValueError:
        pass
    match = _SERVER.fullmatch(text)
    try:
        address = str(ipaddress.ip_address(match[1].strip("[]") if match else ""))
        port = int((match[2] if match else "") or DNS_PORT)
    except ValueError:
        port = 0
    if not 0 < port < 65536:
        raise RouteError(f'{option}: "{text}" is not ADDRESS[:PORT]; pass an IP address')
    return address, port
