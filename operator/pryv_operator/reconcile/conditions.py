"""The conditions of a platform's status. Pure; the time is an argument."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pryv_operator.api.findings import Advisory, Explanation, Finding, Problem, joined
from pryv_operator.api.reasons import Reason
from pryv_operator.api.status import Condition, PryvPlatformStatus
from pryv_operator.reconcile.outcome import Outcome
from pryv_operator.reconcile.verdict import Facts, Truth, decide_verdict, paused_with

#: Conditions that a platform has only while it has a warning: type, the warning's reason, and the
#: status that it gives.
_OF_WARNINGS: Final[tuple[tuple[str, Reason, Truth], ...]] = (
    ("CutOver", Reason.CUT_OVER_PENDING, "False"),
    ("ReleaseAvailable", Reason.RELEASE_AVAILABLE, "True"),
)
#: Characters of a message; the API accepts more, people do not.
MAX_MESSAGE: Final = 4000


def compute_conditions(facts: Facts, before: PryvPlatformStatus, now: str) -> list[Condition]:
    """All conditions after a reconciliation; one whose status is unchanged keeps its time."""
    outcome = facts.outcome
    verdict = decide_verdict(facts)
    results: tuple[tuple[str, Truth, Finding], ...] = (
        ("Ready", verdict.ready, verdict.why),
        ("Reconciling", verdict.reconciling, verdict.why),
        ("Stalled", verdict.stalled, verdict.why),
        ("ConfigRendered", *_config_rendered(outcome, before)),
        ("RolloutComplete", *_rollout_complete(facts, verdict.why)),
        ("Paused", *_paused(outcome)),
        *_of_warnings(outcome, before),
    )
    return [
        _condition(
            find_condition(before.conditions, kind),
            Condition(
                type=kind,
                status=truth,
                observed_generation=_observed_generation(kind, outcome, before),
                last_transition_time=now,
                reason=why.reason,
                message=why.message[:MAX_MESSAGE],
            ),
        )
        for kind, truth, why in results
    ]


def find_condition(conditions: Iterable[Condition], kind: str) -> Condition | None:
    """The condition of a type."""
    return next((each for each in conditions if each.type == kind), None)


def has_condition(status: PryvPlatformStatus, kind: str) -> bool:
    """Whether a condition is True."""
    found = find_condition(status.conditions, kind)
    return found is not None and found.status == "True"


def _condition(before: Condition | None, after: Condition) -> Condition:
    """``after`` with the time of the last transition."""
    if before is None or before.status != after.status:
        return after
    return after.model_copy(update={"last_transition_time": before.last_transition_time})


def _config_rendered(outcome: Outcome, before: PryvPlatformStatus) -> tuple[Truth, Finding]:
    if outcome.interrupted:
        last = find_condition(before.conditions, "ConfigRendered")
        if last is None:
            return "Unknown", outcome.interrupted
        return last.status, Problem(last.reason, last.message)
    if outcome.desired.problems:
        return "False", joined(outcome.desired.problems)
    if outcome.desired.waiting:
        return "Unknown", joined(outcome.desired.waiting)
    return "True", Explanation(Reason.RENDERED, "all files of all roles are rendered")


def _rollout_complete(facts: Facts, why: Finding) -> tuple[Truth, Finding]:
    outcome = facts.outcome
    complete = outcome.finished and outcome.rolled_out and not outcome.desired.blocked
    if complete and all(each.ready for each in facts.components):
        return "True", Explanation(Reason.COMPLETE, "every workload runs its newest configuration")
    return "False", why


def _paused(outcome: Outcome) -> tuple[Truth, Finding]:
    if outcome.pending is None:
        return "False", Explanation(Reason.NOT_PAUSED, "changes are applied")
    return "True", paused_with(outcome.pending)


def _of_warnings(
    outcome: Outcome, before: PryvPlatformStatus
) -> Iterable[tuple[str, Truth, Finding]]:
    """The conditions that come and go with a warning; an interrupted reconciliation knows none."""
    for kind, reason, truth in _OF_WARNINGS:
        last = find_condition(before.conditions, kind)
        if outcome.interrupted:
            if last:
                yield kind, last.status, Advisory(last.reason, last.message)
            continue
        found = [each for each in outcome.desired.warnings if each.reason == reason]
        if found:
            yield kind, truth, joined(found)


def _observed_generation(kind: str, outcome: Outcome, before: PryvPlatformStatus) -> int:
    """The generation a condition is about; an interrupted reconciliation has rendered nothing."""
    last = find_condition(before.conditions, kind)
    if last and outcome.interrupted and kind == "ConfigRendered":
        return last.observed_generation
    return outcome.generation
