"""The revision history as a table, for ``kubectl-pryv history``. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pryv_operator.cli.output import columns
from pryv_operator.rollout.recorded import (
    RecordedRevision,
    changed_inputs,
    component_label,
    incomparable_inputs,
    shortened,
)

_HEADER: Final = ("REVISION", "CREATED", "STATE", "CHANGED")
#: A cell lists at most so many components.
_LISTED: Final = 4


@dataclass(frozen=True)
class Row:
    """A revision: its number, ControllerRevision and state, and what it changed."""

    revision: int
    name: str
    created: datetime
    state: str
    changed: str


@dataclass(frozen=True)
class HistoryView:
    """The revisions of a platform, oldest first."""

    items: tuple[Row, ...]

    def table(self, *, wide: bool) -> str:
        """A line for each revision; wide: with its ControllerRevision."""
        rows = [
            (
                str(each.revision),
                f"{each.created:%Y-%m-%d %H:%M:%SZ}",
                each.state,
                each.changed,
                *([each.name] if wide else ()),
            )
            for each in self.items
        ]
        return columns((*_HEADER, *(["CONTROLLERREVISION"] if wide else ())), rows)

    def names(self) -> list[str]:
        """The ControllerRevisions."""
        return [f"controllerrevision.apps/{each.name}" for each in self.items]


def history_view(history: Sequence[RecordedRevision], *, paused: bool = False) -> HistoryView:
    """The history as a view. ``paused``: ``spec.rollout.paused``."""
    rows = []
    for before, each in zip((None, *history), history, strict=False):
        current = "paused" if paused else "rolling"
        rows.append(
            Row(
                each.number,
                each.revision.item["metadata"]["name"],
                each.revision.created,
                _state(each, current if each is history[-1] else "superseded"),
                _changed(before, each),
            )
        )
    return HistoryView(tuple(rows))


def _state(each: RecordedRevision, unless_ended: str) -> str:
    revision = each.revision
    if revision.failed is not None:
        return f"failed: {shortened(revision.failed)}"
    if revision.not_run:
        listed = [component_label(name, each.workloads) for name in sorted(revision.not_run)]
        return f"never ran: {_listed(listed)}"
    if revision.complete:
        return "complete"
    blocked = f"; blocked: {_listed(revision.blocked)}" if revision.blocked else ""
    return unless_ended + blocked


def _changed(before: RecordedRevision | None, after: RecordedRevision) -> str:
    """What a revision changed, in a few words."""
    if before is None:
        return "first revision" if after.number == 1 else "oldest retained revision"
    cells = []
    old, new = before.revision.templates, after.revision.templates
    both = sorted(old.keys() & new.keys())
    changed = [name for name in both if old[name].digest != new[name].digest]
    for prefix, listed, workloads in (
        ("", changed, after.workloads),
        ("added: ", sorted(new.keys() - old.keys()), after.workloads),
        ("removed: ", sorted(old.keys() - new.keys()), before.workloads),
    ):
        if listed:
            cells.append(prefix + _listed([component_label(name, workloads) for name in listed]))
    inputs = changed_inputs(before, after)
    if inputs:
        cells.append(f"by {_listed([str(each) for each in inputs])}")
    unknown = incomparable_inputs(before, after)
    if unknown:
        cells.append(f"not comparable: {_listed([str(each) for each in unknown])}")
    return "; ".join(cells) or "Services or PVCs"


def _listed(words: Sequence[str]) -> str:
    rest = len(words) - _LISTED
    return ", ".join(words[:_LISTED]) + (f" and {rest} more" if rest > 0 else "")
