"""Public hosts that nginx resolves when it starts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

#: The host that the nginx.conf of all releases passes requests for some pages to. Only a literal
#: host is resolved when nginx starts.
_PUBLIC_UPSTREAM: Final = re.compile(
    r"^[^#\n]*\b(?:server|proxy_pass)\s+(?:https?://)?(pryv\.github\.io)(?![\w.-])", re.MULTILINE
)


def public_upstreams(texts: Iterable[str]) -> frozenset[str]:
    """Public hosts that nginx resolves when it starts with these configuration files.

    Hosts in nginx variables are resolved per request and are not among them.
    """
    return frozenset(host for text in texts for host in _PUBLIC_UPSTREAM.findall(text))
