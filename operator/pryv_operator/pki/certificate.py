"""A certificate with its chain and key."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Certificate:
    """The certificate of DOMAIN and *.DOMAIN with its chain, and its key (PEM)."""

    chain: str
    key: str = field(repr=False)
