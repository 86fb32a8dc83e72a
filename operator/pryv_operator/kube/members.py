"""The processes that share the shards, as an annotation of the Lease that all of them renew.

Only the distribution of shards depends on it: which writes are admitted depends on Leases alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pryv_operator.api import labels_annotations as keys


@dataclass(frozen=True)
class Heartbeat:
    """What a member last wrote, and when that was first seen, by our own clock."""

    text: str
    since: float


def parse_members(annotations: Mapping[str, Any]) -> dict[str, str]:
    """Member → its last heartbeat; empty if the annotation is missing or not valid."""
    try:
        found = json.loads(annotations.get(keys.MEMBERS, "{}"))
    except (ValueError, TypeError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {each: text for each, text in found.items() if isinstance(text, str)}


class Members:
    """The members as this process knows them, itself included until it leaves."""

    def __init__(self, identity: str, expiry: float) -> None:
        """``expiry``: seconds without a new heartbeat after which a member is gone."""
        self._identity = identity
        self._expiry = expiry
        self._others: dict[str, Heartbeat] = {}
        self._left = False

    def observe(self, annotations: Mapping[str, Any], now: float) -> None:
        """Take over what a Lease says that was read at ``now``."""
        found = parse_members(annotations)
        found.pop(self._identity, None)
        before = self._others
        self._others = {
            each: before[each]
            if each in before and before[each].text == text
            else Heartbeat(text, now)
            for each, text in found.items()
        }

    def leave(self) -> None:
        """This process stops."""
        self._left = True

    def live(self, now: float) -> frozenset[str]:
        """The members that take part."""
        others = {each for each, beat in self._others.items() if now - beat.since < self._expiry}
        return frozenset(others | (set() if self._left else {self._identity}))

    def annotations(self, heartbeat: str, now: float) -> dict[str, str]:
        """The annotation to write: the live members, this one with a new heartbeat."""
        texts = {each: beat.text for each, beat in self._others.items()}
        texts[self._identity] = heartbeat
        live = {each: texts[each] for each in sorted(self.live(now))}
        return {keys.MEMBERS: json.dumps(live, separators=(",", ":"))}
