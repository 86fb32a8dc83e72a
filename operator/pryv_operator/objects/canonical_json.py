"""Texts, and maps of texts, as the one JSON that RFC 8785 gives: for hashes.

The library ``rfc8785`` gives the same bytes, character by character of long files in Python.
"""

from __future__ import annotations

from collections.abc import Mapping
from json.encoder import encode_basestring


def canonical_text(text: str) -> str:
    """A text as JSON."""
    return encode_basestring(text)


def canonical_map(texts: Mapping[str, str]) -> str:
    """A map of texts as JSON; its keys are sorted by UTF-16 units."""
    entries = (
        f"{encode_basestring(key)}:{encode_basestring(texts[key])}"
        for key in sorted(texts, key=lambda key: key.encode("utf-16-be"))
    )
    return f"{{{','.join(entries)}}}"
