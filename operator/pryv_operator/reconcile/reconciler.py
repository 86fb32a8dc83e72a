"""One reconciliation of one platform: read, ensure, compute, apply, clean up, report.

It is level-triggered: it reads the live state, computes the desired one and writes only the
differences. Nothing depends on having seen an event.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from pydantic import ValidationError

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.findings import Problem
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.platform import Platform, is_cut_over_pending
from pryv_operator.api.spec import PryvPlatformSpec
from pryv_operator.api.status import PryvPlatformStatus
from pryv_operator.child_processes.limits import LimitExceededError
from pryv_operator.child_processes.pool import ChildProcesses
from pryv_operator.desired import certificates
from pryv_operator.desired.input_limits import check_variables
from pryv_operator.desired.inputs import Inputs
from pryv_operator.kube import metrics
from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.errors import ApiError, RejectedError, UnavailableError, UnreadableError
from pryv_operator.kube.log_context import of_component, set_revision
from pryv_operator.kube.resources import PLATFORMS
from pryv_operator.kube.work_queue import Key
from pryv_operator.reconcile import events
from pryv_operator.reconcile.apply_desired import apply_desired_state, read_health_inputs
from pryv_operator.reconcile.cleanup import ObsoleteSecrets, clean_up
from pryv_operator.reconcile.computation import LimitedComputation, limit_problem
from pryv_operator.reconcile.compute_inputs import compute_inputs
from pryv_operator.reconcile.conditions import has_condition
from pryv_operator.reconcile.create_once import (
    UnusableSecretError,
    create_secrets,
    plan_creations,
)
from pryv_operator.reconcile.domains import Domains, shared_domain_warnings
from pryv_operator.reconcile.ensure_authority import (
    EnsuredAuthority,
    read_authority,
    required_authority,
)
from pryv_operator.reconcile.ensure_secrets import (
    obsolete_rotations,
    read_secrets,
    required_secrets,
)
from pryv_operator.reconcile.failures import Failures, api_time
from pryv_operator.reconcile.field_conflicts import FieldConflicts
from pryv_operator.reconcile.memory import Memory
from pryv_operator.reconcile.next_moment import next_moment
from pryv_operator.reconcile.observations import certificate_expiries, count_rollout, observe
from pryv_operator.reconcile.outcome import Applied, Outcome
from pryv_operator.reconcile.platform_client import PlatformClient, Seen
from pryv_operator.reconcile.platform_status import compute_status
from pryv_operator.reconcile.policy_owners import ensure_policy_owners
from pryv_operator.reconcile.reference_index import References
from pryv_operator.reconcile.references import references_of
from pryv_operator.reconcile.replaced_files import compare_replaced
from pryv_operator.reconcile.retention import adopt_pvcs, apply_deletion_policy
from pryv_operator.reconcile.reuse import ReusedComputation
from pryv_operator.reconcile.secret_records import SecretRecords
from pryv_operator.reconcile.service_addresses import service_addresses
from pryv_operator.reconcile.settings import Settings
from pryv_operator.reconcile.snapshot import Snapshot, read_snapshot
from pryv_operator.reconcile.stored_status import stored_status
from pryv_operator.reconcile.template_sources import TemplateReader, newer_release
from pryv_operator.reconcile.unless_at_rest import longest_rest, resync_seconds
from pryv_operator.rollout import revision_store
from pryv_operator.rollout.revision_mac import RevisionSigner

log = logging.getLogger(__name__)

#: A platform that waits, or has failed, is requeued after so long: not every cause is watched.
_UNREADY_SECONDS: Final = 15.0
#: From this failure in a row on, the status reports them: before, it may be a hiccup.
_FAILURES_REPORTED: Final = 2
#: What has moved during a reconciliation is looked at by the next one.
_MOVED_SECONDS: Final = 0.3
#: A rollout's deadline that has just passed is acted on after so long.
_MIN_REQUEUE_SECONDS: Final = 0.1


def _utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class Reconciler:
    """Reconciles platforms. Of a platform it stores what its past reconciliations have shown."""

    def __init__(
        self,
        client: KubeClient,
        settings: Settings,
        references: References,
        domains: Domains,
        children: ChildProcesses,
        memory: Memory,
        now: Callable[[], dt.datetime] = _utc_now,
    ) -> None:
        """``now``: the clock (UTC), for certificates, deadlines and conditions."""
        self._client = client
        self._settings = settings
        self._references = references
        self._domains = domains
        self._now = now
        self._computation = ReusedComputation(LimitedComputation(children))
        self._templates = TemplateReader(self._computation)
        self._memory = memory
        self._metrics = memory.metrics
        self._failures: dict[Key, int] = {}
        #: Seconds until a computation that exceeded a limit may be tried again.
        self._retry_after: dict[Key, float] = {}
        self._requeue_at_once: set[Key] = set()
        self._conflicts: defaultdict[Key, FieldConflicts] = defaultdict(FieldConflicts)
        #: Seconds until the deadline of the rollout's current step.
        self._deadlines: dict[Key, float] = {}
        #: Their next reconciliation finds out whether such a deadline was met.
        self._judging: set[Key] = set()

    async def __call__(self, key: Key) -> float | None:
        """Reconcile a platform; return seconds until it is requeued, None when it is deleted.

        Raises:
            ApiError: a request failed; the reconciliation is to be retried.
        """
        try:
            return await self._reconcile_key(key)
        except Exception:
            metrics.RECONCILIATIONS.labels("failed").inc()
            self._memory.forget_lists(key)  # what it was based on may be why
            raise

    async def _reconcile_key(self, key: Key) -> float | None:
        self._memory.at_rest.begin(key)
        if key in self._judging:
            # A watch may be late without anybody noticing, and a rollback is not undone.
            self._judging.discard(key)
            self._memory.forget_lists(key)
        client = self._memory.client(self._client, key)
        resource = await client.get(PLATFORMS, key.namespace, key.name)
        if resource is None or resource["metadata"].get("deletionTimestamp"):
            self._forget(key)
            return None
        stored = stored_status(resource)
        self._metrics.begin(key, stored)
        set_revision(stored.revision)
        with metrics.RECONCILIATION_SECONDS.time():
            after = await self._reconcile_or_report(client, key, resource)
        self._failures.pop(key, None)
        ready = has_condition(after, "Ready")
        metrics.RECONCILIATIONS.labels("ready" if ready else "not-ready").inc()
        settled = not has_condition(after, "Reconciling") and not has_condition(after, "Stalled")
        requeue_after = self._requeue_after(key, settled=settled)
        if client.seen.moved:
            return min(requeue_after, _MOVED_SECONDS)
        self._settle(key, client.seen, requeue_after, settled=settled)
        return requeue_after

    def _settle(self, key: Key, seen: Seen, requeue_after: float, *, settled: bool) -> None:
        """Let a platform rest as long as nothing moves, and not longer than until it is due."""
        now = self._now()
        until, facts = now.timestamp() + requeue_after, None
        if settled and requeue_after and seen.complete and not self._conflicts[key].warnings:
            until = now.timestamp() + longest_rest(self._settings.full_resync_seconds, key)
            facts = self._metrics.facts(key)
            if moment := next_moment(self._metrics.expiries(key), now):
                until = min(until, moment.timestamp())
            self._memory.forget_lists(key)
            self._computation.forget(key)
        self._memory.at_rest.settle(key, seen, until, facts)

    async def _reconcile_or_report(
        self, client: PlatformClient, key: Key, resource: Object
    ) -> PryvPlatformStatus:
        """Reconcile, and report in the status why it failed; return the status."""
        try:
            return await self._reconcile(client, key, resource)
        except LimitExceededError as error:
            self._retry_after[key] = error.retry_after
            failure = self._failure(resource).invalid(limit_problem(error))
            return await self._write_status(client, resource, failure)
        except RejectedError as error:
            return await self._write_status(
                client, resource, self._failure(resource).rejected(error)
            )
        except UnavailableError as error:
            # Without an answer (status 0), the status could not be written either.
            if error.status and self._failures.get(key, 0) >= _FAILURES_REPORTED:
                await self._try_to_report(
                    client, resource, self._failure(resource).unavailable(error)
                )
            self._failures[key] = self._failures.get(key, 0) + 1
            raise
        except UnreadableError as error:
            await self._try_to_report(client, resource, self._failure(resource).unreadable(error))
            raise
        except ApiError:
            raise
        except Exception as error:
            await self._try_to_report(client, resource, self._failure(resource).bug(error))
            raise

    async def _reconcile(
        self, client: PlatformClient, key: Key, resource: Object
    ) -> PryvPlatformStatus:
        """One reconciliation from the top; return the status."""
        try:
            spec = PryvPlatformSpec.model_validate(resource["spec"])
        except ValidationError as error:
            return await self._write_status(
                client, resource, self._failure(resource).invalid_spec(error)
            )
        metadata = resource["metadata"]
        platform = Platform(
            metadata["name"],
            metadata["namespace"],
            metadata["uid"],
            spec,
            cut_over_pending=is_cut_over_pending(metadata.get("annotations") or {}),
        )

        too_much = await asyncio.to_thread(check_variables, spec.variables)
        if too_much:
            return await self._write_status(
                client, resource, self._failure(resource).invalid(too_much)
            )

        # Read.
        self._domains.set(key, spec.domain)
        self._references.set(key, references_of(platform))
        bundle = await self._templates.read(client, platform, stored_status(resource).release)
        if isinstance(bundle, Problem):
            return await self._write_status(
                client, resource, self._failure(resource).invalid(bundle)
            )
        snapshot = await read_snapshot(
            client, self._computation, resource, platform, bundle, self._now()
        )
        if snapshot.unresolved:  # the DNS is not watched
            client.seen.complete = False

        # Ensure: owner references of data, and what is created once.
        if snapshot.adopting and not platform.paused:
            adopted = await adopt_pvcs(client, snapshot.live, snapshot.annotation(keys.ADOPT))
            snapshot = replace(snapshot, live=adopted)
        warnings = (
            () if platform.paused else await apply_deletion_policy(client, platform, snapshot.live)
        )
        private = certificates.secret_name(platform) is None
        try:
            required = [
                *required_secrets(snapshot),
                *(await required_authority(client, snapshot) if private else ()),
            ]
            creations = await plan_creations(client, snapshot, required)
            if creations.missing and not platform.paused:
                snapshot = await self._record(client, snapshot, creations.records)
            live, records = await create_secrets(client, snapshot, creations)
            secrets = read_secrets(snapshot, live)
            authority = read_authority(snapshot, live) if private else None
        except UnusableSecretError as error:
            failure = self._failure(snapshot.resource).invalid(error.problem)
            return await self._write_status(client, snapshot.resource, failure)
        signer = RevisionSigner(secrets.hash_key, platform.uid)
        snapshot = replace(
            snapshot,
            history=await revision_store.authenticate_history(
                client,
                platform,
                signer,
                snapshot.history,
                snapshot.revision_records,
                snapshot.live,
            ),
        )

        # Compute, apply, clean up.
        inputs = await asyncio.to_thread(
            compute_inputs, snapshot, secrets, authority, self._settings.cluster_dns
        )
        replaced = compare_replaced(
            bundle.replaced, snapshot.status.replaced_files, secrets.hash_key
        )
        inputs = replace(
            inputs,
            allowed=self._settings.allowed,
            warnings=(
                *inputs.warnings,
                *warnings,
                *replaced.warnings,
                *newer_release(platform, bundle),
                *shared_domain_warnings(platform, self._domains.sharing(key)),
            ),
        )
        applied = await apply_desired_state(
            client, self._computation, snapshot, inputs, self._conflicts[key], self._now()
        )
        _log_rollout(key, applied)
        await events.create_rollout_event(client, resource, applied.rollout)
        obsolete = ObsoleteSecrets(
            certificates=authority.obsolete if authority else (),
            rotations=obsolete_rotations(snapshot),
        )
        await clean_up(client, snapshot, applied, obsolete)
        if not platform.paused:
            await ensure_policy_owners(client, platform, applied.live)

        # Report.
        outcome = await self._outcome(client, snapshot, inputs, authority, applied)
        outcome = replace(outcome, replaced_files=replaced.recorded, ownership=records.ownership)
        after = await asyncio.to_thread(
            compute_status, outcome, snapshot.status, api_time(self._now())
        )
        self._plan_requeue(key, applied, authority, after)
        await self._write_status(client, snapshot.resource, after)
        expiries = certificate_expiries(inputs, authority.secret if authority else "")
        self._metrics.report(key, after, observe(outcome), expiries)
        count_rollout(outcome.rollout, self._now())
        return after

    async def _record(
        self, client: PlatformClient, snapshot: Snapshot, records: SecretRecords
    ) -> Snapshot:
        """Write what is about to be created into the status, before it is created."""
        revisions = snapshot.revision_records.entries
        status = snapshot.status.model_copy(
            update={
                "ownership": records.ownership,
                "revisions": None if revisions is None else list(revisions),
            }
        )
        written = await self._apply_status(client, snapshot.resource, status)
        return replace(snapshot, resource=written, records=records)

    async def _outcome(
        self,
        client: PlatformClient,
        snapshot: Snapshot,
        inputs: Inputs,
        authority: EnsuredAuthority | None,
        applied: Applied,
    ) -> Outcome:
        desired = applied.desired
        return Outcome(
            generation=snapshot.resource["metadata"]["generation"],
            desired=desired,
            health_inputs=applied.health_inputs
            or await read_health_inputs(client, snapshot.platform, applied),
            addresses=service_addresses(applied.live, inputs.addresses),
            services=frozenset(item["metadata"]["name"] for item in desired.services),
            domain=snapshot.platform.spec.domain,
            rejected=applied.rejected,
            certificate_problem=applied.certificate_problem
            or next(iter(desired.blocked.values()), None),
            authorities=authority.trusted if authority else (),
            revisions=snapshot.revision_records.updated(
                each
                for each in (*snapshot.history, applied.rollout and applied.rollout.current)
                if each
            ),
            rollout=applied.rollout,
            pending=applied.pending,
            stopped=bool(snapshot.platform.spec.stopped),
        )

    async def _write_status(
        self, client: PlatformClient, resource: Object, after: PryvPlatformStatus
    ) -> PryvPlatformStatus:
        """Write a changed status, with events; return it."""
        before = stored_status(resource)
        if after != before:
            await self._apply_status(client, resource, after)
            await events.create_status_events(client, resource, after, before)
        metadata = resource["metadata"]
        self._metrics.report_failure(Key(metadata["namespace"], metadata["name"]), after)
        return after

    async def _apply_status(
        self, client: PlatformClient, resource: Object, status: PryvPlatformStatus
    ) -> Object:
        metadata = resource["metadata"]
        identity = ("name", "namespace", "uid", "resourceVersion")
        return await client.apply_status(
            {
                "apiVersion": keys.API_VERSION,
                "kind": keys.KIND,
                "metadata": {key: metadata[key] for key in identity},
                "status": status.model_dump(by_alias=True, exclude_none=True, mode="json"),
            }
        )

    async def _try_to_report(
        self, client: PlatformClient, resource: Object, after: PryvPlatformStatus
    ) -> None:
        """Write the status of a failure; that this may fail too must not hide the failure."""
        try:
            await self._write_status(client, resource, after)
        except ApiError as error:
            metadata = resource["metadata"]
            log.warning(
                "%s/%s: writing the status failed: %s",
                metadata["namespace"],
                metadata["name"],
                error,
            )

    def _failure(self, resource: Object) -> Failures:
        return Failures(resource, api_time(self._now()))

    def _plan_requeue(
        self,
        key: Key,
        applied: Applied,
        authority: EnsuredAuthority | None,
        after: PryvPlatformStatus,
    ) -> None:
        deadline = applied.rollout.decision.deadline if applied.rollout else None
        if deadline:
            seconds = (deadline - self._now()).total_seconds()
            self._deadlines[key] = max(_MIN_REQUEUE_SECONDS, seconds)
        if authority and authority.successor in after.trusted_authorities:
            # Every component trusts the new authority, so the certificate may be issued by it.
            self._requeue_at_once.add(key)

    def _requeue_after(self, key: Key, *, settled: bool) -> float:
        if key in self._requeue_at_once:
            self._requeue_at_once.discard(key)
            return 0.0
        if settled:
            return resync_seconds(self._settings, key)
        if key in self._retry_after:
            return self._retry_after.pop(key)
        seconds = min(_UNREADY_SECONDS, self._settings.resync_seconds)
        until_deadline = self._deadlines.pop(key, None)
        if until_deadline is None or until_deadline > seconds:
            return seconds
        self._judging.add(key)
        return until_deadline

    def _forget(self, key: Key) -> None:
        self._domains.set(key, None)
        self.forget(key)

    def forget(self, key: Key) -> None:
        """Remember nothing of a platform: it was deleted, or another process reconciles it."""
        self._memory.forget(key)
        self._computation.forget(key)
        self._references.forget(key)
        self._failures.pop(key, None)
        self._retry_after.pop(key, None)
        self._requeue_at_once.discard(key)
        self._deadlines.pop(key, None)
        self._judging.discard(key)
        self._conflicts.pop(key, None)


def _log_rollout(key: Key, applied: Applied) -> None:
    """Log which components were given the desired configuration; later lines name its revision."""
    rollout = applied.rollout
    if rollout is None:
        return
    set_revision(rollout.revision)
    for instance in applied.desired.instances:
        for each in instance.workloads:
            if each.name in rollout.changed:
                log.info(
                    "%s/%s: %s: applied",
                    key.namespace,
                    key.name,
                    each.label,
                    extra=of_component(each.label),
                )
