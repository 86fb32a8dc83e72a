"""Judges a platform: problems of its spec, and the conditions and warnings in its status. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from pryv_operator.api.findings import Finding, Problem
from pryv_operator.api.reasons import Reason
from pryv_operator.checks.declarations import Check
from pryv_operator.checks.rows import Row, fail, ok, skipped, warn

_NO_STATUS: Final = "wait a moment; if it stays so, no operator watches the namespace"
#: Condition → its status when all is well, and whether another one is a failure.
_GOOD: Final[Mapping[str, tuple[str, bool]]] = {
    "Ready": ("True", True),
    "Reconciling": ("False", False),
    "Stalled": ("False", True),
    "ConfigRendered": ("True", True),
    "RolloutComplete": ("True", False),
    "Paused": ("False", False),
    "CutOver": ("True", False),
    "ReleaseAvailable": ("False", False),
}


def spec_rows(findings: Iterable[Finding]) -> list[Row]:
    """Problems of a spec, which the operator would report, and warnings."""
    rows = []
    for each in dict.fromkeys(findings):
        remedy = remedy_of(each.reason)
        if isinstance(each, Problem):
            rows.append(fail(Check.SPEC, each.reason, each.message, remedy))
        else:
            rows.append(warn(Check.SPEC, each.reason, each.message, remedy))
    return rows or [ok(Check.SPEC, "spec", "accepted; every file renders")]


def status_rows(resource: Mapping[str, Any]) -> list[Row]:
    """The conditions and warnings of a platform."""
    status = resource.get("status") or {}
    generation = resource["metadata"].get("generation")
    conditions = status.get("conditions") or ()
    if not conditions:
        return [fail(Check.CONDITION, "Ready", "the platform has no status", _NO_STATUS)]
    rows = []
    if status.get("observedGeneration") != generation:
        rows.append(warn(
            Check.CONDITION, "observedGeneration",
            f"generation {status.get('observedGeneration')} of {generation}",
            "wait for the operator; if it stays so, look at its logs",
        ))  # fmt: skip
    rows += [row for each in conditions if (row := _condition(each))]
    rows += [
        warn(
            Check.WARNING,
            str(each.get("reason")),
            str(each.get("message")),
            remedy_of(each.get("reason")),
        )
        for each in status.get("warnings") or ()
    ]
    return rows


def _condition(condition: Mapping[str, Any]) -> Row | None:
    kind, status = str(condition.get("type")), condition.get("status")
    if kind not in _GOOD:
        return None
    good, essential = _GOOD[kind]
    reason, message = str(condition.get("reason")), str(condition.get("message"))
    if status == good:
        return ok(Check.CONDITION, kind, f"{status}: {reason}")
    found = f"{status}: {reason}: {message}"
    judge = fail if essential and reason not in _PASSING else warn
    return judge(Check.CONDITION, kind, found, remedy_of(reason))


_REASONS: Final = {each.value: each for each in Reason}
#: Reasons of a condition that changes by itself.
_PASSING: Final = (Reason.PROGRESSING.value,)


def remedy_of(reason: Any) -> str:
    """What to do about a reason, from its declaration; empty: nothing, or unknown."""
    found = _REASONS.get(str(reason))
    return found.remedy.replace("`", "") if found else ""


def not_installed(name: str) -> Row:
    """That the conditions are not known, as the platform is only in a file."""
    return skipped(Check.CONDITION, name, "read from a file; the platform is not asked")
