"""Hosts with ports that texts name: ``core:3000``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_PORT: Final = re.compile(r":(\d{2,5})\b")


def hosts_and_ports(text: str) -> Iterator[tuple[str, int]]:
    """Every host name with the port behind it, from left to right.

    Ports are searched for first, as they are few: most characters of most files may be of a host.
    """
    done = 0
    for port in _PORT.finditer(text):
        end = start = port.start()
        while start and _is_of_host(text[start - 1]):
            start -= 1
        if done <= start < end:
            yield text[start:end], int(port[1])
            done = port.end()


def _is_of_host(character: str) -> bool:
    return character.isalnum() or character in "_.-"
