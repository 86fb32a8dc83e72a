"""The pass: level-triggered, one platform at a time. It reads what is, computes what should be, and writes only differences."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from pydantic import ValidationError

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.findings import Advisory, Finding, Problem, Waiting
from pryv_operator.api.kubernetes import WORKLOAD_KINDS, Object
from pryv_operator.api.platform import Platform
from pryv_operator.api.reasons import Reason
from pryv_operator.api.spec import PryvPlatformSpec
from pryv_operator.api.status import PryvPlatformStatus
from pryv_operator.desired.state import Desired, compute_desired
from pryv_operator.kube import event_recorder, metrics
from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.errors import ApiError, RejectedError, UnavailableError
from pryv_operator.kube.resources import PLATFORMS
from pryv_operator.kube.work_queue import Key
from pryv_operator.live import apply, live_objects
from pryv_operator.live.health import HealthInputs, is_ready
from pryv_operator.live.live_objects import LiveObjects
from pryv_operator.live.pod_references import referenced_configuration
from pryv_operator.live.rejections import ApplyRejectedError, message_without_content
from pryv_operator.reconcile import cleanup
from pryv_operator.reconcile.conditions import Findings, report
from pryv_operator.reconcile.gather import Gathered, UnusableError, addresses, gather
from pryv_operator.reconcile.references import References, references_of
from pryv_operator.reconcile.template_sources import TemplateReader
from pryv_operator.rollout import execute, revision_store, revisions
from pryv_operator.rollout.execute import RolloutInputs, RolloutResult
from pryv_operator.rollout.revisions import Revision
from pryv_operator.values.addresses import Address

log = logging.getLogger(__name__)

#: While something is wrong or awaited that no watch of ours may tell of, look again.
_LOOK_AGAIN: Final = 15.0
#: After so many failed passes in a row the status says so: before, it may be a hiccup.
_FAILURES_TOLD: Final = 2


@dataclass(frozen=True)
class Settings:
    """What the operator is started with."""

    cluster_dns: str
    resync_seconds: float = 300.0


def _utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class Reconciler:
    """Passes for all platforms; it remembers nothing of them but who refers to which Secret."""

    def __init__(
        self,
        client: KubeClient,
        settings: Settings,
        references: References,
        now: Callable[[], dt.datetime] = _utc_now,
    ) -> None:
        """``now`` is the clock, for certificates and conditions."""
        self._client = client
        self._settings = settings
        self._references = references
        self._now = now
        self._templates = TemplateReader(client)
        self._failing: dict[Key, int] = {}
        self._again: set[Key] = set()
        #: How long the step that is waited for still has, in seconds.
        self._deadlines: dict[Key, float] = {}

    async def __call__(self, key: Key) -> float | None:
        """One pass. The answer is when to look again, in seconds; None when the platform is gone.

        Raises:
            ApiError: the API server could not be asked; the pass is to be tried again.
        """
        resource = await self._client.get(PLATFORMS, key.namespace, key.name)
        if resource is None or resource["metadata"].get("deletionTimestamp"):
            self._forget(key)
            return None
        with metrics.RECONCILIATION_SECONDS.time():
            try:
                ready = await self._pass(key, resource)
            except RejectedError as error:
                ready = await self._write_status(
                    resource,
                    _refused(resource, error, _status(resource), self._now()),
                    _status(resource),
                )
            except UnavailableError as error:
                if error.status and self._failing.setdefault(key, 0) >= _FAILURES_TOLD:
                    await self._write_status(
                        resource,
                        _failing(resource, error, _status(resource), self._now()),
                        _status(resource),
                    )
                self._failing[key] = self._failing.get(key, 0) + 1
                raise
            except ApiError:
                raise
            except Exception as error:
                await self._write_status(
                    resource,
                    _bug(resource, error, _status(resource), self._now()),
                    _status(resource),
                )
                raise
        self._failing.pop(key, None)
        metrics.RECONCILIATIONS.labels("ready" if ready else "not-ready").inc()
        if key in self._again:
            self._again.discard(key)
            return 0.0
        if ready:
            return self._settings.resync_seconds
        until_deadline = self._deadlines.pop(key, None)
        return min(
            _LOOK_AGAIN,
            self._settings.resync_seconds,
            *([until_deadline] if until_deadline is not None else []),
        )

    def _forget(self, key: Key) -> None:
        self._references.forget(key)
        self._failing.pop(key, None)
        self._again.discard(key)
        self._deadlines.pop(key, None)

    async def _pass(self, key: Key, resource: Object) -> bool:
        before = _status(resource)
        try:
            spec = PryvPlatformSpec.model_validate(resource["spec"])
        except ValidationError as error:
            return await self._write_status(
                resource, _invalid(resource, error, before, self._now()), before
            )
        metadata = resource["metadata"]
        platform = Platform(metadata["name"], metadata["namespace"], metadata["uid"], spec)
        self._references.set(key, references_of(platform))
        bundle = await self._templates.read(platform)
        if isinstance(bundle, Problem):
            return await self._write_status(
                resource, _only(bundle, resource, before, self._now()), before
            )
        observed, past = await asyncio.gather(
            live_objects.list_live_objects(self._client, platform),
            revision_store.list_revisions(self._client, platform),
        )
        warnings = () if platform.paused else await self._keep_or_release(platform, observed)
        annotations = metadata.get("annotations") or {}
        try:
            gathered = await gather(
                self._client,
                platform,
                bundle,
                observed,
                before,
                in_use=revisions.inputs_in_use(past),
                restarts=revisions.recorded_restarts(past),
                restart=annotations.get(keys.RESTART, ""),
                cluster_dns=self._settings.cluster_dns,
                now=self._now(),
            )
        except UnusableError as error:
            return await self._write_status(
                resource, _only(error.problem, resource, before, self._now()), before
            )
        gathered = replace(
            gathered,
            inputs=replace(gathered.inputs, warnings=(*gathered.inputs.warnings, *warnings)),
        )
        outcome = await self._act(platform, resource, gathered, observed, past)
        await self._say_what_was_done(resource, gathered, outcome)
        health_inputs = outcome.health_inputs or await self._health_inputs(
            platform, outcome.wanted, outcome.observed
        )
        findings = Findings(
            generation=metadata["generation"],
            desired=outcome.wanted,
            health_inputs=health_inputs,
            addresses=_memory(addresses(outcome.observed, before), gathered.inputs.addresses),
            services=frozenset(item["metadata"]["name"] for item in outcome.wanted.services),
            domain=spec.domain,
            refused=outcome.refused,
            certificate_problem=outcome.certificate_problem
            or next(iter(outcome.wanted.blocked.values()), None),
            authorities=gathered.authorities,
            rolled=outcome.rolled,
            paused=outcome.paused,
            stopped=bool(spec.stopped),
        )
        deadline = outcome.rolled.decision.deadline if outcome.rolled else None
        if deadline:
            self._deadlines[key] = max(0.1, (deadline - self._now()).total_seconds())
        after = report(findings, before, _written(self._now()))
        if after.trusted_authorities != before.trusted_authorities:
            self._again.add(key)  # the second step of a change of authorities
        return await self._write_status(resource, after, before)

    async def _act(
        self,
        platform: Platform,
        resource: Object,
        gathered: Gathered,
        observed: LiveObjects,
        past: Sequence[Revision],
    ) -> _Outcome:
        """Bring what is there to what should be, or a step nearer."""
        wanted = await asyncio.to_thread(
            compute_desired, gathered.inputs
        )  # large templates of others take a while
        outcome = _Outcome(wanted, observed)
        if wanted.problems:
            return outcome
        if platform.paused:
            return replace(outcome, paused=_would_change(platform, wanted, observed))
        try:
            changed = apply.compute_changes(wanted.services, observed)
            if changed.objects:
                if wanted.complete:  # else the addresses of new Services have to be known first
                    observed = await self._validate(platform, wanted, gathered, observed)
                    outcome = replace(outcome, observed=observed)
                known = gathered.inputs.addresses
                applied = await apply.apply_services(
                    self._client, platform, changed, observed, known
                )
                outcome = outcome.having(applied)
                found = addresses(outcome.observed, PryvPlatformStatus())
                wanted = await asyncio.to_thread(
                    compute_desired, replace(gathered.inputs, addresses={**known, **found})
                )
                outcome = replace(outcome, wanted=wanted)
            if wanted.certificate_request:
                problem = await apply.apply_certificate_request(
                    self._client, wanted.certificate_request, observed
                )
                outcome = replace(outcome, certificate_problem=problem)
            if not wanted.complete:
                return outcome
            health_inputs = await self._health_inputs(platform, wanted, outcome.observed)
            rolled = await execute.roll(
                self._client,
                RolloutInputs(
                    inputs=gathered.inputs,
                    spec=resource["spec"],
                    desired=wanted,
                    live=outcome.observed,
                    health_inputs=health_inputs,
                    history=past,
                    attempt=(resource["metadata"].get("annotations") or {}).get(keys.RECONCILE, ""),
                    now=self._now(),
                ),
            )
        except ApplyRejectedError as error:
            return replace(outcome, refused=error.problem)
        outcome = outcome.having(list(rolled.applied))
        outcome = replace(
            outcome,
            rolled=rolled,
            health_inputs=replace(health_inputs, workloads=_workloads(outcome.observed)),
        )
        await self._clean_up(platform, outcome, gathered, past)
        return outcome

    async def _validate(
        self, platform: Platform, wanted: Desired, gathered: Gathered, observed: LiveObjects
    ) -> LiveObjects:
        """Let the API server judge all of a change before its Services are applied; gives what is there.

        Raises:
            ApplyRejectedError: it does not take an object. Services that somebody has deleted are back nevertheless: pods need them.
        """
        try:
            every = apply.compute_changes([*wanted.services, *wanted.objects], observed)
            planned = await apply.prepare_apply(self._client, platform, every, observed)
            return planned.update(observed)
        except ApplyRejectedError:
            known = gathered.inputs.addresses
            lost = [
                item
                for item in wanted.services
                if not observed.get("Service", item["metadata"]["name"])
            ]
            await apply.apply_services(
                self._client, platform, apply.compute_changes(lost, observed), observed, known
            )
            raise

    async def _keep_or_release(
        self, platform: Platform, observed: LiveObjects
    ) -> tuple[Advisory, ...]:
        """Owner references of claims and kept Secrets follow the deletionPolicy, whatever else is wrong with the platform.

        All of them: those of instances that are no longer wanted too. Nothing is made, and no data is touched. The answer says what could
        not be done.
        """
        refused: list[str] = []
        wanted = [] if platform.retains_data else [platform.owner_reference()]
        kept = [
            item
            for item in observed.of_kind("Secret")
            if item["metadata"]["labels"].get(keys.PURPOSE) not in (None, "config")
        ]
        for item in (*observed.of_kind("PersistentVolumeClaim"), *kept):
            if item["metadata"].get("ownerReferences", []) == wanted or item["metadata"].get(
                "deletionTimestamp"
            ):
                continue
            try:
                await self._client.patch_owner_references(item, wanted)
            except RejectedError as error:
                refused.append(f"{item['kind']} {item['metadata']['name']} ({error.reason})")
        if not refused:
            return ()
        policy = platform.spec.deletion_policy or "Retain"
        text = f"deletionPolicy: {policy} could not be brought to {', '.join(refused)}: the API server refuses to change its owner references"
        return (Advisory(Reason.DELETION_POLICY_REFUSED, text),)

    async def _clean_up(
        self, platform: Platform, outcome: _Outcome, gathered: Gathered, past: Sequence[Revision]
    ) -> None:
        """Remove what nothing wants: the last step of a rollout. Configuration goes only when no pod template anywhere names it.

        Nothing is removed after a rollout has failed: what was there may be what it goes back to.
        """
        rolled = outcome.rolled
        if rolled is None or rolled.decision.kind in ("Held", "RollingBack", "RolledBack"):
            return
        wanted, there = outcome.wanted, outcome.observed.objects.values()
        complete = rolled.decision.kind == "Complete"
        every = [
            *wanted.services,
            *wanted.objects,
            *([wanted.certificate_request] if wanted.certificate_request else []),
        ]
        for item in cleanup.unwanted(there, every, wanted.blocked, platform.uid):
            if complete or rolled.last_good is None or cleanup.in_the_way(item, wanted.objects):
                await self._client.delete(item)
        kept = {reference for revision in past for reference in revision.references}
        candidates = [
            item
            for item in cleanup.unreferenced_candidates(there, every, platform.uid)
            if (item["kind"], item["metadata"]["name"]) not in kept
        ]
        if candidates:
            used = referenced_configuration(
                [
                    *wanted.objects,
                    *await live_objects.list_pod_template_holders(self._client, platform),
                ]
            )
            for item in candidates:
                if (item["kind"], item["metadata"]["name"]) not in used:
                    await self._client.delete(item)
        for item in gathered.obsolete:
            await self._client.delete(item)
        if complete and not platform.spec.stopped:
            for item in gathered.rotated:
                await self._client.delete(item)
        await revision_store.prune_revisions(self._client, platform, past)

    async def _health_inputs(
        self, platform: Platform, wanted: Desired, observed: LiveObjects
    ) -> HealthInputs:
        """The workloads, and what explains those that are not ready."""
        workloads = _workloads(observed)
        expected = [each for plan in wanted.instances for each in plan.workloads]
        if not workloads or all(
            is_ready(workloads.get((each.kind, each.name))) for each in expected
        ):
            return HealthInputs(workloads)
        return HealthInputs(
            workloads,
            pods=await live_objects.list_pods(self._client, platform),
            pvcs={
                item["metadata"]["name"]: item for item in observed.of_kind("PersistentVolumeClaim")
            },
            events=await live_objects.list_warning_events(self._client, platform),
        )

    async def _say_what_was_done(
        self, resource: Object, gathered: Gathered, outcome: _Outcome
    ) -> None:
        for made in gathered.made:
            await event_recorder.create_event(
                self._client,
                resource,
                kind="Warning" if made.reason == Reason.SECRET_RECREATED else "Normal",
                reason=made.reason,
                action="Generate",
                note=made.message,
            )
        if outcome.rolled and outcome.rolled.changed:
            note = (
                f"revision {outcome.rolled.revision}: applied {', '.join(outcome.rolled.changed)}"
            )
            await event_recorder.create_event(
                self._client,
                resource,
                kind="Normal",
                reason=Reason.APPLIED,
                action="Apply",
                note=note,
            )
            log.info(
                "%s/%s: %s", resource["metadata"]["namespace"], resource["metadata"]["name"], note
            )

    async def _write_status(
        self, resource: Object, after: PryvPlatformStatus, before: PryvPlatformStatus
    ) -> bool:
        """Write the status if it says something else than before, and post what a person would want to know."""
        ready = next(each for each in after.conditions if each.type == "Ready")
        if after != before:
            metadata = resource["metadata"]
            await self._client.apply_status({
                "apiVersion": keys.API_VERSION,
                "kind": keys.KIND,
                "metadata": {key: metadata[key] for key in ("name", "namespace", "uid", "resourceVersion")},
                "status": after.model_dump(by_alias=True, exclude_none=True, mode="json"),
            })  # fmt: skip
            await self._say_what_changed(resource, after, before)
        return ready.status == "True"

    async def _say_what_changed(
        self, resource: Object, after: PryvPlatformStatus, before: PryvPlatformStatus
    ) -> None:
        new, old = (
            next((each for each in status.conditions if each.type == "Ready"), None)
            for status in (after, before)
        )
        if new and (old is None or (new.status, new.reason) != (old.status, old.reason)):
            stalled = any(
                each.type == "Stalled" and each.status == "True" for each in after.conditions
            )
            log.info(
                "%s/%s: %s: %s",
                resource["metadata"]["namespace"],
                resource["metadata"]["name"],
                new.reason,
                new.message,
            )
            await event_recorder.create_event(
                self._client,
                resource,
                kind="Warning" if stalled else "Normal",
                reason=new.reason,
                action="Reconcile",
                note=new.message,
            )
        for warning in after.warnings:
            if warning not in before.warnings:
                await event_recorder.create_event(
                    self._client,
                    resource,
                    kind="Warning",
                    reason=warning.reason,
                    action="Reconcile",
                    note=warning.message,
                )


@dataclass(frozen=True)
class _Outcome:
    """How far a pass came."""

    wanted: Desired
    observed: LiveObjects
    refused: Problem | None = None
    certificate_problem: Finding | None = None
    rolled: RolloutResult | None = None
    health_inputs: HealthInputs | None = None
    paused: tuple[str, ...] | None = None

    def having(self, applied: list[Object]) -> _Outcome:
        return replace(self, observed=self.observed.with_objects(applied))


def _workloads(observed: LiveObjects) -> dict[tuple[str, str], Object]:
    return {key: item for key, item in observed.objects.items() if key[0] in WORKLOAD_KINDS}


def _would_change(platform: Platform, wanted: Desired, observed: LiveObjects) -> tuple[str, ...]:
    """What would be applied or removed if the rollout were not paused."""
    every = [*wanted.services, *wanted.objects]
    changed = [
        f"{item['kind']} {item['metadata']['name']}"
        for item in apply.compute_changes(every, observed).objects
    ]
    if not wanted.complete:
        return tuple(changed)
    certificates = [wanted.certificate_request] if wanted.certificate_request else []
    gone = cleanup.unwanted(
        observed.objects.values(), [*every, *certificates], wanted.blocked, platform.uid
    )
    return (*changed, *(f"{item['kind']} {item['metadata']['name']} (removed)" for item in gone))


def _memory(now: dict[str, Address], before: Any) -> dict[str, Address]:
    """Addresses to remember: a Service that is gone for a moment keeps its last ones."""
    return {**before, **now}


def _status(resource: Object) -> PryvPlatformStatus:
    """The status as it was left; an unreadable one counts as none."""
    try:
        return PryvPlatformStatus.model_validate(resource.get("status") or {})
    except ValidationError:
        return PryvPlatformStatus()


def _invalid(
    resource: Object, error: ValidationError, before: PryvPlatformStatus, now: dt.datetime
) -> PryvPlatformStatus:
    """A stored spec that the models refuse: where, and in what way, without the value."""
    where = "; ".join(
        f"spec.{'.'.join(str(step) for step in each['loc'])}: {each['msg']}"
        for each in error.errors(include_input=False, include_url=False, include_context=False)[:5]
    )
    problem = Problem(
        Reason.INVALID_SPEC, f"the resource holds what this operator does not take: {where}"
    )
    return _only(problem, resource, before, now)


def _bug(
    resource: Object, error: Exception, before: PryvPlatformStatus, now: dt.datetime
) -> PryvPlatformStatus:
    """A mistake of the operator's own: its kind, without the message, which could quote anything."""
    kind = type(error).__name__
    problem = Problem(
        Reason.INTERNAL_ERROR, f"the operator met a mistake of its own ({kind}); its log says where"
    )
    return _interrupted(problem, resource, before, now)


def _refused(
    resource: Object, error: RejectedError, before: PryvPlatformStatus, now: dt.datetime
) -> PryvPlatformStatus:
    """The API server refuses something that every pass needs: a missing permission, a quota, an admission webhook."""
    reason = Reason.FORBIDDEN if error.status == 403 else Reason.REJECTED
    problem = Problem(
        reason,
        f"the API server refuses a request of the operator: {message_without_content(error)}",
    )
    return _interrupted(problem, resource, before, now)


def _failing(
    resource: Object, error: UnavailableError, before: PryvPlatformStatus, now: dt.datetime
) -> PryvPlatformStatus:
    """The API server has failed several times in a row; the operator goes on trying."""
    problem = Waiting(
        Reason.API_SERVER_FAILING,
        f"the API server fails again and again, and is asked again: {error.reason}: {error.message}",
    )
    return _interrupted(problem, resource, before, now, tried_again=True)


def _interrupted(
    problem: Finding,
    resource: Object,
    before: PryvPlatformStatus,
    now: dt.datetime,
    *,
    tried_again: bool = False,
) -> PryvPlatformStatus:
    """A status that says why a pass could not be made to its end, and leaves the rest as it was."""
    return report(
        replace(_nothing_new(resource, before), interrupted=problem, tried_again=tried_again),
        before,
        _written(now),
    )


def _only(
    problem: Problem, resource: Object, before: PryvPlatformStatus, now: dt.datetime
) -> PryvPlatformStatus:
    """A status that says nothing new but a problem of what is wanted."""
    nothing = _nothing_new(resource, before)
    return report(
        replace(nothing, desired=replace(nothing.desired, problems=(problem,))),
        before,
        _written(now),
    )


def _nothing_new(resource: Object, before: PryvPlatformStatus) -> Findings:
    return Findings(
        generation=resource["metadata"]["generation"],
        desired=Desired(
            before.release or "",
            warnings=tuple(Advisory(each.reason, each.message) for each in before.warnings),
        ),
        health_inputs=HealthInputs({}),
        addresses={
            each.name: Address(each.cluster_ip, each.load_balancer_ip) for each in before.services
        },
        services=frozenset(),
        domain="",
    )


def _written(now: dt.datetime) -> str:
    """A time as the API server writes it."""
    return f"{now:%Y-%m-%dT%H:%M:%SZ}"


RETRYABLE: Final = ApiError
