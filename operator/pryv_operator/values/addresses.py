"""Addresses of Services, as the cluster assigns them or as placeholders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address
from itertools import chain
from typing import Final

_BROADCAST: Final = IPv4Address("255.255.255.255")


@dataclass(frozen=True)
class Address:
    """The addresses that a Service has so far: its own, and those of its load balancer.

    ``cluster_ip`` is an IPv6 address only if the Service has no IPv4 one.
    """

    cluster_ip: str | None = None
    #: IPv4, as all addresses that the platform's DNS publishes.
    load_balancer_ip: str | None = None
    #: IPv6 address of a load balancer that has no IPv4 one.
    load_balancer_ipv6: str | None = None
    load_balancer_host: str | None = None


def choose_ipv4(candidates: Sequence[str], current: str | None) -> str | None:
    """The IPv4 address to use among several: the current one as long as it is listed.

    A list in another order changes nothing. None: there is no IPv4 address.
    """
    listed = [each for each in candidates if is_ipv4(each)]
    return current if current in listed else next(iter(listed), None)


def is_ipv4(text: str) -> bool:
    """Whether a text is an IPv4 address."""
    return isinstance(_parsed(text), IPv4Address)


def is_ipv6(text: str) -> bool:
    """Whether a text is an IPv6 address."""
    return isinstance(_parsed(text), IPv6Address)


def dns_server(text: str) -> str | None:
    """The IP address of a DNS server, IPv6 with or without brackets; None if it is not valid.

    Not valid are an address with a zone (``fe80::1%eth0``), which nginx does not know, and one of
    no single host.
    """
    is_bracketed = text.startswith("[") and text.endswith("]") and is_ipv6(text[1:-1])
    address = _parsed(text[1:-1] if is_bracketed else text)
    if address is None or "%" in text or address.is_unspecified or address.is_multicast:
        return None
    return None if address == _BROADCAST else str(address)


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


#: Prefix of RFC 5737's first documentation network.
PLACEHOLDER_NETWORK: Final = "192.0.2."
#: Stands for an address that is not known yet.
UNKNOWN_ADDRESS: Final = f"{PLACEHOLDER_NETWORK}254"
#: RFC 5737's other documentation networks, then RFC 2544's network for benchmarks.
_MORE_PLACEHOLDERS: Final = ("198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15")


def placeholder_addresses(services: list[str]) -> dict[str, Address]:
    """A distinct documentation address for each Service, by its position in the sorted list."""
    first = (f"{PLACEHOLDER_NETWORK}{number}" for number in range(1, 251))
    more = (str(host) for network in _MORE_PLACEHOLDERS for host in IPv4Network(network).hosts())
    return {
        name: Address(ip) for name, ip in zip(sorted(services), chain(first, more), strict=False)
    }
