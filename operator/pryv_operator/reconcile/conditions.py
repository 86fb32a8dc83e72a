"""What to say about a platform: its status, from what is wanted and what was observed. Pure; the clock is an argument."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from pryv_operator.api import names
from pryv_operator.api.findings import Explanation, Finding, Problem, Waiting, joined
from pryv_operator.api.reasons import Reason
from pryv_operator.api.status import (
    Condition,
    Endpoint,
    InstanceStatus,
    PryvPlatformStatus,
    ServiceAddress,
    StatusWarning,
)
from pryv_operator.desired.state import Desired, InstancePlan
from pryv_operator.live.health import Health, HealthInputs, workload_health
from pryv_operator.rollout.execute import RolloutResult
from pryv_operator.values.addresses import Address

_MESSAGE: Final = 4000
_NOTICES: Final = 32
Truth = Literal["True", "False", "Unknown"]


@dataclass(frozen=True)
class Findings:
    """Everything a pass found out. ``refused``: what the API server did not take; ``blocked`` workloads wait for something."""

    generation: int
    desired: Desired
    health_inputs: HealthInputs
    addresses: Mapping[str, Address]
    services: frozenset[str]
    domain: str
    refused: Finding | None = None
    certificate_problem: Finding | None = None
    authorities: tuple[str, ...] = ()
    rolled: RolloutResult | None = None
    #: With ``rollout.paused``: what would be applied or removed.
    paused: tuple[str, ...] | None = None
    stopped: bool = False
    #: Why the pass could not be made to its end, and whether it is tried again by itself: nothing is known of the rest.
    interrupted: Finding | None = None
    tried_again: bool = False


def report(findings: Findings, before: PryvPlatformStatus, now: str) -> PryvPlatformStatus:
    """The status after a pass; a condition that has not changed keeps its time."""
    wanted = findings.desired
    checked = {plan.name: _checked(plan, findings) for plan in wanted.instances}
    verdict = _verdict(findings, checked)
    conditions = (
        ("Ready", verdict.ready, verdict.why),
        ("Reconciling", verdict.reconciling, verdict.why),
        ("Stalled", verdict.stalled, verdict.why),
        ("ConfigRendered", *_rendered(findings, before)),
        ("RolloutComplete", *_rollout(findings, checked, verdict)),
        ("Paused", *_paused(findings)),
    )
    done = wanted.complete and findings.refused is None and findings.interrupted is None
    instances = (
        [_instance(plan, checked[plan.name]) for plan in wanted.instances]
        if wanted.instances
        else list(before.instances)
    )
    rolled_out = (
        done
        and _complete(findings)
        and all(each.ready for states in checked.values() for each in states)
    )
    return PryvPlatformStatus(
        observed_generation=findings.generation,
        release=wanted.release,
        revision=findings.rolled.revision if findings.rolled else before.revision,
        roles_ready=_roles_ready(wanted.instances, checked) or before.roles_ready,
        conditions=[
            _condition(kind, truth, why, _speaks_of(kind, findings, before), before, now)
            for kind, truth, why in conditions
        ],
        instances=instances,
        endpoints=_endpoints(wanted.instances, findings.domain)
        if wanted.instances
        else list(before.endpoints),
        warnings=_notices(wanted.warnings),
        services=_services(findings),
        trusted_authorities=sorted(findings.authorities)
        if rolled_out
        else list(before.trusted_authorities),
    )


@dataclass(frozen=True)
class _Verdict:
    ready: Truth
    reconciling: Truth
    stalled: Truth
    why: Finding


def _verdict(findings: Findings, checked: Mapping[str, Sequence[Health]]) -> _Verdict:
    wanted = findings.desired
    if findings.interrupted:
        again = findings.tried_again
        return _Verdict(
            "False",
            "True" if again else "False",
            "False" if again else "True",
            findings.interrupted,
        )
    wrong = (*wanted.problems, *([findings.refused] if findings.refused else []))
    if wrong:
        return _Verdict("False", "False", "True", joined(wrong))
    if findings.paused:
        return _Verdict("False", "False", "False", _would_apply(findings.paused))
    if wanted.waiting:
        return _Verdict("False", "True", "False", joined(wanted.waiting))
    states = [each for listed in checked.values() for each in listed]
    failed = [each.problem for each in states if each.problem and each.failed]
    unready = [
        each.problem
        for each in sorted(states, key=lambda each: not each.waiting)
        if each.problem and not each.failed
    ]
    certificate = findings.certificate_problem
    if findings.stopped:
        return _Verdict("False", *_stopping(states))
    if findings.rolled and findings.rolled.decision.kind in _STOPPED_ROLLOUTS:
        return _Verdict(
            "False",
            "True" if findings.rolled.decision.kind == "RollingBack" else "False",
            "True",
            findings.rolled.decision.finding,
        )
    if (
        certificate and certificate.reason == Reason.WAITING_FOR_CERTIFICATE
    ):  # first: what calls the register cannot start without it
        return _Verdict("False", "True", "False", joined((certificate, *failed[:3])))
    if failed:
        return _Verdict("False", "True", "True", _with_pending(_several(failed), findings))
    if certificate:
        return _Verdict("False", "False", "True", certificate)
    if unready:
        return _Verdict("False", "True", "False", _with_pending(_several(unready), findings))
    if findings.rolled and findings.rolled.decision.kind != "Complete":
        return _Verdict(
            "False", "True", "False", _with_pending(findings.rolled.decision.finding, findings)
        )
    return _Verdict(
        "True",
        "False",
        "False",
        Explanation(Reason.READY, "every component runs the wanted configuration and is ready"),
    )


def _several(problems: Sequence[Finding]) -> Finding:
    """The first ones in full, and how many there are besides."""
    whole = joined(tuple(problems[:3]))
    rest = len(problems) - 3
    return whole if rest <= 0 else Problem(whole.reason, f"{whole.message}; and {rest} more")


#: Decisions after a rollout has failed.
_STOPPED_ROLLOUTS: Final = ("Held", "RollingBack", "RolledBack")
_SHOWN: Final = 10


def _with_pending(problem: Finding, findings: Findings) -> Finding:
    """And what has not been touched yet."""
    pending = findings.rolled.decision.pending if findings.rolled else ()
    if not pending:
        return problem
    why = findings.rolled.decision.finding if findings.rolled else problem
    waiting = (
        f"; {why.message}"
        if why.reason == Reason.WAITING_FOR_OTHER_CORE and why.message not in problem.message
        else ""
    )
    rest = f" and {len(pending) - _SHOWN} more" if len(pending) > _SHOWN else ""
    return Problem(
        problem.reason,
        f"{problem.message}{waiting}; not touched yet: {', '.join(pending[:_SHOWN])}{rest}",
    )


def _would_apply(objects: Sequence[str]) -> Finding:
    rest = f" and {len(objects) - _SHOWN} more" if len(objects) > _SHOWN else ""
    return Explanation(
        Reason.PAUSED,
        f"the rollout is paused (spec.rollout.paused); would be applied: {', '.join(objects[:_SHOWN])}{rest}",
    )


def _paused(findings: Findings) -> tuple[Truth, Finding]:
    if findings.paused is None:
        return "False", Explanation(Reason.NOT_PAUSED, "changes are applied")
    return "True", _would_apply(findings.paused) if findings.paused else Explanation(
        Reason.PAUSED, "the rollout is paused; nothing waits"
    )


def _stopping(states: Sequence[Health]) -> tuple[Truth, Truth, Finding]:
    """Reconciling, Stalled and why, of a platform that is to be stopped."""
    running = [each for each in states if not each.ready]
    if running:
        return (
            "True",
            "False",
            Waiting(
                Reason.STOPPING,
                f"stopping (spec.stopped); {len(running)} components have not ended yet",
            ),
        )
    return (
        "False",
        "False",
        Explanation(Reason.STOPPED, "stopped (spec.stopped): nothing runs, all data are kept"),
    )


def _complete(findings: Findings) -> bool:
    if findings.paused is not None:
        return not findings.paused
    return findings.rolled is not None and findings.rolled.decision.kind == "Complete"


def _rendered(findings: Findings, before: PryvPlatformStatus) -> tuple[Truth, Finding]:
    wanted = findings.desired
    if findings.interrupted:
        last = next((each for each in before.conditions if each.type == "ConfigRendered"), None)
        return (
            (last.status, Problem(last.reason, last.message))
            if last
            else ("Unknown", findings.interrupted)
        )
    if wanted.problems:
        return "False", joined(wanted.problems)
    if wanted.waiting:
        return "Unknown", joined(wanted.waiting)
    return "True", Explanation(Reason.RENDERED, "all files of all roles are rendered")


def _rollout(
    findings: Findings, checked: Mapping[str, Sequence[Health]], verdict: _Verdict
) -> tuple[Truth, Finding]:
    done = (
        findings.desired.complete
        and not (findings.refused or findings.interrupted)
        and _complete(findings)
    )
    blocked = bool(findings.desired.blocked)
    if done and not blocked and all(each.ready for states in checked.values() for each in states):
        return "True", Explanation(Reason.COMPLETE, "every workload runs its newest configuration")
    return "False", verdict.why


def _checked(plan: InstancePlan, findings: Findings) -> list[Health]:
    found: list[Health] = []
    for workload in plan.workloads:
        waits_for = findings.desired.blocked.get(workload.name)
        if findings.rolled and workload.name in findings.rolled.outdated:
            found.append(Health(ready=False))  # the decision says why
        elif waits_for and (workload.kind, workload.name) not in findings.health_inputs.workloads:
            found.append(Health(ready=False, problem=waits_for))
        else:
            found.append(
                workload_health(
                    workload.kind, workload.name, workload.label, findings.health_inputs
                )
            )
    return found


def _notices(warnings: Iterable[Finding]) -> list[StatusWarning]:
    """All warnings; when there are too many, one for each reason, which says how many it leaves out."""
    unique = sorted(set(warnings))
    if len(unique) > _NOTICES:
        reasons = dict.fromkeys(each.reason for each in unique)
        unique = [
            _merged(reason, [each.message for each in unique if each.reason == reason])
            for reason in reasons
        ]
    return [
        StatusWarning(reason=each.reason, message=each.message[:_MESSAGE])
        for each in unique[:_NOTICES]
    ]


def _merged(reason: str, messages: Sequence[str]) -> Finding:
    room, shown = _MESSAGE - 100, 0
    while shown < len(messages) and len("; ".join(messages[: shown + 1])) <= room:
        shown += 1
    rest = len(messages) - shown
    return Problem(reason, "; ".join(messages[:shown]) + (f"; and {rest} more" if rest else ""))


def _instance(plan: InstancePlan, states: Sequence[Health]) -> InstanceStatus:
    return InstanceStatus(
        name=plan.name,
        role=plan.role,
        ready=sum(each.ready for each in states),
        desired=len(states),
        address=plan.address,
    )


def _roles_ready(
    plans: Iterable[InstancePlan], checked: Mapping[str, Sequence[Health]]
) -> str | None:
    roles: dict[str, bool] = {}
    for plan in plans:
        roles[plan.role] = roles.get(plan.role, True) and all(
            each.ready for each in checked[plan.name]
        )
    return f"{sum(roles.values())}/{len(roles)}" if roles else None


def _endpoints(plans: Iterable[InstancePlan], domain: str) -> list[Endpoint]:
    found: list[Endpoint] = []
    for plan in plans:
        if plan.role in (names.REG_MASTER, names.SINGLE_NODE):
            found.append(Endpoint(name="register", url=f"https://reg.{domain}"))
            found.append(
                Endpoint(name="service-information", url=f"https://reg.{domain}/service/info")
            )
        if plan.role == names.CORE:
            found.append(Endpoint(name=plan.name, url=f"https://{plan.name}.{domain}"))
        if plan.role in (names.STATIC, names.SINGLE_NODE):
            found.append(Endpoint(name="web", url=f"https://sw.{domain}"))
    return sorted(found, key=lambda endpoint: endpoint.name)


def _services(findings: Findings) -> list[ServiceAddress]:
    """Addresses of the Services that are wanted; all that are known as long as nobody can say which those are."""
    return [
        ServiceAddress(
            name=name, cluster_ip=address.cluster_ip, load_balancer_ip=address.load_balancer_ip
        )
        for name, address in sorted(findings.addresses.items())
        if not findings.services or name in findings.services
    ]


def _speaks_of(kind: str, findings: Findings, before: PryvPlatformStatus) -> int:
    """The generation that a condition is about: what was rendered before an interrupted pass says nothing of a newer spec."""
    last = next((each for each in before.conditions if each.type == kind), None)
    return (
        last.observed_generation
        if last and findings.interrupted and kind == "ConfigRendered"
        else findings.generation
    )


def _condition(
    kind: str, truth: Truth, why: Finding, generation: int, before: PryvPlatformStatus, now: str
) -> Condition:
    old = next((each for each in before.conditions if each.type == kind), None)
    return Condition(
        type=kind,
        status=truth,
        observed_generation=generation,
        last_transition_time=old.last_transition_time if old and old.status == truth else now,
        reason=why.reason,
        message=why.message[:_MESSAGE],
    )
