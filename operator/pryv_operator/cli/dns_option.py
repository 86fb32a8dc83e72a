"""The option ``--cluster-dns``."""

from __future__ import annotations

import ipaddress

import typer


def server_address(text: str) -> str:
    """The IP address in the option's value; IPv6 may be in brackets, as nginx writes it.

    Raises:
        BadParameter: it is not an IP address, or has a zone, which nginx does not know.
    """
    bracketed = text.startswith("[") and text.endswith("]")
    try:
        address = ipaddress.IPv6Address(text[1:-1]) if bracketed else ipaddress.ip_address(text)
    except ValueError:
        address = None
    if address is None or "%" in text:
        raise typer.BadParameter(
            f'--cluster-dns: "{text}" is not an IP address; pass one, such as 10.96.0.10'
        )
    return str(address)
