"""Placeholder addresses."""

from __future__ import annotations

from pryv_operator.values.addresses import UNKNOWN_ADDRESS, placeholder_addresses


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
