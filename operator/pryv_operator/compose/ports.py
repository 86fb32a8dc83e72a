"""Reads ``ports`` and ``expose`` of a service, in the short and the long form.

Sources: https://github.com/compose-spec/compose-spec/blob/main/05-services.md (ports, expose), and
``ParsePortSpec`` of github.com/docker/go-connections.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from pryv_operator.compose.error import ComposeError
from pryv_operator.compose.model import ContainerPort, Port, Protocol
from pryv_operator.compose.yaml_loader import ENTRY_LIMIT

_RANGE: Final = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?", re.ASCII)
_PROTOCOLS: Final[dict[str, Protocol]] = {"tcp": "tcp", "udp": "udp"}
#: A name in place of an IP address, such as ``localhost``.
_ADDRESS: Final = re.compile(r"[^][:/\s]+")
#: Keys of the long form. The last three mean nothing to compose without Swarm.
_LONG_KEYS: Final = ("target", "published", "protocol", "host_ip", "mode", "name", "app_protocol")
#: Names of the loopback in the hosts files of Linux distributions.
_LOOPBACK_NAMES: Final = (
    "localhost", "localhost4", "localhost6", "ip6-localhost", "ip6-loopback", "loopback",
    "localhost.localdomain", "localhost4.localdomain4", "localhost6.localdomain6",
)  # fmt: skip
_LOOPBACK_NETWORK: Final = 127
#: A number of an IPv4 address as inet_aton(3) reads it.
_NUMBER: Final = re.compile(r"0x[0-9a-f]{1,8}|0[0-7]{0,11}|[1-9][0-9]{0,9}", re.ASCII)
#: Addresses by which compose publishes a port on every address of the host.
_EVERY_ADDRESS: Final = ("", "0.0.0.0", "::")  # noqa: S104


@dataclass(frozen=True)
class Ports:
    """The ports of a service by how they are published, see the fields of ``Service``."""

    ports: tuple[Port, ...]
    bound: tuple[tuple[str, Port], ...]
    loopback: tuple[Port, ...]
    unfixed: tuple[ContainerPort, ...]
    #: Paths of keys that are ignored.
    ignored: tuple[str, ...]


@dataclass(frozen=True)
class _Entry:
    """An entry of ``ports`` in its parts; ``host`` is empty if Docker chooses the port."""

    address: str
    host: str
    container: str
    protocol: Protocol
    ignored: tuple[str, ...] = ()


class _FormError(Exception):
    """An entry has none of the forms."""


def read_ports(where: str, entries: Iterable[Any]) -> Ports:
    """The ports of a service.

    Args:
        where: path of the key.
        entries: texts and maps.

    Raises:
        ComposeError: an entry is not valid.
    """
    fixed: dict[tuple[str, Port], None] = {}
    unfixed: dict[ContainerPort, None] = {}
    ignored: list[str] = []
    for index, value in enumerate(entries):
        try:
            entry = _entry(value)
            expanded = list(_expand(entry))
        except _FormError:
            raise ComposeError(
                f"{where}: an entry is not of the form "
                "[ADDRESS:]HOST:CONTAINER[/udp] with ports from 1 to 65535, ranges of the same "
                "length, or a map with target and published"
            ) from None
        for address, port in expanded:
            if isinstance(port, Port):
                fixed[(address, port)] = None
            else:
                unfixed[port] = None
        ignored += [f"{where}[{index}].{key}" for key in entry.ignored]
        if len(fixed) + len(unfixed) > ENTRY_LIMIT:
            raise ComposeError(f"{where}: more than {ENTRY_LIMIT} ports")
    published = [(address, port) for address, port in fixed if not _is_loopback(address)]
    return Ports(
        ports=tuple(dict.fromkeys(port for _, port in published)),
        bound=tuple(each for each in published if each[0] not in _EVERY_ADDRESS),
        loopback=tuple(dict.fromkeys(port for address, port in fixed if _is_loopback(address))),
        unfixed=tuple(unfixed),
        ignored=tuple(ignored),
    )


def read_expose(where: str, entries: Iterable[Any]) -> tuple[tuple[ContainerPort, ...], list[str]]:
    """The ports of ``expose``, and the paths of entries that are none, or too many."""
    found: dict[ContainerPort, None] = {}
    ignored = []
    for index, value in enumerate(entries):
        try:
            numbers, protocol = _with_protocol(_text(value))
            wanted = _range(numbers)
        except _FormError:
            wanted = range(0)
        if 0 < len(wanted) <= ENTRY_LIMIT - len(found):
            found |= {ContainerPort(number, protocol): None for number in wanted}
        else:
            ignored.append(f"{where}[{index}]")
    return tuple(found), ignored


def _entry(value: Any) -> _Entry:
    if isinstance(value, dict):
        return _long_form(value)
    numbers, protocol = _with_protocol(_text(value))
    *rest, container = numbers.split(":")
    host = rest.pop() if rest else ""
    return _Entry(_address(":".join(rest)), host, container, protocol)


def _long_form(value: dict[str, Any]) -> _Entry:
    if not all(isinstance(value.get(key, ""), str | None) for key in _LONG_KEYS):
        raise _FormError
    target = value.get("target") or ""
    if "-" in target:
        raise _FormError
    return _Entry(
        address=_address(value.get("host_ip") or ""),
        host=value.get("published") or "",
        container=target,
        protocol=_protocol(value.get("protocol") or "tcp"),
        ignored=tuple(key for key in value if key not in _LONG_KEYS and not key.startswith("x-")),
    )


def _expand(entry: _Entry) -> Iterable[tuple[str, Port | ContainerPort]]:
    """Each port of an entry with its address."""
    container = _range(entry.container)
    if not entry.host:
        for number in container:
            yield entry.address, ContainerPort(number, entry.protocol)
        return
    host = _range(entry.host)
    # Docker takes a free port of a range for a single port: the first, where all are free.
    if len(container) not in (1, len(host)):
        raise _FormError
    for published, number in zip(host, container, strict=False):
        yield entry.address, Port(published, number, entry.protocol)


def _range(text: str) -> range:
    match = _RANGE.fullmatch(text)
    if not match:
        raise _FormError
    first, last = int(match[1]), int(match[2] or match[1])
    if not 0 < first <= last < 65536:
        raise _FormError
    return range(first, last + 1)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _FormError
    return value


def _with_protocol(text: str) -> tuple[str, Protocol]:
    numbers, _, protocol = text.partition("/")
    return numbers, _protocol(protocol or "tcp")


def _protocol(text: str) -> Protocol:
    protocol = _PROTOCOLS.get(text.lower())
    if protocol is None:
        raise _FormError
    return protocol


def _address(text: str) -> str:
    """The address without the brackets of IPv6."""
    inner = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if not inner and inner == text:
        return ""
    try:
        ipaddress.ip_address(inner)
    except ValueError:
        if inner != text or not _ADDRESS.fullmatch(text):
            raise _FormError from None
    return inner


def _is_loopback(address: str) -> bool:
    """Whether only processes of the host reach a port at the address, or the name of one."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return _is_loopback_name(address)
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return (mapped or ip).is_loopback


def _is_loopback_name(name: str) -> bool:
    """Whether a name is one of the loopback, or a short form of its address (``127.1``).

    Sources: RFC 6761, section 6.3; the ``/etc/hosts`` of Debian and Fedora; inet_aton(3).
    """
    plain = name.lower().removesuffix(".")
    if plain in _LOOPBACK_NAMES or plain.endswith(".localhost"):
        return True
    parts = plain.split(".")
    if len(parts) > 4 or not all(_NUMBER.fullmatch(part) for part in parts):
        return False
    first = int(parts[0], 16 if "x" in parts[0] else 8 if parts[0].startswith("0") else 10)
    return (first if len(parts) > 1 else first >> 24) == _LOOPBACK_NETWORK
