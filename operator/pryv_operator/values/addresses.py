"""Addresses of Services, as the cluster assigns them or as placeholders."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network
from itertools import chain
from typing import Final


@dataclass(frozen=True)
class Address:
    """The addresses that a Service has so far: its own, and those of its load balancer."""

    cluster_ip: str | None = None
    load_balancer_ip: str | None = None
    load_balancer_host: str | None = None


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
