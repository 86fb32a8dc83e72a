"""Revisions that are read with their data: the spec and the workloads that they record. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.kubernetes import Object
from pryv_operator.rollout.revision_inputs import RevisionInput, are_comparable, encode
from pryv_operator.rollout.revision_record import recorded_workloads
from pryv_operator.rollout.revisions import Revision, parse_revisions

#: Messages quote at most so many characters of why a revision has failed.
_FAILURE_CHARACTERS: Final = 160


class HistoryError(Exception):
    """A request about the revision history that cannot be fulfilled; the message says why."""


@dataclass(frozen=True)
class RecordedRevision:
    """A revision with its spec, and its workloads (by name) as they were recorded."""

    revision: Revision
    spec: Mapping[str, Any]
    workloads: Mapping[str, Object] = field(repr=False)

    @property
    def number(self) -> int:
        """Its number."""
        return self.revision.number

    @property
    def title(self) -> str:
        """How messages name it."""
        return f"revision {self.number}"


def parse_recorded(items: Iterable[Object]) -> tuple[RecordedRevision, ...]:
    """The history from its ControllerRevisions, oldest first; unreadable ones are ignored."""
    return tuple(
        recorded for revision in parse_revisions(items) if (recorded := _with_data(revision))
    )


def _with_data(revision: Revision) -> RecordedRevision | None:
    try:
        spec = revision.item["data"]["spec"]
        workloads = recorded_workloads(revision.item)
    except (KeyError, TypeError, ValueError, zlib.error):
        return None
    return RecordedRevision(revision, spec, workloads)


def find_revision(history: Sequence[RecordedRevision], number: int) -> RecordedRevision:
    """A revision by its number.

    Raises:
        HistoryError: the history does not hold it.
    """
    for each in history:
        if each.number == number:
            return each
    numbers = ", ".join(str(each.number) for each in history)
    held = f"the history holds {numbers}" if history else "the history is empty"
    raise HistoryError(f"revision {number}: not found; {held}")


def changed_inputs(before: RecordedRevision, after: RecordedRevision) -> list[RevisionInput]:
    """Inputs of only one of the revisions, or of both with values that are known to differ."""
    old, new = before.revision.inputs, after.revision.inputs
    differing = {each for each in old.keys() | new.keys() if old.get(each) != new.get(each)}
    return sorted(differing.difference(incomparable_inputs(before, after)), key=encode)


def incomparable_inputs(before: RecordedRevision, after: RecordedRevision) -> list[RevisionInput]:
    """Inputs of both revisions that an earlier version recorded in another form."""
    old, new = before.revision.inputs, after.revision.inputs
    both = old.keys() & new.keys()
    return sorted((each for each in both if not are_comparable(old[each], new[each])), key=encode)


def component_label(name: str, workloads: Mapping[str, Object]) -> str:
    """The name by which users know a workload: ``co1/core``."""
    labels = workloads[name].get("labels") or {} if name in workloads else {}
    instance, component = labels.get(keys.INSTANCE), labels.get(keys.COMPONENT)
    return f"{instance}/{component}" if instance and component else name


def shortened(text: str) -> str:
    """The text as one line of limited length."""
    line = " ".join(text.split())
    return line if len(line) <= _FAILURE_CHARACTERS else line[: _FAILURE_CHARACTERS - 1] + "…"
