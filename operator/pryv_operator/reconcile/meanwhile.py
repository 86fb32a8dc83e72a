"""Changes that the watches show of a platform while it is reconciled.

Most of them are writes of the reconciliation itself. A watch often shows a write before it is
answered, so only the end of the reconciliation shows whose it was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from pryv_operator.kube.reflector import Change
from pryv_operator.kube.work_queue import Key

#: Of a platform, at most. An install has a few hundred; anybody may write labels of a platform as
#: often as he likes, while a reconciliation waits for its turn.
_MOST: Final = 2000


@dataclass(frozen=True, slots=True)
class _Held:
    """A change, and when it is to be looked at."""

    change: Change
    due: float


@dataclass(slots=True)
class _OfPlatform:
    """Changes by plural and name of the object, oldest first.

    ``excess``: when the first of those is due that were too many to be held.
    """

    changes: dict[tuple[str, str], list[_Held]] = field(default_factory=dict)
    count: int = 0
    excess: float | None = None


class Meanwhile:
    """Holds the changes of platforms that are being reconciled."""

    def __init__(self) -> None:
        """None is being reconciled."""
        self._held: dict[Key, _OfPlatform] = {}

    def begin(self, key: Key) -> None:
        """A platform is being reconciled from now on."""
        self._held[key] = _OfPlatform()

    def hold(self, key: Key, change: Change, due: float) -> bool:
        """Hold a change of a platform; False if that is not being reconciled.

        ``due``: when it is to be looked at.
        """
        held = self._held.get(key)
        if held is None:
            return False
        if held.count < _MOST:
            held.count += 1
            name = change.resource.plural, change.name
            held.changes.setdefault(name, []).append(_Held(change, due))
        else:
            held.excess = due if held.excess is None else min(due, held.excess)
        return True

    def drop(self, key: Key, is_known: Callable[[Change], bool]) -> None:
        """Drop what the reconciliation has read, or written, itself; and what was before that."""
        if held := self._held.get(key):
            for changes in held.changes.values():
                known = [index for index, each in enumerate(changes) if is_known(each.change)]
                del changes[: known[-1] + 1 if known else 0]

    def end(self, key: Key) -> float | None:
        """The reconciliation has ended: when the first of the rest is due; None without any."""
        held = self._held.pop(key, _OfPlatform())
        due = [each.due for changes in held.changes.values() for each in changes]
        return min(due if held.excess is None else [*due, held.excess], default=None)
