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
        #: Namespace and reference → the platforms that have it.
        self._platforms: dict[tuple[str, Reference], set[Key]] = {}

    def set(self, key: Key, references: frozenset[Reference]) -> None:
        """Set what a platform refers to.

        Call it before the objects are read, so that no change in between is missed.
        """
        before = self._references.get(key, frozenset())
        for each in before - references:
            platforms = self._platforms[key.namespace, each]
            platforms.discard(key)
            if not platforms:
                del self._platforms[key.namespace, each]
        for each in references - before:
            self._platforms.setdefault((key.namespace, each), set()).add(key)
        if references:
            self._references[key] = references
        else:
            self._references.pop(key, None)

    def forget(self, key: Key) -> None:
        """Remove a deleted platform."""
        self.set(key, frozenset())

    def platforms(self, namespace: str, kind: str, name: str) -> list[Key]:
        """Platforms that refer to an object, sorted."""
        return sorted(self._platforms.get((namespace, (kind, name)), ()))
