"""kopf, imported without the client libraries of Kubernetes.

It imports those that are installed, to recognise their classes in what handlers give it, and does
without the others. Ours give it none. The library that we have is 22 MiB and half a second.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["kopf"]


@contextmanager
def _missing(*libraries: str) -> Iterator[None]:
    """Imports of these fail meanwhile, unless they are loaded already."""
    hidden = [each for each in libraries if each not in sys.modules]
    for each in hidden:
        sys.modules[each] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for each in hidden:
            del sys.modules[each]


with _missing("kubernetes", "kubernetes_asyncio", "pykube"):
    import kopf
