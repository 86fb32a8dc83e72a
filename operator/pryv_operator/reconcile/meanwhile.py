"""Changes that the watches show of a platform while it is reconciled.

Most of them are writes of the reconciliation itself. A watch often shows a write before it is
answered, so only the end of the reconciliation shows whose it was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pryv_operator.kube.reflector import Change
from pryv_operator.kube.work_queue import Key


@dataclass(frozen=True, slots=True)
class _Held:
    """A change, and when it is to be looked at."""

    change: Change
    due: float


class Meanwhile:
    """Holds the changes of platforms that are being reconciled."""

    def __init__(self) -> None:
        """None is being reconciled."""
        #: By platform, then by plural and name of the changed object, oldest first.
        self._held: dict[Key, dict[tuple[str, str], list[_Held]]] = {}

    def begin(self, key: Key) -> None:
        """A platform is being reconciled from now on."""
        self._held[key] = {}

    def hold(self, key: Key, change: Change, due: float) -> bool:
        """Hold a change of a platform; False if that is not being reconciled.

        ``due``: when it is to be looked at.
        """
        held = self._held.get(key)
        if held is None:
            return False
        held.setdefault((change.resource.plural, change.name), []).append(_Held(change, due))
        return True

    def drop(self, key: Key, is_known: Callable[[Change], bool]) -> None:
        """Drop what the reconciliation has read, or written, itself; and what was before that."""
        for changes in self._held.get(key, {}).values():
            known = [index for index, each in enumerate(changes) if is_known(each.change)]
            del changes[: known[-1] + 1 if known else 0]

    def end(self, key: Key) -> float | None:
        """The reconciliation has ended: when the first of the rest is due; None without any."""
        held = self._held.pop(key, {})
        return min((each.due for changes in held.values() for each in changes), default=None)
