"""Image references."""

from __future__ import annotations


def in_registry(image: str, registry: str | None) -> str:
    """The same image from another registry: ``docker.io/pryvio/core:1.9.2`` → ``registry.example.com/pryv/core:1.9.2``.

    The repository keeps its last part only: releases have come from registries with other paths in front of it.
    """
    if not registry:
        return image
    return f"{registry.rstrip('/')}/{image.rsplit('/', 1)[-1]}"
