"""The status of a platform, from the outcome of a reconciliation. Pure; the time is an argument."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from pryv_operator.api import names
from pryv_operator.api.findings import Finding, Problem
from pryv_operator.api.status import (
    Endpoint,
    InstanceStatus,
    Ownership,
    PryvPlatformStatus,
    RevisionRecord,
    ServiceAddress,
    StatusWarning,
)
from pryv_operator.desired.state import InstancePlan, WorkloadPlan
from pryv_operator.live.health import Health, workload_health
from pryv_operator.reconcile.conditions import MAX_MESSAGE, compute_conditions
from pryv_operator.reconcile.outcome import Outcome
from pryv_operator.reconcile.verdict import Facts

_MAX_WARNINGS: Final = 32


def compute_status(outcome: Outcome, before: PryvPlatformStatus, now: str) -> PryvPlatformStatus:
    """The status after a reconciliation; ``now`` as the API server writes times.

    What the reconciliation could not find out stays as it was.
    """
    instances = outcome.desired.instances
    health = {
        plan.name: [_component_health(workload, outcome) for workload in plan.workloads]
        for plan in instances
    }
    facts = Facts(outcome, health)
    all_ready = all(each.ready for each in facts.components)
    trusts = outcome.finished and outcome.rolled_out and all_ready
    return PryvPlatformStatus(
        observed_generation=outcome.generation,
        release=outcome.desired.release,
        revision=outcome.rollout.revision if outcome.rollout else before.revision,
        revisions=_first_revisions(before)
        if outcome.revisions is None
        else list(outcome.revisions),
        roles_ready=_roles_ready(instances, health) or before.roles_ready,
        conditions=compute_conditions(facts, before, now),
        instances=[_instance(plan, health[plan.name]) for plan in instances]
        or list(before.instances),
        endpoints=_endpoints(instances, outcome.domain) if instances else list(before.endpoints),
        warnings=_warnings(outcome.desired.warnings),
        services=_services(outcome),
        replaced_files=list(
            before.replaced_files if outcome.replaced_files is None else outcome.replaced_files
        ),
        trusted_authorities=sorted(outcome.authorities)
        if trusts
        else list(before.trusted_authorities),
        ownership=outcome.ownership or before.ownership or _first_ownership(before),
    )


def _first_ownership(before: PryvPlatformStatus) -> Ownership | None:
    """No record in the first status of a resource; None in one of an earlier version."""
    return Ownership() if before == PryvPlatformStatus() else None


def _first_revisions(before: PryvPlatformStatus) -> list[RevisionRecord] | None:
    """None recorded in the first status of a resource; None in one of an earlier version."""
    return [] if before == PryvPlatformStatus() else before.revisions


def _component_health(workload: WorkloadPlan, outcome: Outcome) -> Health:
    waits_for = outcome.desired.blocked.get(workload.name)
    if outcome.rollout and workload.name in outcome.rollout.outdated:
        return Health(ready=False)  # the rollout's decision explains it
    if waits_for and (workload.kind, workload.name) not in outcome.health_inputs.workloads:
        return Health(ready=False, problem=waits_for)
    return workload_health(workload, outcome.health_inputs)


def _instance(plan: InstancePlan, health: Sequence[Health]) -> InstanceStatus:
    return InstanceStatus(
        name=plan.name,
        role=plan.role,
        ready=sum(each.ready for each in health),
        desired=len(health),
        address=plan.address,
    )


def _roles_ready(
    plans: Iterable[InstancePlan], health: Mapping[str, Sequence[Health]]
) -> str | None:
    roles: dict[str, bool] = {}
    for plan in plans:
        ready = all(each.ready for each in health[plan.name])
        roles[plan.role] = roles.get(plan.role, True) and ready
    return f"{sum(roles.values())}/{len(roles)}" if roles else None


def _endpoints(plans: Iterable[InstancePlan], domain: str) -> list[Endpoint]:
    urls: dict[str, str] = {}
    for plan in plans:
        if plan.role in (names.REG_MASTER, names.SINGLE_NODE):
            urls["register"] = f"https://reg.{domain}"
            urls["service-information"] = f"https://reg.{domain}/service/info"
        if plan.role == names.CORE:
            urls[plan.name] = f"https://{plan.name}.{domain}"
        if plan.role in (names.STATIC, names.SINGLE_NODE):
            urls["web"] = f"https://sw.{domain}"
    return [Endpoint(name=name, url=url) for name, url in sorted(urls.items())]


def _services(outcome: Outcome) -> list[ServiceAddress]:
    """Addresses of the desired Services; of all known ones while the desired are not known."""
    return [
        ServiceAddress(
            name=name, cluster_ip=address.cluster_ip, load_balancer_ip=address.load_balancer_ip
        )
        for name, address in sorted(outcome.addresses.items())
        if not outcome.services or name in outcome.services
    ]


def _warnings(warnings: Iterable[Finding]) -> list[StatusWarning]:
    """All warnings; too many are merged to one for each reason, with the number omitted."""
    unique: list[Finding] = sorted(set(warnings))
    if len(unique) > _MAX_WARNINGS:
        unique = [
            _merged(reason, [each.message for each in unique if each.reason == reason])
            for reason in dict.fromkeys(each.reason for each in unique)
        ]
    return [
        StatusWarning(reason=each.reason, message=each.message[:MAX_MESSAGE])
        for each in unique[:_MAX_WARNINGS]
    ]


def _merged(reason: str, messages: Sequence[str]) -> Finding:
    limit, shown = MAX_MESSAGE - 100, 0
    while shown < len(messages) and len("; ".join(messages[: shown + 1])) <= limit:
        shown += 1
    rest = len(messages) - shown
    return Problem(reason, "; ".join(messages[:shown]) + (f"; and {rest} more" if rest else ""))
