"""aiohttp, imported without the certificates of the system's authorities.

When it is imported it makes two TLS contexts, for those who give it none, and reads all authorities
twice: a seventh of the CPU time of the operator's start. We give it a context for each connection;
with its own ones, no certificate is trusted.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["aiohttp", "get_env_proxy_for_url"]


@contextmanager
def _without_authorities() -> Iterator[None]:
    """TLS contexts that are made meanwhile trust no authority."""
    load = ssl.SSLContext.set_default_verify_paths
    ssl.SSLContext.set_default_verify_paths = lambda _: None  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        ssl.SSLContext.set_default_verify_paths = load  # type: ignore[method-assign]


with _without_authorities():
    import aiohttp
    from aiohttp.helpers import get_env_proxy_for_url
