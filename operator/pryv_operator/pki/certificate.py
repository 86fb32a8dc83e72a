"""A certificate with its chain and its private key."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Certificate:
    """A server certificate with its chain, and its private key (both PEM)."""

    chain: str
    key: str = field(repr=False)
