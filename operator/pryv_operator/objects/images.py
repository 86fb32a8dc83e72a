"""References of container images."""

from __future__ import annotations


def in_registry(image: str, registry: str | None) -> str:
    """The same image in another registry, or the image itself without one.

    Only the last part of the repository is preserved, as releases differ in what precedes it:
    ``docker.io/pryvio/core:1.9.2`` becomes ``registry.example.com/pryv/core:1.9.2``.
    """
    if not registry:
        return image
    return f"{registry.rstrip('/')}/{image.rsplit('/', 1)[-1]}"
