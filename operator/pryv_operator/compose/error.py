"""The error of compose files."""

from __future__ import annotations


class ComposeError(ValueError):
    """A compose file that cannot be used; the message begins with the path of the key."""
