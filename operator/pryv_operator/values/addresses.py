"""Addresses of Services, known or stood in for."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network
from itertools import chain


@dataclass(frozen=True)
class Address:
    """What is known of a Service: its cluster IP, and what its load balancer was given."""

    cluster_ip: str | None = None
    load_balancer_ip: str | None = None
    load_balancer_host: str | None = None


#: Stand in where an address is not known yet, and in offline rendering (RFC 5737's documentation network).
PLACEHOLDER_NETWORK = "192.0.2."


#: Where one network is not enough: its two sisters, and RFC 2544's network for benchmarks.
_MORE_PLACEHOLDERS = ("198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15")


def placeholder_addresses(services: list[str]) -> dict[str, Address]:
    """A distinct documentation address for each Service, by its place in the sorted list."""
    first = (f"{PLACEHOLDER_NETWORK}{number}" for number in range(1, 251))
    more = (str(host) for network in _MORE_PLACEHOLDERS for host in IPv4Network(network).hosts())
    return {
        name: Address(ip) for name, ip in zip(sorted(services), chain(first, more), strict=False)
    }
