"""Which revisions the operator has created, by records in the status. Pure.

A MAC shows what the operator has written at some time: who may write ControllerRevisions could
create an old one again, after it was pruned or with the later ones deleted. Tenants cannot write
the status, so it records the uids of the history. What a ControllerRevision records is immutable,
so that its uid stands for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Self

from pryv_operator.api.status import MAX_REVISION_RECORDS, PryvPlatformStatus, RevisionRecord
from pryv_operator.rollout.revisions import Revision

#: An unrecorded revision counts only if its number is at most so much higher than the recorded
#: ones: the next number follows the highest one, and others could choose the last there is.
_MOST_AHEAD: Final = 1000
#: The same where none is recorded, or the history is taken over.
_LIMIT: Final = 1_000_000


@dataclass(frozen=True)
class RevisionRecords:
    """The recorded revisions.

    ``entries`` None: an earlier version has recorded none. All revisions count once then.
    """

    entries: tuple[RevisionRecord, ...] | None = None

    @classmethod
    def of(cls, status: PryvPlatformStatus) -> Self:
        """The records in a status; none in that of a new resource."""
        if status == PryvPlatformStatus():
            return cls(())
        return cls(None if status.revisions is None else tuple(status.revisions))

    def adopting(self, history: Iterable[Revision]) -> Self:
        """With all of a history recorded: the user asks to take over what exists."""
        limit = max(_LIMIT, self.highest + _MOST_AHEAD)
        return replace(
            self, entries=tuple(self._recording(each for each in history if each.number <= limit))
        )

    @property
    def highest(self) -> int:
        """The highest number that was ever recorded: it is not used again."""
        return max((each.number for each in self.entries or ()), default=0)

    @property
    def newest(self) -> tuple[RevisionRecord, ...]:
        """The records of the highest number: one, unless histories were taken over."""
        return tuple(each for each in self.entries or () if each.number == self.highest)

    def plausible(self, history: Iterable[Revision]) -> tuple[Revision, ...]:
        """The history without revisions of numbers that the operator cannot have reached."""
        limit = _LIMIT if self.entries is None else self.highest + _MOST_AHEAD
        return tuple(each for each in history if each.number <= limit)

    def is_recorded(self, revision: Revision) -> bool:
        """Whether the operator has created a revision."""
        return self.entries is None or any(each.uid == revision.uid for each in self.entries)

    def admits(self, revision: Revision) -> bool:
        """Whether a revision with a valid MAC is the operator's.

        A newer one was created just before the operator was killed: no number is used twice.
        """
        return self.is_recorded(revision) or revision.number > self.highest

    def updated(self, history: Iterable[Revision]) -> list[RevisionRecord]:
        """What the status records from now on: what exists of the history, and the highest."""
        return self._recording(each for each in history if self.is_recorded(each) or each.authentic)

    def _recording(self, history: Iterable[Revision]) -> list[RevisionRecord]:
        """Records of a history, and of the highest number."""
        found = [RevisionRecord(number=each.number, uid=each.uid) for each in history]
        records = {each.uid: each for each in (*self.newest, *found)}.values()
        return sorted(records, key=lambda each: (each.number, each.uid))[-MAX_REVISION_RECORDS:]
