"""Which platforms refer to an object: a change of it reconciles exactly those."""

from __future__ import annotations

from pryv_operator.kube.work_queue import Key

#: Kind and name of an object in the platform's namespace.
Reference = tuple[str, str]


class References:
    """The index from objects to platforms."""

    def __init__(self) -> None:
        """Empty."""
        self._references: dict[Key, frozenset[Reference]] = {}

    def set(self, key: Key, references: frozenset[Reference]) -> None:
        """Set what a platform refers to.

        Call it before the objects are read, so that no change in between is missed.
        """
        self._references[key] = references

    def forget(self, key: Key) -> None:
        """Remove a deleted platform."""
        self._references.pop(key, None)

    def platforms(self, namespace: str, kind: str, name: str) -> list[Key]:
        """Platforms that refer to an object."""
        return [
            key
            for key, found in self._references.items()
            if key.namespace == namespace and (kind, name) in found
        ]
