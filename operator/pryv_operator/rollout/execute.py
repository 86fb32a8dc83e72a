"""Carries a rollout out: reads, lets the decision decide, applies its step, records revisions.

What looks at all objects of a platform runs in a thread: the event loop has to renew the lease.
"""

from __future__ import annotations

import datetime as dt
from asyncio import to_thread
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from pryv_operator.api.kubernetes import WORKLOAD_KINDS, Object
from pryv_operator.api.platform import Platform
from pryv_operator.api.spec import Rollout
from pryv_operator.desired.inputs import Inputs
from pryv_operator.desired.state import Desired
from pryv_operator.kube.client import KubeClient
from pryv_operator.live import apply
from pryv_operator.live.apply import Changes
from pryv_operator.live.health import HealthInputs
from pryv_operator.live.live_objects import (
    LiveObjects,
    check_platform_exists,
    list_trial_pods,
)
from pryv_operator.rollout.decide import (
    DEFAULT_DEADLINE,
    Decision,
    Policy,
    Progress,
    Workload,
    decide,
)
from pryv_operator.rollout.deferral import compute_basis
from pryv_operator.rollout.revision_inputs import fingerprints
from pryv_operator.rollout.revision_mac import RevisionSigner
from pryv_operator.rollout.revision_record import (
    NewRevision,
    controller_revision,
    state_digest,
    with_recorded_template,
)
from pryv_operator.rollout.revision_store import (
    create_revision,
    patch_revision,
    read_recorded_workloads,
)
from pryv_operator.rollout.revisions import (
    Revision,
    basis_annotations,
    complete_annotations,
    failed_annotations,
    last_good,
    migrated_annotations,
    migrated_workloads,
    not_run_annotations,
    retried_annotations,
)
from pryv_operator.rollout.trial_pods import create_trials, log_given_up, refused_trials
from pryv_operator.rollout.trials import Trials, gets_new_image
from pryv_operator.rollout.workloads import last_good_of, observed_workloads


@dataclass(frozen=True)
class RolloutInputs:
    """What a step of a rollout depends on.

    ``inputs``: those of the desired state. ``spec``: as it is in the resource.
    ``history``: oldest revision first. ``attempt`` and ``update``: the resource's annotations
    ``pryv.io/reconcile`` and ``pryv.io/update``. ``highest``: the highest number of a revision
    that is known to have been used. ``trials``: None as long as they are not read.
    """

    inputs: Inputs
    spec: Mapping[str, Any]
    desired: Desired
    live: LiveObjects
    health_inputs: HealthInputs
    history: Sequence[Revision]
    attempt: str
    update: str
    now: dt.datetime
    highest: int = 0
    trials: Trials | None = None

    @property
    def platform(self) -> Platform:
        """The platform that is rolled out."""
        return self.inputs.platform

    @property
    def signer(self) -> RevisionSigner:
        """Signs the platform's revisions."""
        return RevisionSigner(self.inputs.hash_key, self.platform.uid)

    def without(self, forged: Collection[int]) -> RolloutInputs:
        """The same, with these revisions (by number) not authentic."""
        history = tuple(
            replace(each, authentic=each.authentic and each.number not in forged)
            for each in self.history
        )
        return replace(self, history=history)


@dataclass(frozen=True)
class RolloutResult:
    """How far a rollout has come.

    ``applied``: the applied objects as they are now. ``changed``: names of workloads among them.
    ``outdated``: names of workloads that still run another template than the desired one.
    ``last_good``: number of the newest revision that was rolled out completely before.
    ``current``: the revision.
    ``obsolete_trials``: trials whose result is used, or not needed any more.
    ``began``: when the revision's rollout began, or was retried.
    ``ended``: how it has ended, if that was recorded in this step.
    """

    revision: int
    decision: Decision
    applied: tuple[Object, ...] = field(default=(), repr=False)
    changed: tuple[str, ...] = ()
    outdated: frozenset[str] = frozenset()
    last_good: int | None = None
    current: Revision | None = None
    obsolete_trials: tuple[Object, ...] = field(default=(), repr=False)
    began: dt.datetime | None = None
    ended: Literal["complete", "failed"] | None = None


@dataclass(frozen=True)
class _Plan:
    """A decision, and what it was made from."""

    workloads: tuple[Workload, ...]
    progress: Progress
    decision: Decision

    @property
    def migrating(self) -> frozenset[str]:
        """Workloads that get an image now that may migrate their data."""
        return frozenset(
            each.name
            for each in self.workloads
            if each.migrates and each.changes_image and each.name in self.decision.to_desired
        )

    @property
    def not_run(self) -> frozenset[str]:
        """Workloads that have no pod by the spec and have never run the desired template."""
        return frozenset(each.name for each in self.workloads if not each.proven)

    @property
    def outdated(self) -> frozenset[str]:
        """Workloads that run another template than the desired one after this step."""
        outdated = {each.name for each in self.workloads if each.outdated}
        return frozenset(outdated - self.decision.to_desired) | self.decision.to_last_good

    @property
    def applied(self) -> list[Workload]:
        """Workloads that get the desired template now."""
        return [each for each in self.workloads if each.name in self.decision.to_desired]

    @property
    def tried(self) -> frozenset[str]:
        """Workloads whose trials are needed until they get the desired template."""
        return self.outdated if self.decision.kind in ("Step", "Wait") else frozenset()

    def gets_desired(self, workload: Workload) -> bool:
        """Whether a workload has the desired template after this step."""
        if workload.name in self.decision.to_desired:
            return True
        up_to_date = workload.live is not None and not workload.outdated
        return up_to_date and workload.name not in self.decision.to_last_good


async def roll(client: KubeClient, given: RolloutInputs) -> RolloutResult:
    """Take the next step of a platform's rollout.

    Raises:
        ApplyRejectedError: the API server rejects an object, of this step or of a later one;
            nothing of the step was applied.
        ConflictError: an object, or the history, has changed since it was read.
    """
    platform, digest = given.platform, await to_thread(_digest, given)
    signer = given.signer
    current = _current_revision(given, digest)
    if current and current.failed is not None and current.attempt != given.attempt:
        retried = retried_annotations(given.now)
        current = await patch_revision(client, signer, current, retried)

    given = replace(given, trials=await _read_trials(client, given, current))
    plan = await to_thread(_decide, given, current)
    if given.trials and plan.decision.to_try:
        tried = _workloads_of(given, plan.decision.to_try)
        refused = await refused_trials(client, given.trials, tried)
        given = replace(given, trials=replace(given.trials, not_admitted=refused))
        plan = await to_thread(_decide, given, current)
    failed = None
    if plan.decision.kind == "Failed" and current:
        failed = plan.decision.finding.message
        annotations = failed_annotations(failed, given.attempt)
        current = await patch_revision(client, signer, current, annotations)
        plan = await to_thread(_decide, given, current, failed=failed)

    recorded = await read_recorded_workloads(client, platform, _sources(given, plan))
    while recorded.forged:  # each time fewer sources are left
        given = given.without(recorded.forged)
        plan = await to_thread(_decide, given, current, failed=failed)
        recorded = await read_recorded_workloads(client, platform, _sources(given, plan))
    changes = await to_thread(_changes_now, given, plan, recorded.workloads)
    planned = await apply.prepare_apply(client, platform, changes, given.live)
    if current is None and not planned.creates:
        await check_platform_exists(client, platform)

    # A revision is recorded after it was validated, and before anything of it is applied.
    if current is None:
        later = await to_thread(_later_changes, given, changes)
        await apply.prepare_apply(client, platform, later, given.live)
        record = await to_thread(_new_revision, given, plan, digest)
        current = await create_revision(client, platform, signer, record)
    elif plan.migrating - current.migrated:
        migrated = migrated_annotations(plan.migrating | current.migrated)
        current = await patch_revision(client, signer, current, migrated)

    changed_basis = await to_thread(_changed_basis, given, current)
    if changed_basis is not None:
        annotations = basis_annotations(changed_basis)
        current = await patch_revision(client, signer, current, annotations)

    applied = await apply.apply_planned(client, platform, planned)
    obsolete_trials = await _begin_trials(client, given, plan, current)
    # A stopped platform shows nothing about its revision, and nothing is complete without what is
    # blocked. Trials are not read any more once it is complete, so they are deleted before.
    is_complete = (
        plan.decision.kind == "Complete"
        and not changes.workloads
        and not given.desired.blocked
        and not obsolete_trials
    )
    ended: Literal["complete", "failed"] | None = "failed" if failed else None
    if is_complete and not platform.spec.stopped and not current.complete:
        ended = "complete"
        current = await _record_rolled_out(client, signer, current, plan)
    return RolloutResult(
        current.number,
        plan.decision,
        tuple(applied),
        changes.workloads,
        plan.outdated,
        plan.progress.last_good,
        current,
        obsolete_trials,
        plan.progress.began,
        ended,
    )


async def _read_trials(
    client: KubeClient, given: RolloutInputs, current: Revision | None
) -> Trials | None:
    """What is known of the platform's trials; None where there are none and none is needed.

    They are read while a revision is rolled out, so that those of an earlier one are deleted.
    """
    if last_good(given.history) is None:
        return None
    if current and current.rolled_out and not await to_thread(_may_need_trial, given):
        return None
    began = current.began if current else given.now
    pods = await list_trial_pods(client, given.platform)
    return Trials(given.platform, began, given.now, tuple(pods))


async def _begin_trials(
    client: KubeClient, given: RolloutInputs, plan: _Plan, current: Revision
) -> tuple[Object, ...]:
    """Create the missing trials of a decision; return those that are obsolete."""
    if given.trials is None:
        return ()
    trials = replace(given.trials, began=current.began)
    await create_trials(client, trials, _workloads_of(given, plan.decision.to_try))
    log_given_up(trials, plan.applied)
    return trials.obsolete(_workloads_of(given, plan.tried))


async def _record_rolled_out(
    client: KubeClient, signer: RevisionSigner, current: Revision, plan: _Plan
) -> Revision:
    """Record that a revision is complete, or what of it has never run."""
    if not plan.not_run:
        return await patch_revision(client, signer, current, complete_annotations())
    if plan.not_run == current.not_run:
        return current
    return await patch_revision(client, signer, current, not_run_annotations(plan.not_run))


# --- what is decided: pure ---


def _digest(given: RolloutInputs) -> str:
    return state_digest((*given.desired.services, *given.desired.objects))


def _current_revision(given: RolloutInputs, digest: str) -> Revision | None:
    """The revision of the desired state; None when it is not recorded yet."""
    newest = given.history[-1] if given.history else None
    if newest and given.desired.deferred:
        return newest
    return newest if newest and newest.state_digest == digest else None


def _may_need_trial(given: RolloutInputs) -> bool:
    """Whether a workload that stops before it is started gets a new image."""
    objects = {(item["kind"], item["metadata"]["name"]): item for item in given.desired.objects}
    return any(
        (item := objects.get((each.kind, each.name)))
        and gets_new_image(each, item, given.live.get(each.kind, each.name))
        for instance in given.desired.instances
        for each in instance.workloads
    )


def _workloads_of(given: RolloutInputs, names: Collection[str]) -> list[Object]:
    """The desired workloads with these names."""
    return [
        item
        for item in given.desired.objects
        if item["kind"] in WORKLOAD_KINDS and item["metadata"]["name"] in names
    ]


def _decide(given: RolloutInputs, current: Revision | None, *, failed: str | None = None) -> _Plan:
    """Decide the next step. ``failed``: why the revision has failed just now."""
    good = last_good(given.history)
    workloads = observed_workloads(
        given.desired, given.live, given.health_inputs, given.history, given.trials
    )
    if current:
        number, began, unready = current.number, current.began, current.unready
        failed = current.failed if failed is None else failed
    else:
        number, began = _next_number(given), given.now
        unready = frozenset(each.name for each in workloads if not each.ready)
    blocked = tuple(
        each.label
        for instance in given.desired.instances
        for each in instance.workloads
        if each.name in given.desired.blocked
    )
    progress = Progress(
        number,
        began,
        failed,
        good.number if good else None,
        unready,
        blocked,
        unsigned=_unsigned_source(workloads, given.history),
    )
    policy = rollout_policy(given.platform.spec.rollout)
    return _Plan(workloads, progress, decide(workloads, progress, policy, given.now))


def _unsigned_source(workloads: Iterable[Workload], history: Sequence[Revision]) -> int | None:
    """The number of a revision that a rollback needs and the operator has not signed, if any."""
    sources = (last_good_of(each.name, history, runs=each.runs) for each in workloads)
    return next((each.number for each in sources if each and not each.authentic), None)


def _basis(given: RolloutInputs) -> dict[str, Any]:
    return compute_basis(given.inputs, given.spec, given.update)


def _changed_basis(given: RolloutInputs, current: Revision) -> dict[str, Any] | None:
    """The basis to record: the revision's inputs changed while its desired state did not."""
    if given.desired.deferred and current.basis is not None:
        return None
    basis = _basis(given)
    return None if current.basis == basis else basis


def _next_number(given: RolloutInputs) -> int:
    return max(given.highest, *(each.number for each in given.history[-1:]), 0) + 1


def rollout_policy(configured: Rollout | None) -> Policy:
    """The policy of ``spec.rollout``."""
    if configured is None:
        return Policy()
    seconds = configured.progress_deadline_seconds
    return Policy(
        configured.on_failure == "Rollback",
        dt.timedelta(seconds=seconds) if seconds else DEFAULT_DEADLINE,
    )


def _sources(given: RolloutInputs, plan: _Plan) -> dict[str, Revision]:
    """Workload → the revision that records the template it keeps, or gets back."""
    found: dict[str, Revision] = {}
    for each in plan.workloads:
        if plan.gets_desired(each):
            continue
        if each.name in plan.decision.to_last_good:
            source = last_good_of(each.name, given.history, runs=each.runs)
        else:
            source = _newest_with(given.history, each)
        if source and source.authentic:
            found[each.name] = source
    return found


def _newest_with(history: Sequence[Revision], workload: Workload) -> Revision | None:
    """The newest revision that records the live template of a workload."""
    for revision in reversed(history):
        template = revision.templates.get(workload.name)
        if workload.live and template and template.digest == workload.live.digest:
            return revision
    return None


def _target_objects(
    objects: Iterable[Object], plan: _Plan, recorded: Mapping[str, Object]
) -> list[Object]:
    """What is applied now: each workload with the template that the decision gives it.

    Other objects are applied as desired. ``recorded``: see ``_sources``; a workload that has to
    keep a template which no revision records is left as it is, or recreated as desired.
    """
    workloads = {each.name: each for each in plan.workloads}
    found: list[Object] = []
    for item in objects:
        if item["kind"] not in WORKLOAD_KINDS:
            found.append(item)
            continue
        name = item["metadata"]["name"]
        workload = workloads.get(name)
        if workload is None:
            continue
        if plan.gets_desired(workload):
            found.append(item)
        elif name in recorded:
            found.append(with_recorded_template(item, recorded[name]))
        elif name in plan.decision.to_last_good and workload.live is None:
            found.append(item)
    return found


def _changes_now(given: RolloutInputs, plan: _Plan, recorded: Mapping[str, Object]) -> Changes:
    """What this step changes."""
    targets = _target_objects(given.desired.objects, plan, recorded)
    return apply.compute_changes(targets, given.live)


def _later_changes(given: RolloutInputs, changes: Changes) -> Changes:
    """The desired workloads that a later step changes."""
    now = {(item["kind"], item["metadata"]["name"]) for item in changes.objects}
    later = [
        item
        for item in given.desired.objects
        if item["kind"] in WORKLOAD_KINDS and (item["kind"], item["metadata"]["name"]) not in now
    ]
    return apply.compute_changes(later, given.live)


def _new_revision(given: RolloutInputs, plan: _Plan, digest: str) -> Object:
    """The ControllerRevision to record for the desired state."""
    # Earlier revisions may be pruned, so this one records what they did about migrated data.
    before = migrated_workloads(given.history) & {each.name for each in plan.workloads}
    new = NewRevision(
        number=plan.progress.revision,
        spec=given.spec,
        objects=given.desired.objects,
        state_digest=digest,
        inputs=fingerprints(given.inputs),
        basis=_basis(given),
        unready=plan.progress.unready,
        migrated=plan.migrating | before,
        blocked=plan.progress.blocked,
    )
    return controller_revision(given.platform, new)
