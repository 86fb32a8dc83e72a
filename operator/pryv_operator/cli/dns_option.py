"""The DNS server for nginx: the option ``--cluster-dns``, or what ``resolv.conf`` names."""

from __future__ import annotations

from pathlib import Path

import typer

from pryv_operator.values.addresses import dns_server


def server_address(text: str) -> str:
    """The IP address in the option's value; IPv6 may be in brackets, as nginx writes it.

    Raises:
        BadParameter: it is not an IP address, or has a zone, which nginx does not know.
    """
    address = dns_server(text)
    if address is None:
        raise typer.BadParameter(
            f'--cluster-dns: "{text}" is not an IP address; pass one, such as 10.96.0.10'
        )
    return address


def first_nameserver(file: Path) -> str | None:
    """The first DNS server in a ``resolv.conf`` that nginx can use; None if it names none.

    Raises:
        BadParameter: it names servers, and nginx can use none of them.
    """
    lines = [line.split() for line in file.read_text("utf-8", "replace").splitlines()]
    named = [line[1] for line in lines if len(line) > 1 and line[0] == "nameserver"]
    usable = [address for text in named if (address := dns_server(text))]
    if named and not usable:
        raise typer.BadParameter(
            f'{file}: nameserver "{named[0]}" is not an IP address that nginx can use; '
            "pass --cluster-dns"
        )
    return usable[0] if usable else None
