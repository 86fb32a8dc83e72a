"""Which texts were found to be right, so that they are not read again.

Most files of a platform are the same when it is computed again, and some are those of any platform.
"""

from __future__ import annotations

from hashlib import blake2b
from threading import Lock
from typing import Final

#: So many are remembered, of all platforms: a digest takes some 130 bytes.
_MOST: Final = 4096
_DIGEST_BYTES: Final = 16


class KnownTexts:
    """Digests of texts, those that were added last. No text of secrets may be among them."""

    def __init__(self, most: int = _MOST) -> None:
        """None yet; at most so many."""
        self._most = most
        self._lock = Lock()
        #: Older ones first.
        self._digests: dict[bytes, None] = {}

    def knows(self, kind: str, text: str) -> bool:
        """Whether a text was added. ``kind``: as what."""
        return _digest(kind, text) in self._digests

    def add(self, kind: str, text: str) -> None:
        """Remember a text."""
        with self._lock:
            self._digests[_digest(kind, text)] = None
            if len(self._digests) > self._most:
                del self._digests[next(iter(self._digests))]


def _digest(kind: str, text: str) -> bytes:
    content = f"{kind}\0{text}".encode("utf-8", "surrogatepass")
    return blake2b(content, digest_size=_DIGEST_BYTES).digest()
