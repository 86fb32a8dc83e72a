"""The revision history in the API server: listed, created, annotated and pruned."""

from __future__ import annotations

from asyncio import to_thread
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

from pryv_operator.api import names
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.platform import Platform
from pryv_operator.api.spec import DEFAULT_HISTORY_LIMIT
from pryv_operator.kube.client import METADATA, KubeClient
from pryv_operator.kube.errors import ConflictError, TooDeepError
from pryv_operator.kube.resources import CONTROLLER_REVISIONS
from pryv_operator.live import live_objects
from pryv_operator.live.apply import belongs_to
from pryv_operator.live.live_objects import LiveObjects
from pryv_operator.live.rejections import name_in_use
from pryv_operator.rollout.recorded import RecordedRevision, parse_recorded
from pryv_operator.rollout.revision_mac import (
    RevisionSigner,
    holds_signed_data,
    take_over_annotations,
)
from pryv_operator.rollout.revision_record import recorded_workloads
from pryv_operator.rollout.revision_records import RevisionRecords
from pryv_operator.rollout.revisions import (
    Revision,
    last_good,
    parse_revisions,
    revisions_to_prune,
)

#: At most so many numbers in a row are skipped because of others' objects with their names.
_NUMBERS_TRIED: Final = 20


async def list_revisions(client: KubeClient, platform: Platform) -> tuple[Revision, ...]:
    """The platform's revision history, oldest first."""
    listed = await live_objects.list_revision_metadata(client, platform)
    return await to_thread(parse_revisions, listed)


async def authenticate_history(
    client: KubeClient,
    platform: Platform,
    signer: RevisionSigner,
    history: Sequence[Revision],
    records: RevisionRecords,
    live: LiveObjects,
) -> tuple[Revision, ...]:
    """The history, with what is authentic in it: it has a valid MAC, and the status admits it.

    Recorded revisions without a valid MAC (of an operator that wrote none, or after the hash key
    was lost) are signed if they record nothing but what runs: the newest one, and the last good
    one. While the rollout is paused nothing is written.

    Raises:
        ConflictError: one has changed since it was read, or the newest one was not read.
    """
    await _check_newest(client, platform, history, records)
    verified = tuple(
        replace(each, authentic=records.admits(each) and signer.has_signed(each.item))
        for each in history
    )
    wanted = {each.name for each in (*verified[-1:], last_good(verified)) if each}
    return tuple(
        [
            await _take_over(client, platform, signer, each, live)
            if each.name in wanted
            and not each.authentic
            and records.is_recorded(each)
            and not platform.paused
            else each
            for each in verified
        ]
    )


async def _check_newest(
    client: KubeClient, platform: Platform, history: Sequence[Revision], records: RevisionRecords
) -> None:
    """Check that a newest recorded revision that is not in the history was deleted.

    A list may be older than the status. What it lacks would be created once more.

    Raises:
        ConflictError: it exists; reconcile again.
    """
    newest = {each.uid for each in records.newest}
    if not newest or any(each.uid in newest for each in history):
        return
    name = names.revision(platform.name, records.highest)
    with suppress(TooDeepError):  # it is not the operator's
        found = await client.get(CONTROLLER_REVISIONS, platform.namespace, name, accept=METADATA)
        if found and found["metadata"]["uid"] in newest:
            raise ConflictError(409, "Conflict", f'the list lacks ControllerRevision "{name}"')


async def _take_over(
    client: KubeClient,
    platform: Platform,
    signer: RevisionSigner,
    revision: Revision,
    live: LiveObjects,
) -> Revision:
    """Sign a revision, if it records nothing but what runs."""
    item = await _read_with_data(client, platform, revision)
    change = await to_thread(take_over_annotations, item, live) if item else None
    if change is None:
        return revision
    return await patch_revision(client, signer, replace(revision, authentic=True), change)


@dataclass(frozen=True)
class RecordedWorkloads:
    """Workloads by name, as their source revisions record them; without unrecorded ones.

    ``forged``: numbers of revisions that record something else than the operator has signed.
    """

    workloads: Mapping[str, Object] = field(default_factory=dict, repr=False)
    forged: frozenset[int] = frozenset()


async def read_recorded_workloads(
    client: KubeClient, platform: Platform, sources: Mapping[str, Revision]
) -> RecordedWorkloads:
    """What source revisions record of workloads. ``sources``: workload → its revision."""
    found: dict[str, Object] = {}
    forged: set[int] = set()
    for revision in {each.number: each for each in sources.values()}.values():
        item = await _read_with_data(client, platform, revision)
        if item is None:
            continue
        if not await to_thread(holds_signed_data, revision, item):
            forged.add(revision.number)
            continue
        recorded = await to_thread(recorded_workloads, item)
        found |= {
            name: recorded[name]
            for name, source in sources.items()
            if source.number == revision.number and name in recorded
        }
    return RecordedWorkloads(found, frozenset(forged))


async def read_record(
    client: KubeClient, platform: Platform, revision: Revision
) -> RecordedRevision | None:
    """A revision with the spec and the workloads that it records.

    None when it is unreadable, or the operator has not signed it.
    """
    item = await _read_with_data(client, platform, revision)
    if item is None or not await to_thread(holds_signed_data, revision, item):
        return None
    return next(iter(await to_thread(parse_recorded, [item])), None)


async def _read_with_data(
    client: KubeClient, platform: Platform, revision: Revision
) -> Object | None:
    """A ControllerRevision; without its data, as if it recorded nothing, if nested too deeply."""
    try:
        return await client.get(CONTROLLER_REVISIONS, platform.namespace, revision.name)
    except TooDeepError:
        return {"metadata": revision.item["metadata"]}


async def create_revision(
    client: KubeClient, platform: Platform, signer: RevisionSigner, record: Object
) -> Revision:
    """Sign and create a revision; a number is skipped if what has its name is not the operator's.

    A revision of the operator was created since the history was read, and the next reading has it.
    One of another client may never count, as its number is too high or it is unreadable.

    Raises:
        ConflictError: the history has grown since it was read; reconcile again.
        ApplyRejectedError: the name is in use by an object of another owner.
    """
    for number in range(record["revision"], record["revision"] + _NUMBERS_TRIED):
        metadata = {**record["metadata"], "name": names.revision(platform.name, number)}
        unsigned = {**record, "metadata": metadata, "revision": number}
        numbered = await to_thread(signer.signed, unsigned)
        try:
            (created,) = parse_revisions([await client.create_controller_revision(numbered)])
        except ConflictError:
            with suppress(TooDeepError):  # another client can choose the managed fields
                existing = await client.get(
                    CONTROLLER_REVISIONS, platform.namespace, metadata["name"], accept=METADATA
                )
                if existing is None or _is_signed_revision(existing, metadata["labels"], signer):
                    raise
                if not belongs_to(existing["metadata"], platform.uid, platform.name):
                    raise name_in_use(record["kind"], metadata["name"]) from None
        else:
            return replace(created, authentic=signer.has_signed(created.item))
    raise name_in_use(record["kind"], record["metadata"]["name"])


def _is_signed_revision(item: Object, labels: Mapping[str, str], signer: RevisionSigner) -> bool:
    has_labels = labels.items() <= (item["metadata"].get("labels") or {}).items()
    return has_labels and bool(parse_revisions([item])) and signer.has_signed(item)


async def patch_revision(
    client: KubeClient,
    signer: RevisionSigner,
    revision: Revision,
    annotations: Mapping[str, str | None],
) -> Revision:
    """Set annotations of a revision, and its MAC if it is authentic; returns it as it is now.

    Raises:
        ConflictError: it has changed since it was read.
    """
    change = signer.change(revision, annotations)
    item = await client.patch_annotations(revision.item, change)
    after = next(iter(parse_revisions([item])), revision)
    return replace(after, authentic=signer.has_signed(item))


async def prune_revisions(
    client: KubeClient, platform: Platform, history: Sequence[Revision]
) -> None:
    """Delete revisions beyond ``spec.rollout.historyLimit``."""
    limit = platform.spec.rollout.history_limit if platform.spec.rollout else None
    for revision in revisions_to_prune(history, limit or DEFAULT_HISTORY_LIMIT):
        with suppress(TooDeepError):  # the answer holds what a finalizer retains
            await client.delete(revision.item)
