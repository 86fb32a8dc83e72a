"""Ready, Reconciling and Stalled, with their common reason: a list of rules. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from pryv_operator.api.findings import Explanation, Finding, Problem, Waiting, joined
from pryv_operator.api.reasons import Reason
from pryv_operator.live.health import Health
from pryv_operator.reconcile.outcome import Outcome

Truth = Literal["True", "False", "Unknown"]

#: How many names, and how many problems in full, a message lists.
_NAMES_SHOWN: Final = 10
_PROBLEMS_SHOWN: Final = 3


@dataclass(frozen=True)
class Verdict:
    """The status of the three conditions, and why."""

    ready: Truth
    reconciling: Truth
    stalled: Truth
    why: Finding


@dataclass(frozen=True)
class Facts:
    """What the rules look at: the outcome, and the health of each instance's components."""

    outcome: Outcome
    health: Mapping[str, Sequence[Health]]

    @property
    def components(self) -> list[Health]:
        """The health of all components."""
        return [each for listed in self.health.values() for each in listed]

    @property
    def failed(self) -> list[Finding]:
        """Problems of components that need a fix."""
        return [each.problem for each in self.components if each.problem and each.failed]

    @property
    def unready(self) -> list[Finding]:
        """Why other components are not ready; those that wait for something particular first."""
        ordered = sorted(self.components, key=lambda each: not each.waiting)
        return [each.problem for each in ordered if each.problem and not each.failed]


Rule: TypeAlias = Callable[[Facts], Verdict | None]


def decide_verdict(facts: Facts) -> Verdict:
    """The verdict of the first rule that applies."""
    return next(verdict for rule in RULES if (verdict := rule(facts)) is not None)


def _interrupted(facts: Facts) -> Verdict | None:
    outcome = facts.outcome
    if outcome.interrupted is None:
        return None
    if outcome.retryable:
        return Verdict("False", "True", "False", outcome.interrupted)
    return Verdict("False", "False", "True", outcome.interrupted)


def _invalid_or_rejected(facts: Facts) -> Verdict | None:
    rejected = facts.outcome.rejected
    problems = (*facts.outcome.desired.problems, *([rejected] if rejected else []))
    return Verdict("False", "False", "True", joined(problems)) if problems else None


def _paused(facts: Facts) -> Verdict | None:
    pending = facts.outcome.pending
    return Verdict("False", "False", "False", paused_with(pending)) if pending else None


def _waiting(facts: Facts) -> Verdict | None:
    waiting = facts.outcome.desired.waiting
    return Verdict("False", "True", "False", joined(waiting)) if waiting else None


def _stopped(facts: Facts) -> Verdict | None:
    if not facts.outcome.stopped:
        return None
    running = sum(not each.ready for each in facts.components)
    if running:
        text = f"spec.stopped: {running} components have not terminated yet"
        return Verdict("False", "True", "False", Waiting(Reason.STOPPING, text))
    text = "spec.stopped: no component runs; all data are retained"
    return Verdict("False", "False", "False", Explanation(Reason.STOPPED, text))


def _rollout_failed(facts: Facts) -> Verdict | None:
    rollout = facts.outcome.rollout
    if rollout is None or rollout.decision.kind not in ("Held", "RollingBack", "RolledBack"):
        return None
    reconciling: Truth = "True" if rollout.decision.kind == "RollingBack" else "False"
    return Verdict("False", reconciling, "True", rollout.decision.finding)


def _waiting_for_certificate(facts: Facts) -> Verdict | None:
    problem = facts.outcome.certificate_problem
    if problem is None or problem.reason != Reason.WAITING_FOR_CERTIFICATE:
        return None
    return Verdict("False", "True", "False", joined((problem, *facts.failed[:_PROBLEMS_SHOWN])))


def _component_failed(facts: Facts) -> Verdict | None:
    if not facts.failed:
        return None
    return Verdict("False", "True", "True", _with_pending(_several(facts.failed), facts.outcome))


def _invalid_certificate(facts: Facts) -> Verdict | None:
    problem = facts.outcome.certificate_problem
    return Verdict("False", "False", "True", problem) if problem else None


def _component_unready(facts: Facts) -> Verdict | None:
    if not facts.unready:
        return None
    return Verdict("False", "True", "False", _with_pending(_several(facts.unready), facts.outcome))


def _rolling_out(facts: Facts) -> Verdict | None:
    rollout = facts.outcome.rollout
    if rollout is None or rollout.decision.kind == "Complete":
        return None
    decision = rollout.decision
    # A new image cannot be pulled: what serves goes on, and the rollout needs a fix.
    stalled: Truth = (
        "True" if decision.to_try and isinstance(decision.finding, Problem) else "False"
    )
    return Verdict("False", "True", stalled, _with_pending(decision.finding, facts.outcome))


def _ready(_: Facts) -> Verdict | None:
    text = "every component runs the desired configuration and is ready"
    return Verdict("True", "False", "False", Explanation(Reason.READY, text))


#: The first that applies wins.
RULES: Final[tuple[Rule, ...]] = (
    # The reconciliation did not finish, so nothing is known of the rest.
    _interrupted,
    # The spec, templates or Secrets have a problem, or the API server has rejected an object.
    _invalid_or_rejected,
    # Paused, and something would be applied: the user waits, not the operator.
    _paused,
    # Something outside of the platform is missing, such as an address of a load balancer.
    _waiting,
    # spec.stopped: components are terminating or gone, which is no failure.
    _stopped,
    # The rollout has failed: its own reason comes before those of single components.
    _rollout_failed,
    # Before failed components: what calls the register cannot start without the certificate.
    _waiting_for_certificate,
    # A component cannot run until the cause is fixed.
    _component_failed,
    # A certificate that exists and cannot be used.
    _invalid_certificate,
    # A component is starting, or waits for a node or a volume.
    _component_unready,
    # Every component is ready, and the rollout has further steps.
    _rolling_out,
    # Nothing is left to do.
    _ready,
)


def paused_with(pending: Sequence[str]) -> Finding:
    """Why a paused platform is not ready: what would be applied or deleted."""
    if not pending:
        return Explanation(Reason.PAUSED, "spec.rollout.paused: nothing to apply")
    return Explanation(
        Reason.PAUSED, f"spec.rollout.paused: not applied yet: {_shortened(pending)}"
    )


def _several(problems: Sequence[Finding]) -> Finding:
    """The first problems in full, and the number of the others."""
    whole = joined(tuple(problems[:_PROBLEMS_SHOWN]))
    rest = len(problems) - _PROBLEMS_SHOWN
    return whole if rest <= 0 else Problem(whole.reason, f"{whole.message}; and {rest} more")


def _with_pending(problem: Finding, outcome: Outcome) -> Finding:
    """The problem, with the components that the rollout has not reached yet."""
    decision = outcome.rollout.decision if outcome.rollout else None
    if decision is None or not decision.pending:
        return problem
    why = decision.finding
    waits = why.reason == Reason.WAITING_FOR_OTHER_CORE and why.message not in problem.message
    texts = [problem.message, *([why.message] if waits else [])]
    pending = f"not rolled out yet: {_shortened(decision.pending)}"
    return Problem(problem.reason, "; ".join((*texts, pending)))


def _shortened(listed: Sequence[str]) -> str:
    rest = len(listed) - _NAMES_SHOWN
    return ", ".join(listed[:_NAMES_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
