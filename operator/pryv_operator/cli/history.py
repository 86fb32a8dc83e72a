"""``kubectl-pryv history``, ``diff`` and ``rollback``: the revision history of a platform."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pryv_operator.api.kubernetes import Object
from pryv_operator.cli.cluster import Cluster
from pryv_operator.cli.history_table import HistoryView, history_view
from pryv_operator.cli.platform_history import (
    find_input_problems,
    list_recorded,
    read_config_maps,
    write_spec,
)
from pryv_operator.cli.terminal import report
from pryv_operator.kube.client import KubeClient
from pryv_operator.reconcile.stored_status import stored_status
from pryv_operator.rollout import revision_diff, rollback_checks
from pryv_operator.rollout.recorded import HistoryError, RecordedRevision, find_revision
from pryv_operator.rollout.revision_inputs import GENERATED_KEY
from pryv_operator.rollout.revision_mac import RevisionSigner
from pryv_operator.rollout.revision_records import RevisionRecords


@dataclass(frozen=True)
class RollbackOptions:
    """Options of ``rollback``, as its help describes them."""

    dry_run: bool
    force: bool


async def read_history(cluster: Cluster, name: str) -> HistoryView:
    """The revision history of a platform."""
    resource = await cluster.read_platform(name)
    recorded = await list_recorded(cluster.client, cluster.namespace, name)
    if not recorded:
        raise HistoryError(f'PryvPlatform "{name}": the revision history is empty')
    paused = bool((resource["spec"].get("rollout") or {}).get("paused"))
    return history_view(recorded, paused=paused)


async def compare(cluster: Cluster, name: str, number: int, other: int | None) -> str:
    """What differs between two revisions. ``other`` None: the newest."""
    await cluster.read_platform(name)
    recorded = await list_recorded(cluster.client, cluster.namespace, name)
    before = find_revision(recorded, number)
    after = recorded[-1] if other is None else find_revision(recorded, other)
    config_maps = sorted(revision_diff.config_maps(before, after))
    contents = await read_config_maps(cluster.client, cluster.namespace, config_maps)
    text = revision_diff.revision_difference(before, after, contents)
    if not text:
        report(f"{before.title} and {after.title} do not differ")
    return text


async def roll_back(cluster: Cluster, name: str, number: int, options: RollbackOptions) -> str:
    """Write the spec of a revision; return what differs from the one before."""
    resource = await cluster.read_platform(name)
    if resource["metadata"].get("deletionTimestamp"):
        raise HistoryError(f'PryvPlatform "{name}": is being deleted')
    recorded = await list_recorded(cluster.client, cluster.namespace, name)
    target = find_revision(recorded, number)
    spec = rollback_checks.restored_spec(target.spec, resource["spec"])
    await _check_rollback(cluster.client, resource, target, spec, force=options.force)
    await write_spec(cluster.client, resource, spec, dry_run=options.dry_run)
    for warning in rollback_checks.warnings(target, recorded[-1], spec):
        report(f"warning: {warning}")
    managers = rollback_checks.applying_managers(resource)
    by = f" (it is applied by {', '.join(managers)})" if managers else ""
    report(f"a GitOps tool that manages the resource{by} overwrites this; change its source, too")
    report(
        f"dry run: nothing was written; {target.title} can be restored"
        if options.dry_run
        else f"{target.title}: its spec was written; follow it with: kubectl-pryv history {name}"
    )
    return revision_diff.spec_difference(resource["spec"], spec, "now", target.title)


async def _check_rollback(
    client: KubeClient,
    resource: Object,
    target: RecordedRevision,
    spec: Mapping[str, Any],
    *,
    force: bool,
) -> None:
    """Check that a revision's spec can be written, and restores what it was made from.

    Raises:
        HistoryError: it would change nothing, or its inputs have changed.
    """
    if force:
        rollback_checks.check_spec_differs(target, spec, resource["spec"], ())
        report(
            "warning: --force: Secrets and templates were not compared; "
            "the result may be a state that never ran"
        )
        return
    problems, hash_key = await find_input_problems(client, resource, target)
    rollback_checks.check_spec_differs(target, spec, resource["spec"], problems)
    key = rollback_checks.secret_bytes(hash_key, GENERATED_KEY)
    uid = resource["metadata"]["uid"]
    records = RevisionRecords.of(stored_status(resource))
    carries_mac = not key or RevisionSigner(key, uid).has_recorded(target.revision.item)
    if not carries_mac or not records.admits(target.revision):
        lacks = "the operator's MAC" if not carries_mac else "the uid that status.revisions lists"
        report(
            f"warning: {target.title}: does not carry {lacks}: it is of an earlier "
            "version, or another client wrote it; check the changes"
        )
    refusal = rollback_checks.refusal(target, problems, hash_key, resource["metadata"]["name"])
    if refusal:
        raise HistoryError(refusal)
