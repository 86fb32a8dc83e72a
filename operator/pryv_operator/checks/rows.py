"""A row of ``kubectl pryv check``: a check of one subject, with what was found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from pryv_operator.checks.declarations import Check, Section


class Status(StrEnum):
    """The result of a check. Only ``fail`` makes the command fail."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIPPED = "skipped"


#: ANSI colors of the results.
_COLORS: Final = {Status.OK: "32", Status.WARN: "33", Status.FAIL: "31", Status.SKIPPED: "2"}


@dataclass(frozen=True)
class Row:
    """The result of a check. ``remedy`` is empty where there is nothing to do."""

    check: Check
    subject: str
    status: Status
    found: str
    remedy: str = ""

    @property
    def document(self) -> dict[str, str]:
        """The row as JSON."""
        return {
            "check": self.check.value,
            "section": self.check.section.option,
            "subject": self.subject,
            "status": self.status.value,
            "found": self.found,
            "remedy": self.remedy,
        }


def ok(check: Check, subject: str, found: str) -> Row:
    """What was tested is the case."""
    return Row(check, subject, Status.OK, found)


def warn(check: Check, subject: str, found: str, remedy: str = "") -> Row:
    """It works, or cannot be known; see the remedy."""
    return Row(check, subject, Status.WARN, found, remedy or check.remedy)


def fail(check: Check, subject: str, found: str, remedy: str = "") -> Row:
    """What was tested is not the case."""
    return Row(check, subject, Status.FAIL, found, remedy or check.remedy)


def skipped(check: Check, subject: str, why: str, remedy: str = "") -> Row:
    """It was not tested."""
    return Row(check, subject, Status.SKIPPED, why, remedy)


def has_failed(rows: Iterable[Row]) -> bool:
    """Whether one of the rows is a failure."""
    return any(row.status is Status.FAIL for row in rows)


def in_order(rows: Iterable[Row]) -> list[Row]:
    """The rows by section, and by check within it; of a check in the order they came."""
    places = {check: place for place, check in enumerate(Check)}
    sections = {section: place for place, section in enumerate(Section)}
    return sorted(rows, key=lambda row: (sections[row.check.section], places[row.check]))


def document(rows: Sequence[Row]) -> dict[str, Any]:
    """All rows as JSON."""
    counts = Counter(row.status for row in rows)
    return {
        "summary": {status.value: counts[status] for status in Status},
        "rows": [row.document for row in rows],
    }


def text(rows: Sequence[Row], *, color: bool = False) -> str:
    """All rows for a terminal, by section; the remedy below what needs one."""
    lines: list[str] = []
    for section in Section:
        mine = [row for row in rows if row.check.section is section]
        if not mine:
            continue
        lines += [*([""] if lines else []), section.value]
        names = max(len(row.check) for row in mine)
        subjects = min(40, max(len(row.subject) for row in mine))
        for row in mine:
            mark = row.status.value.ljust(7)
            mark = f"\033[{_COLORS[row.status]}m{mark}\033[0m" if color else mark
            found = f"  {row.found}" if row.found else ""
            lines.append(
                f"  {mark}  {row.check.ljust(names)}  {row.subject.ljust(subjects)}{found}".rstrip()
            )
            if row.remedy:
                lines.append(f"           → {row.remedy}")
    counts = Counter(row.status for row in rows)
    summary = ", ".join(f"{counts[status]} {status.value}" for status in Status if counts[status])
    return "\n".join([*lines, *([""] if lines else []), summary or "nothing to check"]) + "\n"
