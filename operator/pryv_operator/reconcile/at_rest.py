"""When a platform need not be reconciled: nothing has moved since its last reconciliation.

Each reconciliation leaves what it has seen. While the watches still show the same, another one
would find the same. Now and then everything is read nevertheless, because a watch can lose events.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from pryv_operator.kube.resources import Resource
from pryv_operator.kube.work_queue import Key
from pryv_operator.reconcile.followed import OWNED, REFERENCED, Followed
from pryv_operator.reconcile.platform_client import Seen


@dataclass(frozen=True, slots=True)
class Rest:
    """A platform as a reconciliation has left it, as compact as 1,000 of them need it to be.

    ``plurals``: which of its own kinds were read; ``others``: plural and name of the objects that
    were read by name. ``fingerprint``: what stands for all of these. ``until``: it is reconciled
    then, whatever the watches show; in seconds of the clock. ``facts``: what is known of it beside
    that, if it rests for hours, so that it is worth to be kept over a restart.
    """

    plurals: tuple[str, ...]
    others: tuple[tuple[str, str], ...]
    fingerprint: bytes = field(repr=False)
    until: float
    facts: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class KeptRest:
    """A rest over a restart. ``domain``: what stands for all platforms with the platform's domain.

    That is no part of what the watches show.
    """

    rest: Rest
    domain: str


class AtRest:
    """Which platforms are at rest. Asking costs microseconds, and no request."""

    def __init__(self, followed: Followed) -> None:
        """None is at first."""
        self._followed = followed
        self._rests: dict[Key, Rest] = {}
        #: Those whose reconciliation has begun, and that nothing has disturbed since.
        self._undisturbed: set[Key] = set()

    def begin(self, key: Key) -> None:
        """A platform is being reconciled: it is not at rest until that has ended in order."""
        self._rests.pop(key, None)
        self._undisturbed.add(key)

    def settle(self, key: Key, seen: Seen, until: float, facts: bytes | None = None) -> None:
        """A platform was reconciled: it is at rest as long as it is as it was seen."""
        if key not in self._undisturbed:
            return
        self._undisturbed.discard(key)
        plurals, others = tuple(sorted(seen.own)), tuple(sorted(seen.others))
        marks = [*(seen.own[each] for each in plurals), *(seen.others[each] for each in others)]
        self._rests[key] = Rest(plurals, others, fingerprint(seen.platform, marks), until, facts)

    def disturb(self, key: Key) -> None:
        """Something has changed that the watches do not show."""
        self._rests.pop(key, None)
        self._undisturbed.discard(key)

    def forget(self, key: Key) -> None:
        """The platform was deleted, or another process reconciles it."""
        self.disturb(key)

    def kept(self) -> Iterator[tuple[Key, Rest]]:
        """The platforms whose rest is worth to be kept over a restart."""
        return ((key, rest) for key, rest in self._rests.items() if rest.facts is not None)

    def restore(self, key: Key, rest: Rest) -> bool:
        """A platform is at rest since an earlier process, if the watches show what that has seen.

        Return whether it is. One that is being reconciled is not.
        """
        if key in self._undisturbed or self._current(key, rest) != rest.fingerprint:
            return False
        self._rests[key] = rest
        return True

    def until(self, key: Key, now: float) -> float | None:
        """Until when a platform is at rest; None: it is to be reconciled."""
        rest = self._rests.get(key)
        if rest is None or now >= rest.until or self._current(key, rest) != rest.fingerprint:
            return None
        return rest.until

    def _current(self, key: Key, rest: Rest) -> bytes | None:
        """What stands for a platform as the watches show it; None: they do not, at present."""
        version = self._followed.platform(key)
        marks = [
            *(self._followed.own(_BY_PLURAL[each], key) for each in rest.plurals),
            *(
                self._followed.one(_BY_PLURAL[plural], key.namespace, name)
                for plural, name in rest.others
            ),
        ]
        known = [each for each in marks if each is not None]
        if version is None or len(known) < len(marks):
            return None
        return fingerprint(version, known)


_BY_PLURAL: Final[dict[str, Resource]] = {each.plural: each for each in (*OWNED, *REFERENCED)}
#: The resources that the watches follow.
PLURALS: Final = frozenset(_BY_PLURAL)


def fingerprint(platform: str, marks: Iterable[int]) -> bytes:
    """What stands for a platform in one version with its objects in theirs."""
    text = "\0".join((platform, *map(str, marks)))
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def fraction(key: Key) -> float:
    """A number from 0 to 1 that differs from platform to platform, to spread what is periodic."""
    digest = hashlib.blake2b("/".join(key).encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") / 2**32
