"""The option --cluster-dns."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from pryv_operator.cli.dns_option import first_nameserver, server_address
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


NO_ADDRESSES = pytest.mark.parametrize(
    "text",
    [
        *("", "nonsense", "kube-dns.kube-system", "10.96.0", "10.96.0.10:53", "[10.96.0.10]"),
        *("[[fd00::a]]", "[fd00::a", "[fd00::a]:53", "fe80::1%eth0", "[fe80::1%eth0]", "10.0.0.1;"),
    ],
)


@NO_ADDRESSES
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="--cluster-dns"):
        server_address(text)


@pytest.mark.parametrize("address", ["fd00::a", "[fd00::a]"])
def test_ipv6_has_one_pair_of_brackets_in_nginx(address: str) -> None:
    found = state(variables={"CLUSTER_DNS_IP_ADDRESS": address})
    assert "resolver [fd00::a] valid" in str(found.objects)
    assert "[[" not in str([each for each in found.objects if each["kind"] == "ConfigMap"])


@NO_ADDRESSES
def test_variable_is_checked_as_the_option_is(text: str) -> None:
    problems = state(variables={"CLUSTER_DNS_IP_ADDRESS": text}).problems
    assert [each.message.partition(":")[0] for each in problems] == (
        ["spec.variables.CLUSTER_DNS_IP_ADDRESS"] if text else []
    )


@pytest.mark.parametrize(
    ("lines", "address"),
    [
        ("search a.test\nnameserver 10.96.0.10\nnameserver 10.0.0.1\n", "10.96.0.10"),
        ("nameserver\t10.96.0.10 # ours\n", "10.96.0.10"),
        ("nameserver [fd00:0::A]\n", "fd00::a"),
        ("nameserver fe80::1%eth0\nnameserver 10.0.0.1\n", "10.0.0.1"),
        ("# nameserver 10.0.0.1\nnameserver\n", None),
        ("", None),
    ],
)
def test_first_usable_nameserver_is_read(tmp_path: Path, lines: str, address: str | None) -> None:
    (tmp_path / "resolv.conf").write_text(lines)
    assert first_nameserver(tmp_path / "resolv.conf") == address


@NO_ADDRESSES
def test_nameserver_is_checked_as_the_option_is(tmp_path: Path, text: str) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text(f"nameserver {text}\n")
    if text:
        with pytest.raises(typer.BadParameter, match=r"nameserver .* pass --cluster-dns"):
            first_nameserver(file)
    else:
        assert first_nameserver(file) is None
