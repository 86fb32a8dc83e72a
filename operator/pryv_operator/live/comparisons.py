"""Comparisons of desired objects with live ones, so that a rollout makes each of them once.

A rollout is a reconciliation for each of its steps. Nearly all objects are the same in all of them:
the desired ones, which are reused as they are, and the live ones, by their versions.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from pryv_operator.api.kubernetes import Object
from pryv_operator.live import diff

#: Their data may have been left out when they were read, and then the version does not show it.
_READ_IN_PART: Final = ("ConfigMap", "Secret")


class _Compared(NamedTuple):
    """An object as it is applied, the uid and version of the live one, and the changed field."""

    hashed: Object
    version: tuple[str, str] | None = None
    field: str | None = None


class Comparisons:
    """The comparisons of one desired state. Those of any other object are made each time."""

    def __init__(self, desired: Iterable[Object] = ()) -> None:
        """``desired``: objects that never change, so that their identity stands for them."""
        self._desired = {id(item): item for item in desired}
        #: By the identity of a desired object.
        self._hashed: dict[int, Object] = {}
        #: By the identity of an object as it is applied.
        self._compared: dict[int, _Compared] = {}

    def with_applied_hash(self, desired: Object) -> Object:
        """As ``diff.with_applied_hash``."""
        if self._desired.get(id(desired)) is not desired:
            return diff.with_applied_hash(desired)
        hashed = self._hashed.get(id(desired))
        if hashed is None:
            hashed = self._hashed[id(desired)] = diff.with_applied_hash(desired)
            self._compared[id(hashed)] = _Compared(hashed)
        return hashed

    def changed_field(self, hashed: Object, live: Object) -> str | None:
        """As ``diff.changed_field``. ``hashed``: of ``with_applied_hash``."""
        known, metadata = self._compared.get(id(hashed)), live["metadata"]
        version = metadata.get("uid", ""), metadata.get("resourceVersion", "")
        is_kept = known is not None and known.hashed is hashed and all(version)
        if known is None or not is_kept or hashed["kind"] in _READ_IN_PART:
            return diff.changed_field(hashed, live)
        if known.version != version:
            known = _Compared(hashed, version, diff.changed_field(hashed, live))
            self._compared[id(hashed)] = known
        return known.field

    def needs_apply(self, hashed: Object, live: Object) -> bool:
        """As ``diff.needs_apply``. ``hashed``: of ``with_applied_hash``."""
        return not diff.is_applied(hashed, live) or self.changed_field(hashed, live) is not None
