"""Public hosts that nginx resolves when it starts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

#: The host that the nginx.conf of all releases passes requests for some pages to. Only a literal
#: host is resolved when nginx starts.
_HOST: Final = "pryv.github.io"
_PUBLIC_UPSTREAM: Final = re.compile(
    rf"\b(?:server|proxy_pass)\s+(?:https?://)?{re.escape(_HOST)}(?![\w.-])"
)


def public_upstreams(texts: Iterable[str]) -> frozenset[str]:
    """Public hosts that nginx resolves when it starts with these configuration files.

    Hosts in nginx variables are resolved per request and are not among them.
    """
    return frozenset(_HOST for text in texts if _HOST in text and _is_upstream(text))


def _is_upstream(text: str) -> bool:
    """Whether the host is an upstream outside of comments."""
    return any(
        "#" not in text[text.rfind("\n", 0, found.start()) + 1 : found.start()]
        for found in _PUBLIC_UPSTREAM.finditer(text)
    )
