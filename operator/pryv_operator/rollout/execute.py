"""Carries a rollout out: shows the decision what is there, applies what it says, and keeps the history."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names
from pryv_operator.api.kubernetes import WORKLOAD_KINDS, Object
from pryv_operator.api.platform import Platform
from pryv_operator.api.spec import Rollout
from pryv_operator.desired.inputs import Inputs
from pryv_operator.desired.state import Desired
from pryv_operator.kube.client import METADATA, KubeClient
from pryv_operator.kube.errors import ConflictError
from pryv_operator.kube.resources import CONTROLLER_REVISIONS, PLATFORMS
from pryv_operator.live import apply, diff, live_objects
from pryv_operator.live.health import (
    HealthInputs,
    is_available,
    last_applied,
    unready_since,
    workload_health,
)
from pryv_operator.live.live_objects import LiveObjects
from pryv_operator.rollout import decide, revisions
from pryv_operator.rollout.decide import Decision, Policy, Progress, Template, Workload
from pryv_operator.rollout.revision_inputs import fingerprints
from pryv_operator.rollout.revisions import Revision

#: A template that nothing is known of: it was applied by an operator that kept no record.
_UNKNOWN: Final = Template("unknown")
#: So many names of revisions in a row may be taken by what cannot be read.
_NUMBERS_TRIED: Final = 20


@dataclass(frozen=True)
class RolloutResult:
    """How far a rollout came in this pass. ``applied``: objects as they are now; ``changed``: names of workloads among them."""

    revision: int
    decision: Decision
    applied: tuple[Object, ...] = ()
    changed: tuple[str, ...] = ()
    #: Names of workloads that still run something else than what is wanted.
    behind: frozenset[str] = frozenset()
    #: The last revision that was rolled out to the end.
    good: int | None = None


async def roll(
    client: KubeClient,
    platform: Platform,
    spec: Mapping[str, Any],
    wanted: Desired,
    observed: LiveObjects,
    health_inputs: HealthInputs,
    past: Sequence[Revision],
    inputs: Inputs,
    *,
    attempt: str,
    now: dt.datetime,
) -> RolloutResult:
    """The next step of a platform's rollout. ``spec`` is the resource's, ``attempt`` its ``pryv.io/reconcile``.

    Raises:
        ApplyRefusedError: the API server does not take an object, of this step or of a later one; nothing of the step was applied.
    """
    digest = revisions.state_digest((*wanted.services, *wanted.objects))
    newest = past[-1] if past else None
    current = newest if newest and newest.desired == digest else None
    if current and current.failed is not None and current.attempt != attempt:
        current = await _annotated(client, current, revisions.tried_again(now))
    good = revisions.last_good(past)
    number = current.number if current else (newest.number + 1 if newest else 1)
    policy = policy_of(platform.spec.rollout)
    workloads = workloads_of(wanted, observed, health_inputs, good, revisions.migrated(past))
    unready = (
        current.unready if current else frozenset(each.name for each in workloads if not each.ready)
    )
    began = current.began if current else now
    progress = Progress(
        number, began, current.failed if current else None, good.number if good else None, unready
    )
    decision = decide.decide(workloads, progress, policy, now)
    if decision.kind == "Failed" and current:
        current = await _annotated(client, current, revisions.failed(decision.why.message, attempt))
        decision = decide.decide(
            workloads, replace(progress, failed=decision.why.message), policy, now
        )

    kept = await _recorded(client, platform, workloads, decision, past, good)
    changed = apply.compute_changes(targets(wanted.objects, workloads, decision, kept), observed)
    migrated = frozenset(
        each.name
        for each in workloads
        if each.migrates and each.changes_image and each.name in decision.to_wanted
    )
    if current is None or changed.wanted:
        await _check_still_there(client, platform)
    prepared = await apply.prepare(client, platform, changed, observed)
    if current is None:
        # All of it is judged before anything is written down, and that before anything is applied.
        later = _not_in(
            [item for item in wanted.objects if item["kind"] in WORKLOAD_KINDS], changed
        )
        await apply.validate(client, platform, apply.compute_changes(later, observed), observed)
        # Earlier revisions may be pruned: this one says what they knew of migrated data.
        so_far = migrated | (revisions.migrated(past) & {each.name for each in workloads})
        record = revisions.record(
            platform,
            number,
            spec,
            wanted.objects,
            digest,
            fingerprints(inputs),
            unready=unready,
            migrated=so_far,
        )
        current = await _made(client, platform, record)
    elif migrated - current.migrated:
        current = await _annotated(
            client, current, revisions.migrated_too(migrated | current.migrated)
        )
    applied = await apply.apply_prepared(client, prepared)
    proven = (
        decision.kind == "Complete" and not changed.workloads and not platform.spec.stopped
    )  # what does not run proves nothing
    if proven and not current.complete:
        current = await _annotated(client, current, revisions.completed())
    behind = (
        frozenset(
            each.name for each in workloads if each.outdated and each.name not in decision.to_wanted
        )
        | decision.to_good
    )
    return RolloutResult(
        current.number, decision, tuple(applied), changed.workloads, behind, progress.good
    )


async def _check_still_there(client: KubeClient, platform: Platform) -> None:
    """A pass takes a while: what is made for a platform that was deleted meanwhile would only have to be collected again.

    Raises:
        ConflictError: it is gone, or another one; the pass is to be tried again.
    """
    resource = await client.get(PLATFORMS, platform.namespace, platform.name, accept=METADATA)
    metadata = resource["metadata"] if resource else {}
    if metadata.get("uid") != platform.uid or metadata.get("deletionTimestamp"):
        raise ConflictError(409, "Conflict", f"{platform.name} was deleted in the meantime")


async def _made(client: KubeClient, platform: Platform, record: Object) -> Revision:
    """The revision that is recorded. A number whose name is taken by what nobody can read is passed over.

    Raises:
        ConflictError: the history has grown since it was read; the pass is to be tried again.
        ApplyRefusedError: the name is somebody else's.
    """
    for number in range(record["revision"], record["revision"] + _NUMBERS_TRIED):
        metadata = {**record["metadata"], "name": names.revision(platform.name, number)}
        try:
            (made,) = revisions.revisions(
                [
                    await client.create_controller_revision(
                        {**record, "metadata": metadata, "revision": number}
                    )
                ]
            )
        except ConflictError:
            there = await client.get(CONTROLLER_REVISIONS, platform.namespace, metadata["name"])
            if there is None or (
                _has_labels(there, metadata["labels"]) and revisions.revisions([there])
            ):
                raise
            if not apply.is_ours(there["metadata"], platform.uid, platform.name):
                raise apply.name_in_use(record["kind"], metadata["name"]) from None
        else:
            return made
    raise apply.name_in_use(record["kind"], record["metadata"]["name"])


def _has_labels(item: Object, labels: Mapping[str, str]) -> bool:
    return labels.items() <= (item["metadata"].get("labels") or {}).items()


async def prune_revisions(client: KubeClient, platform: Platform, past: Sequence[Revision]) -> None:
    """Remove revisions beyond the platform's limit."""
    limit = platform.spec.rollout.history_limit if platform.spec.rollout else None
    for revision in revisions.superfluous(past, limit or revisions.DEFAULT_LIMIT):
        await client.delete(revision.item)


def policy_of(wanted: Rollout | None) -> Policy:
    """What the platform says about rollouts."""
    if wanted is None:
        return Policy()
    seconds = wanted.progress_deadline_seconds
    return Policy(
        wanted.on_failure == "Rollback",
        dt.timedelta(seconds=seconds) if seconds else decide.DEFAULT_DEADLINE,
    )


def workloads_of(
    wanted: Desired,
    observed: LiveObjects,
    health_inputs: HealthInputs,
    good: Revision | None,
    migrated: Collection[str] = (),
) -> list[Workload]:
    """The workloads that are wanted, as the decision sees them; those held back for something of their own are not among them."""
    objects = {(item["kind"], item["metadata"]["name"]): item for item in wanted.objects}
    found: list[Workload] = []
    for instance in wanted.instances:
        for plan in instance.workloads:
            item = objects.get((plan.kind, plan.name))
            if item is None:
                continue
            live = observed.get(plan.kind, plan.name)
            found.append(
                Workload(
                    name=plan.name,
                    label=plan.label,
                    role=instance.role,
                    instance=instance.name,
                    tier=plan.tier,
                    wanted=revisions.template_of(item),
                    live=live_template(item, live) if live else None,
                    good=good.templates.get(plan.name) if good else None,
                    ready=is_available(live),
                    since=last_applied(live) if live else None,
                    problem=workload_health(
                        plan.kind, plan.name, plan.label, health_inputs
                    ).problem,
                    migrates=plan.migrates,
                    migrated=plan.name in migrated,
                    settles=dt.timedelta(seconds=item["spec"].get("minReadySeconds", 0)),
                    unready_since=unready_since(live, health_inputs.pods) if live else None,
                )
            )
    return found


def live_template(wanted: Object, live: Object) -> Template:
    """What was last applied to a workload; one without a record of it is compared field by field."""
    if keys.TEMPLATE in (live["metadata"].get("annotations") or {}):
        return revisions.template_of(live)
    same = diff.template_contains(wanted["spec"]["template"], live["spec"]["template"])
    return (
        revisions.template_of(wanted)
        if same
        else replace(_UNKNOWN, image=revisions.template_of(live).image)
    )


def targets(
    objects: Iterable[Object],
    workloads: Iterable[Workload],
    decision: Decision,
    kept: Mapping[str, Object],
) -> list[Object]:
    """What is to be applied now: all that is no workload, and each workload with the template that the decision gives it.

    ``kept``: what the history has of workloads that are to keep, or get back, another template than the wanted one.
    """
    by_name = {each.name: each for each in workloads}
    found: list[Object] = []
    for item in objects:
        name = item["metadata"]["name"]
        each = by_name.get(name) if item["kind"] in WORKLOAD_KINDS else None
        if item["kind"] not in WORKLOAD_KINDS or (each and _gets_wanted(each, decision)):
            found.append(item)
        elif each and name in kept:
            found.append(revisions.with_recorded_template(item, kept[name]))
    return found


def _gets_wanted(each: Workload, decision: Decision) -> bool:
    if each.name in decision.to_wanted:
        return True
    return each.live is not None and not each.outdated and each.name not in decision.to_good


def _not_in(items: Iterable[Object], changed: apply.Changes) -> list[Object]:
    there = {(item["kind"], item["metadata"]["name"]) for item in changed.wanted}
    return [item for item in items if (item["kind"], item["metadata"]["name"]) not in there]


async def _recorded(
    client: KubeClient,
    platform: Platform,
    workloads: Iterable[Workload],
    decision: Decision,
    past: Sequence[Revision],
    good: Revision | None,
) -> dict[str, Object]:
    """What the history has of workloads that are not to have the wanted template now: name → as it was recorded."""
    from_revision: dict[str, Revision] = {}
    for each in workloads:
        if _gets_wanted(each, decision):
            continue
        if each.name in decision.to_good:
            source = good
        else:
            source = next(
                (
                    one
                    for one in reversed(past)
                    if each.live and _digest(one, each.name) == each.live.digest
                ),
                None,
            )
        if source:
            from_revision[each.name] = source
    found: dict[str, Object] = {}
    for revision in {each.number: each for each in from_revision.values()}.values():
        item = await client.get(CONTROLLER_REVISIONS, platform.namespace, revision.name)
        recorded = revisions.recorded_workloads(item) if item else {}
        found |= {
            name: recorded[name]
            for name, source in from_revision.items()
            if source is revision and name in recorded
        }
    return found


def _digest(revision: Revision, name: str) -> str | None:
    template = revision.templates.get(name)
    return template.digest if template else None


async def _annotated(
    client: KubeClient, revision: Revision, annotations: Mapping[str, str | None]
) -> Revision:
    """A revision after its annotations were changed."""
    item = await client.patch_annotations(revision.item, annotations)
    return next(iter(revisions.revisions([item])), revision)


async def list_revisions(client: KubeClient, platform: Platform) -> tuple[Revision, ...]:
    """The platform's history, oldest first."""
    return revisions.revisions(await live_objects.list_revision_metadata(client, platform))
