"""What a reconciliation that reached its end has seen of components, rollout and certificates."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from pryv_operator.desired.certificates import role_secret_names, secret_name
from pryv_operator.desired.inputs import Inputs
from pryv_operator.desired.state import InstancePlan, WorkloadPlan
from pryv_operator.kube import metrics
from pryv_operator.pki.certificate import Certificate
from pryv_operator.pki.certificate_chain import read_chain
from pryv_operator.pki.pem import PemError
from pryv_operator.reconcile.outcome import Outcome
from pryv_operator.reconcile.platform_metrics import (
    CertificateExpiry,
    ComponentReplicas,
    Observed,
    RolloutProgress,
)
from pryv_operator.rollout.execute import RolloutResult


def observe(outcome: Outcome) -> Observed:
    """What the outcome of a reconciliation says of components and of the rollout."""
    plans = [
        (instance, workload)
        for instance in outcome.desired.instances
        for workload in instance.workloads
    ]
    return Observed(
        tuple(_replicas(instance, workload, outcome) for instance, workload in plans),
        _progress(outcome.rollout, outcome, [workload for _, workload in plans]),
    )


def _replicas(plan: InstancePlan, workload: WorkloadPlan, outcome: Outcome) -> ComponentReplicas:
    live = outcome.health_inputs.workloads.get((workload.kind, workload.name)) or {}
    desired = 0 if workload.scaled_to_zero else (live.get("spec") or {}).get("replicas", 1)
    return ComponentReplicas(
        plan.role,
        plan.name,
        workload.label.partition("/")[2],
        desired,
        (live.get("status") or {}).get("readyReplicas", 0),
    )


def _progress(
    rollout: RolloutResult | None, outcome: Outcome, workloads: Sequence[WorkloadPlan]
) -> RolloutProgress | None:
    if rollout is None:
        return None
    missing = rollout.outdated | outcome.desired.blocked.keys()
    updated = sum(workload.name not in missing for workload in workloads)
    return RolloutProgress(rollout.began, updated, len(workloads))


def certificate_expiries(inputs: Inputs, private_secret: str) -> tuple[CertificateExpiry, ...]:
    """When the certificates that the platform serves expire.

    ``private_secret``: name of the Secret of the certificate that the operator has issued.
    """
    secrets = role_secret_names(inputs.platform)
    served = [("", secret_name(inputs.platform) or private_secret, inputs.certificate)]
    served += [
        (role, secrets[role], found)
        for role, found in inputs.role_certificates.items()
        if isinstance(found, Certificate)
    ]
    expiries = (
        (role, secret, certificate and _expiry(certificate)) for role, secret, certificate in served
    )
    return tuple(CertificateExpiry(role, secret, at) for role, secret, at in expiries if at)


def _expiry(certificate: Certificate) -> dt.datetime | None:
    """When the first of the chain expires; None where it is a placeholder."""
    try:
        return min(each.not_valid_after_utc for each in read_chain(certificate.chain))
    except PemError:
        return None


def count_rollout(rollout: RolloutResult | None, now: dt.datetime) -> None:
    """Record how long a rollout took that has just ended."""
    if rollout and rollout.ended and rollout.began:
        seconds = (now - rollout.began).total_seconds()
        metrics.ROLLOUT_SECONDS.labels(rollout.ended).observe(max(0.0, seconds))
