"""Parts of messages that several rooms write."""

from __future__ import annotations


def printable(text: str, limit: int = 100) -> str:
    """A text from a file or archive, safe to quote: one line of ASCII, at most ``limit`` long."""
    plain = "".join(
        each if each.isprintable() and each.isascii() else each.encode("unicode_escape").decode()
        for each in text[:limit]
    )
    return plain + ("…" if len(text) > limit else "")
