"""Addresses of DNS servers, and placeholders."""

from __future__ import annotations

import pytest

from pryv_operator.values.addresses import UNKNOWN_ADDRESS, dns_server, placeholder_addresses


def test_placeholders_are_distinct_for_any_number_of_services() -> None:
    found = placeholder_addresses([f"s{number:04}" for number in range(3000)])
    ips = [address.cluster_ip for address in found.values()]
    assert len(set(ips)) == len(found) == 3000
    assert (ips[0], ips[249], ips[250], ips[-1]) == (
        "192.0.2.1",
        "192.0.2.250",
        "198.51.100.1",
        "198.18.8.194",
    )
    assert UNKNOWN_ADDRESS not in ips


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("10.96.0.10", "10.96.0.10"),
        ("127.0.0.53", "127.0.0.53"),
        ("fd00::a", "fd00::a"),
        ("[fd00::A]", "fd00::a"),
        ("fe80::1%eth0", None),
        ("10.96.0.10:53", None),
        ("dns.example.com", None),
        ("", None),
        ("0.0.0.0", None),
        ("::", None),
        ("224.0.0.1", None),
        ("ff02::1", None),
        ("255.255.255.255", None),
    ],
)
def test_addresses_of_dns_servers(text: str, address: str | None) -> None:
    assert dns_server(text) == address
