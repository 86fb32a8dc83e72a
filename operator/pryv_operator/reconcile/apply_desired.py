"""Applies the desired state, or the next step towards it.

What looks at all objects of a platform runs in a thread: the event loop has to renew the lease.
"""

from __future__ import annotations

import datetime as dt
from asyncio import to_thread
from dataclasses import replace

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.kubernetes import WORKLOAD_KINDS, Object
from pryv_operator.api.platform import Platform
from pryv_operator.desired.inputs import Inputs
from pryv_operator.desired.state import Desired, compute_desired
from pryv_operator.kube.client import KubeClient
from pryv_operator.live import apply, live_objects
from pryv_operator.live.comparisons import Comparisons
from pryv_operator.live.drift import find_drift, tolerating
from pryv_operator.live.health import HealthInputs, is_ready
from pryv_operator.live.live_objects import LiveObjects
from pryv_operator.live.rejections import ApplyRejectedError
from pryv_operator.reconcile import cleanup
from pryv_operator.reconcile.computation import Computation
from pryv_operator.reconcile.field_conflicts import FieldConflicts
from pryv_operator.reconcile.outcome import Applied
from pryv_operator.reconcile.service_addresses import service_addresses
from pryv_operator.reconcile.snapshot import Snapshot
from pryv_operator.rollout import execute, revision_store
from pryv_operator.rollout.deferral import (
    compute_basis,
    deferred_desired,
    has_same_basis,
    is_state_of,
    seems_unchanged,
)
from pryv_operator.rollout.execute import RolloutInputs
from pryv_operator.rollout.revisions import Revision


async def apply_desired_state(
    client: KubeClient,
    computation: Computation,
    snapshot: Snapshot,
    inputs: Inputs,
    conflicts: FieldConflicts,
    now: dt.datetime,
) -> Applied:
    """Apply Services, then cert-manager's Certificate, then the rollout's next step.

    Nothing is written when the inputs have problems or wait for something, or while the rollout is
    paused.
    """
    desired, comparisons = await _compute(client, computation, snapshot, inputs)
    snapshot = replace(snapshot, live=replace(snapshot.live, comparisons=comparisons))
    applied = Applied(desired, snapshot.live)
    if desired.problems or inputs.waiting:  # what ``desired`` waits for may need its Services
        return applied
    if snapshot.platform.paused:
        return replace(applied, pending=await to_thread(_pending, snapshot, desired))
    objects = [*desired.services, *desired.objects]
    tolerated = conflicts.observe(await to_thread(find_drift, objects, snapshot.live), now)
    if conflicts.warnings:
        live = await to_thread(tolerating, snapshot.live, objects, tolerated)
        snapshot = replace(snapshot, live=live)
        inputs = replace(inputs, warnings=(*inputs.warnings, *conflicts.warnings))
        desired = replace(desired, warnings=(*desired.warnings, *conflicts.warnings))
        applied = Applied(desired, snapshot.live)
    try:
        applied, inputs = await _apply_services(client, computation, snapshot, inputs, applied)
        applied = await _apply_certificate_request(client, snapshot.platform, applied)
        if not applied.desired.complete:
            return applied
        return await _roll_out(client, snapshot, inputs, applied, now)
    except ApplyRejectedError as error:
        return replace(applied, rejected=error.problem)


async def read_health_inputs(
    client: KubeClient, platform: Platform, applied: Applied
) -> HealthInputs:
    """Read what explains the components that are not ready; nothing when all are."""
    live = applied.live
    workloads = _workloads(live)
    expected = [each for plan in applied.desired.instances for each in plan.workloads]
    if not workloads or all(
        is_ready(workloads.get((each.kind, each.name)), expects_pods=not each.scaled_to_zero)
        for each in expected
    ):
        return HealthInputs(workloads)
    return HealthInputs(
        workloads,
        pods=await live_objects.list_pods(client, platform),
        pvcs={item["metadata"]["name"]: item for item in live.of_kind("PersistentVolumeClaim")},
        events=await live_objects.list_warning_events(client, platform),
    )


def compute_comparable(inputs: Inputs) -> tuple[Desired, Comparisons]:
    """The desired state; comparisons are kept as long as it is."""
    desired = compute_desired(inputs)
    return desired, Comparisons((*desired.services, *desired.objects))


async def _compute(
    client: KubeClient, computation: Computation, snapshot: Snapshot, inputs: Inputs
) -> tuple[Desired, Comparisons]:
    """The desired state, without what an upgrade of the operator defers."""
    desired, comparisons = await computation.run(snapshot.platform, compute_comparable, inputs)
    return await _without_deferred(client, snapshot, inputs, desired), comparisons


async def _without_deferred(
    client: KubeClient, snapshot: Snapshot, inputs: Inputs, desired: Desired
) -> Desired:
    revision = snapshot.history[-1] if snapshot.history else None
    if revision is None or not desired.complete:
        return desired
    if not await to_thread(_may_defer, snapshot, inputs, desired, revision):
        return desired
    recorded = await revision_store.read_record(client, snapshot.platform, revision)
    if recorded is None:
        return desired
    if revision.basis is None:
        spec = snapshot.resource["spec"]
        if not await to_thread(seems_unchanged, revision, recorded.spec, inputs, spec):
            return desired
    deferred = await to_thread(deferred_desired, desired, recorded.workloads, snapshot.live)
    return deferred or desired


def _may_defer(snapshot: Snapshot, inputs: Inputs, desired: Desired, revision: Revision) -> bool:
    """Whether the desired state is not that of the newest revision, but may be made from the same.

    That is not known of a revision of an earlier operator, before it was read.
    """
    if is_state_of(revision, desired):
        return False
    if revision.basis is None:
        return True
    basis = compute_basis(inputs, snapshot.resource["spec"], snapshot.annotation(keys.UPDATE))
    return has_same_basis(revision, inputs, basis)


async def _apply_services(
    client: KubeClient,
    computation: Computation,
    snapshot: Snapshot,
    inputs: Inputs,
    applied: Applied,
) -> tuple[Applied, Inputs]:
    """Apply changed Services, then compute the desired state again with their addresses.

    Returns the inputs with these, too.
    """
    desired, platform = applied.desired, snapshot.platform
    changes = await to_thread(apply.compute_changes, desired.services, applied.live)
    if not changes.objects:
        return applied, inputs
    if desired.complete:  # otherwise the addresses of new Services have to be known first
        live = await _validate_all(client, platform, inputs, applied)
        applied = replace(applied, live=live)
    applied = applied.with_objects(
        await apply.apply_services(client, platform, changes, applied.live, inputs.addresses)
    )
    addresses = service_addresses(applied.live, inputs.addresses)
    inputs = replace(inputs, addresses=addresses)
    desired, comparisons = await _compute(client, computation, snapshot, inputs)
    live = replace(applied.live, comparisons=comparisons)
    return replace(applied, desired=desired, live=live), inputs


async def _validate_all(
    client: KubeClient, platform: Platform, inputs: Inputs, applied: Applied
) -> LiveObjects:
    """Let the API server validate a whole change before its Services are applied.

    Raises:
        ApplyRejectedError: it rejects an object. Services that were deleted are restored
            nevertheless, as pods need them.
    """
    desired, live = applied.desired, applied.live
    try:
        objects = [*desired.services, *desired.objects]
        changes = await to_thread(apply.compute_changes, objects, live)
        planned = await apply.prepare_apply(client, platform, changes, live)
        return planned.update(live)
    except ApplyRejectedError:
        missing = [
            item for item in desired.services if not live.get("Service", item["metadata"]["name"])
        ]
        changes = await to_thread(apply.compute_changes, missing, live)
        await apply.apply_services(client, platform, changes, live, inputs.addresses)
        raise


async def _apply_certificate_request(
    client: KubeClient, platform: Platform, applied: Applied
) -> Applied:
    request = applied.desired.certificate_request
    if request is None:
        return applied
    problem = await apply.apply_certificate_request(client, platform, request, applied.live)
    return replace(applied, certificate_problem=problem)


async def _roll_out(
    client: KubeClient, snapshot: Snapshot, inputs: Inputs, applied: Applied, now: dt.datetime
) -> Applied:
    """Take the next step of the rollout."""
    health_inputs = await read_health_inputs(client, snapshot.platform, applied)
    rollout = await execute.roll(
        client,
        RolloutInputs(
            inputs=inputs,
            spec=snapshot.resource["spec"],
            desired=applied.desired,
            live=applied.live,
            health_inputs=health_inputs,
            history=snapshot.history,
            attempt=snapshot.annotation(keys.RECONCILE),
            update=snapshot.annotation(keys.UPDATE),
            now=now,
            highest=snapshot.revision_records.highest,
        ),
    )
    applied = applied.with_objects(rollout.applied)
    return replace(
        applied,
        rollout=rollout,
        health_inputs=replace(health_inputs, workloads=_workloads(applied.live)),
    )


def _pending(snapshot: Snapshot, desired: Desired) -> tuple[str, ...]:
    """What would be applied or deleted if the rollout were not paused."""
    live, platform = snapshot.live, snapshot.platform
    changes = apply.compute_changes([*desired.services, *desired.objects], live)
    changed = [_label(item) for item in changes.objects]
    if not desired.complete:
        return tuple(changed)
    undesired = cleanup.undesired(
        live.objects.values(), cleanup.desired_objects(desired), desired.blocked, platform.uid
    )
    return (*changed, *(f"{_label(item)} (deleted)" for item in undesired))


def _label(item: Object) -> str:
    return f"{item['kind']} {item['metadata']['name']}"


def _workloads(live: LiveObjects) -> dict[tuple[str, str], Object]:
    return {key: item for key, item in live.objects.items() if key[0] in WORKLOAD_KINDS}
