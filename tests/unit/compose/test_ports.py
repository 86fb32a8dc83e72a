"""Ports of compose files: every form of the specification."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.compose.error import ComposeError
from pryv_operator.compose.model import ContainerPort, Port, Protocol
from pryv_operator.compose.ports import Ports, read_expose, read_ports

_addresses = st.none() | st.ip_addresses().map(str)
_protocols = st.sampled_from(["tcp", "udp", "TCP", "Udp"])
_sizes = st.integers(1, 20)
_starts = st.integers(1, 65000)


def read(*entries: Any) -> Ports:
    return read_ports("services.core.ports", entries)


def spell(first: int, size: int) -> str:
    return str(first) if size == 1 else f"{first}-{first + size - 1}"


@given(_addresses, _starts, _starts, _sizes, st.none() | _protocols)
def test_a_range_is_its_ports(
    address: str | None, host: int, container: int, size: int, protocol: str | None
) -> None:
    begin = "" if address is None else f"[{address}]:" if ":" in address else f"{address}:"
    end = "" if protocol is None else f"/{protocol}"
    each = [f"{begin}{host + index}:{container + index}{end}" for index in range(size)]
    assert read(f"{begin}{spell(host, size)}:{spell(container, size)}{end}") == read(*each)


@given(_addresses, _starts, _starts, st.none() | _protocols, st.booleans())
def test_the_long_form_is_the_short_one(
    address: str | None, host: int, container: int, protocol: str | None, brackets: bool
) -> None:
    shown = f"[{address}]" if address and ":" in address and brackets else address
    short = "".join(
        [
            "" if shown is None else f"{shown}:",
            f"{host}:{container}",
            "" if protocol is None else f"/{protocol}",
        ]
    )
    long = {"target": str(container), "published": str(host), "mode": "host", "name": "web"}
    long |= {} if address is None else {"host_ip": address}
    long |= {} if protocol is None else {"protocol": protocol}
    assert read(short) == read(long)


@given(_addresses, _starts, _starts)
def test_a_port_is_published_unless_its_address_is_the_loopback(
    address: str | None, host: int, container: int
) -> None:
    """The rules about addresses hold for the long form too."""
    found = read({"target": str(container), "published": str(host), "host_ip": address})
    assert len(found.ports) + len(found.loopback) == 1
    assert [each[0] for each in found.bound] == (
        [address] if found.ports and address not in (None, "0.0.0.0", "::") else []
    )


@pytest.mark.parametrize(
    "entry",
    [
        "80",
        ":80",
        "1.2.3.4::80",
        "[::1]::80",
        {"target": "80"},
        {"target": "80", "published": None},
    ],
)
def test_a_port_that_docker_chooses_is_not_published(entry: Any) -> None:
    found = read(entry)
    assert found.unfixed == (ContainerPort(80, "tcp"),)
    assert found.ports == found.loopback == ()


def test_a_lone_range_is_not_published() -> None:
    assert read("80-82/udp").unfixed == tuple(ContainerPort(n, "udp") for n in (80, 81, 82))


@pytest.mark.parametrize("entry", ["8000-8010:80", {"target": "80", "published": "8000-8010"}])
def test_of_a_range_for_one_port_the_first_is_used(entry: Any) -> None:
    assert read(entry).ports == (Port(8000, 80, "tcp"),)


@pytest.mark.parametrize("entry", ["::1:53:53/udp", "[::1]:53:53/udp"])
def test_addresses_of_ipv6_may_have_brackets(entry: str) -> None:
    assert read(entry).loopback == (Port(53, 53, "udp"),)


@pytest.mark.parametrize(
    "entry",
    [
        "",
        ":",
        "a",
        "80:",
        "80:a",
        "80-81:80-82",
        "81-80:80",
        "80-:80",
        "80/sctp",
        "0:80",
        "70000:1",
        "[x]:80:80",
        "[]:80:80",
        "a b:80:80",
        "80:80/udp/tcp",
        "-80",
        "8a:80",
        ["80"],
        None,
        {},
        {"published": "80"},
        {"target": "80-81"},
        {"target": ["80"]},
        {"target": "80", "protocol": "x"},
        {"target": "80", "published": "80", "host_ip": "a b"},
    ],
)
def test_what_is_no_port_is_refused(entry: Any) -> None:
    with pytest.raises(ComposeError, match=r"services.core.ports: an entry is not of the form"):
        read(entry)


@pytest.mark.parametrize("entries", [["1-200:1-200"], ["1-100:1-100", "201-300:201-300"]])
def test_ranges_are_limited(entries: list[str]) -> None:
    with pytest.raises(ComposeError, match="more than 128 ports"):
        read(*entries)


@given(_starts, _sizes, st.sampled_from(["", "/tcp", "/udp"]))
def test_expose(first: int, size: int, end: str) -> None:
    found, ignored = read_expose("e", [f"{spell(first, size)}{end}", "none", "1-65535"])
    protocol: Protocol = "udp" if end == "/udp" else "tcp"
    assert found == tuple(ContainerPort(first + index, protocol) for index in range(size))
    assert ignored == ["e[1]", "e[2]"]


@pytest.mark.parametrize(
    "address",
    [
        "localhost", "LocalHost", "localhost.", "localhost.localdomain", "localhost6",
        "ip6-localhost", "ip6-loopback", "a.localhost", "127.1", "127.0.1", "127.0.0.01",
        "2130706433", "0x7f000001", "0177.0.0.1",
    ],
)  # fmt: skip
def test_names_and_short_forms_of_the_loopback_are_not_published(address: str) -> None:
    port = Port(80, 81, "tcp")
    long = {"target": "81", "published": "80", "host_ip": address}
    for found in (read(f"{address}:80:81"), read(long)):
        assert (found.ports, found.loopback) == ((), (port,))


@pytest.mark.parametrize("address", ["0", "10.1", "128.1", "localhost.example.com", "mylocalhost"])
def test_what_only_looks_like_the_loopback_is_published_with_its_address(address: str) -> None:
    port = Port(80, 81, "tcp")
    assert read(f"{address}:80:81").bound == ((address, port),)
