"""The revision history in the API server: listed, created, annotated and pruned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from pryv_operator.api import names
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.platform import Platform
from pryv_operator.api.spec import DEFAULT_HISTORY_LIMIT
from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.errors import ConflictError
from pryv_operator.kube.resources import CONTROLLER_REVISIONS
from pryv_operator.live import live_objects
from pryv_operator.live.apply import belongs_to
from pryv_operator.live.rejections import name_in_use
from pryv_operator.rollout.recorded import RecordedRevision, parse_recorded
from pryv_operator.rollout.revision_record import recorded_workloads
from pryv_operator.rollout.revisions import (
    Revision,
    parse_revisions,
    revisions_to_prune,
)

#: At most so many numbers in a row are skipped because of unreadable objects with their names.
_NUMBERS_TRIED: Final = 20


async def list_revisions(client: KubeClient, platform: Platform) -> tuple[Revision, ...]:
    """The platform's revision history, oldest first."""
    return parse_revisions(await live_objects.list_revision_metadata(client, platform))


async def read_recorded_workloads(
    client: KubeClient, platform: Platform, sources: Mapping[str, Revision]
) -> dict[str, Object]:
    """Workload → what its source revision records of it; without those that are not recorded."""
    found: dict[str, Object] = {}
    for revision in {each.number: each for each in sources.values()}.values():
        item = await client.get(CONTROLLER_REVISIONS, platform.namespace, revision.name)
        recorded = recorded_workloads(item) if item else {}
        found |= {
            name: recorded[name]
            for name, source in sources.items()
            if source.number == revision.number and name in recorded
        }
    return found


async def read_record(
    client: KubeClient, platform: Platform, revision: Revision
) -> RecordedRevision | None:
    """A revision with the spec and the workloads that it records; None when unreadable."""
    item = await client.get(CONTROLLER_REVISIONS, platform.namespace, revision.name)
    return next(iter(parse_recorded([item] if item else [])), None)


async def create_revision(client: KubeClient, platform: Platform, record: Object) -> Revision:
    """Create a revision; a number is skipped when an unreadable object has its name.

    Raises:
        ConflictError: the history has grown since it was read; reconcile again.
        ApplyRejectedError: the name is in use by an object of another owner.
    """
    for number in range(record["revision"], record["revision"] + _NUMBERS_TRIED):
        metadata = {**record["metadata"], "name": names.revision(platform.name, number)}
        numbered = {**record, "metadata": metadata, "revision": number}
        try:
            (created,) = parse_revisions([await client.create_controller_revision(numbered)])
        except ConflictError:
            existing = await client.get(CONTROLLER_REVISIONS, platform.namespace, metadata["name"])
            if existing is None or _is_readable_revision(existing, metadata["labels"]):
                raise
            if not belongs_to(existing["metadata"], platform.uid, platform.name):
                raise name_in_use(record["kind"], metadata["name"]) from None
        else:
            return created
    raise name_in_use(record["kind"], record["metadata"]["name"])


def _is_readable_revision(item: Object, labels: Mapping[str, str]) -> bool:
    has_labels = labels.items() <= (item["metadata"].get("labels") or {}).items()
    return has_labels and bool(parse_revisions([item]))


async def patch_revision(
    client: KubeClient, revision: Revision, annotations: Mapping[str, str | None]
) -> Revision:
    """Set annotations of a revision; returns it as it is now.

    Raises:
        ConflictError: it has changed since it was read.
    """
    item = await client.patch_annotations(revision.item, annotations)
    return next(iter(parse_revisions([item])), revision)


async def prune_revisions(
    client: KubeClient, platform: Platform, history: Sequence[Revision]
) -> None:
    """Delete revisions beyond ``spec.rollout.historyLimit``."""
    limit = platform.spec.rollout.history_limit if platform.spec.rollout else None
    for revision in revisions_to_prune(history, limit or DEFAULT_HISTORY_LIMIT):
        await client.delete(revision.item)
