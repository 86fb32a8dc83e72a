"""The option --cluster-dns."""

from __future__ import annotations

import pytest
import typer

from pryv_operator.cli.dns_option import server_address
from tests.unit.builders import state


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("10.96.0.10", "10.96.0.10"),
        ("fd00:10:96::a", "fd00:10:96::a"),
        ("[fd00:10:96::a]", "fd00:10:96::a"),
        ("FD00:0::A", "fd00::a"),
    ],
)
def test_addresses_are_accepted(text: str, address: str) -> None:
    assert server_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        *("", "nonsense", "kube-dns.kube-system", "10.96.0", "10.96.0.10:53", "[10.96.0.10]"),
        *("[[fd00::a]]", "[fd00::a", "[fd00::a]:53", "fe80::1%eth0", "[fe80::1%eth0]", "10.0.0.1;"),
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="--cluster-dns"):
        server_address(text)


@pytest.mark.parametrize("address", ["fd00::a", "[fd00::a]"])
def test_ipv6_has_one_pair_of_brackets_in_nginx(address: str) -> None:
    found = state(variables={"CLUSTER_DNS_IP_ADDRESS": address})
    assert "resolver [fd00::a] valid" in str(found.objects)
    assert "[[" not in str([each for each in found.objects if each["kind"] == "ConfigMap"])
