"""Secrets that are created once and never overwritten: a stale read must not replace a live key.

In three steps: ``plan_creations`` (reads) finds those that are missing, the caller records them in
the status, and ``create_secrets`` creates them. By its record a Secret is known as ours even if the
operator is killed after the creation (see ``secret_records``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names
from pryv_operator.api.findings import Announcement, Problem
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.platform import Platform
from pryv_operator.api.reasons import Reason
from pryv_operator.kube.client import METADATA, METADATA_LIST, KubeClient
from pryv_operator.kube.concurrent_requests import concurrently
from pryv_operator.kube.errors import ConflictError, RejectedError, TooLargeError
from pryv_operator.kube.resources import SECRETS
from pryv_operator.kube.transport import JSON
from pryv_operator.live.live_objects import LiveObjects
from pryv_operator.live.rejections import rejection_problem
from pryv_operator.reconcile.events import create_announcement_events
from pryv_operator.reconcile.other_platforms import OtherPlatform, read_other_platforms
from pryv_operator.reconcile.secret_data import encode_data
from pryv_operator.reconcile.secret_records import SecretRecords
from pryv_operator.reconcile.snapshot import Snapshot

#: Value of what a paused platform lacks: nothing is created, and every reconciliation computes the
#: same.
PLACEHOLDER: Final = "generated once the rollout is resumed"

#: In a namespace with so few Secrets, one list is less than a request for each name.
_FEW_SECRETS: Final = 100
_FEW_BYTES: Final = 1 << 20


class UnusableSecretError(Exception):
    """A Secret that every reconciliation needs cannot be created or used."""

    def __init__(self, problem: Problem) -> None:
        """``problem``: for the status."""
        self.problem = problem
        super().__init__(problem.message)


@dataclass(frozen=True)
class SecretContent:
    """A Secret to be created.

    ``purpose``: value of its label ``pryv.io/purpose``. ``announcement``: for an event about its
    creation.
    """

    name: str
    purpose: str
    data: Mapping[str, str] = field(repr=False)
    annotations: Mapping[str, str] | None = None
    type: str = "Opaque"
    announcement: Announcement | None = None


@dataclass(frozen=True)
class Creations:
    """Which Secrets are missing, and what the status has to record before they are created.

    ``live``: the platform's objects, with existing Secrets that were found by their name.
    """

    missing: tuple[SecretContent, ...]
    live: LiveObjects
    records: SecretRecords


async def plan_creations(
    client: KubeClient, snapshot: Snapshot, contents: Iterable[SecretContent]
) -> Creations:
    """Which of the Secrets that a platform needs are missing. Reads only.

    An existing Secret that is not proven to be ours is read only when the user asks for its
    adoption. Those of another platform are not adopted.

    Raises:
        UnusableSecretError: a name is in use by a Secret that is not ours.
    """
    platform, live = snapshot.platform, snapshot.live
    missing, foreign = [], set(_foreign_authorities(snapshot))
    absent = [content for content in contents if not live.get("Secret", content.name)]
    existing = await _read_existing(client, snapshot, [content.name for content in absent])
    others: dict[str, OtherPlatform] = {}
    for content in absent:
        name = content.name
        if name in existing and snapshot.adopting:
            others |= await read_other_platforms(client, platform, [existing[name]])
            live = live.with_objects([existing[name]])
        elif name in existing or name in snapshot.unproven:
            foreign.add(name)
        else:
            missing.append(content)
    if others:
        raise UnusableSecretError(_others_problem(others))
    if foreign:
        raise UnusableSecretError(_adoption_problem(foreign))
    records = snapshot.records
    if snapshot.adopting:
        records = replace(records, adopted=snapshot.annotation(keys.ADOPT))
    if missing and not platform.paused:
        records = records.announcing(
            desired_secret(platform, content) for content in missing
        ).confirming(_created_once(platform, live), awaited=[content.name for content in missing])
    return Creations(tuple(missing), live, records)


async def _read_existing(
    client: KubeClient, snapshot: Snapshot, wanted: Sequence[str]
) -> Mapping[str, Object]:
    """Secrets with these names that exist although they are not among the platform's objects.

    Their metadata; all of them if the user asks for their adoption.
    """
    namespace = snapshot.platform.namespace

    async def read(name: str) -> Object | None:
        accept = JSON if snapshot.adopting else METADATA
        return await client.get(SECRETS, namespace, name, accept=accept)

    found: Mapping[str, Object] = {}
    if not snapshot.adopting:
        # A recorded one was read with the snapshot.
        wanted = [name for name in wanted if name not in snapshot.records.entries]
        if len(wanted) > 1:
            found, complete = await _list_few(client, namespace, wanted)
            wanted = [] if complete else wanted
    rest = [name for name in wanted if name not in found]
    read_ones = zip(rest, await concurrently(map(read, rest)), strict=True)
    return {**found, **{name: item for name, item in read_ones if item is not None}}


async def _list_few(
    client: KubeClient, namespace: str, wanted: Sequence[str]
) -> tuple[Mapping[str, Object], bool]:
    """Metadata of the Secrets with these names in a short list, and whether it is the whole one."""
    try:
        page = await client.list_page(
            SECRETS, namespace, limit=_FEW_SECRETS, accept=METADATA_LIST, max_bytes=_FEW_BYTES
        )
    except TooLargeError:
        return {}, False
    by_name = {item["metadata"]["name"]: item for item in page["items"]}
    found = {name: by_name[name] for name in wanted if name in by_name}
    return found, not page["metadata"].get("continue")


async def create_secrets(
    client: KubeClient, snapshot: Snapshot, planned: Creations
) -> tuple[LiveObjects, SecretRecords]:
    """Create the missing Secrets; an existing one keeps its value and gets its labels back.

    Returns the platform's objects with these Secrets, and the records of all that exist. While
    the rollout is paused nothing is written: a missing Secret is returned as it would be. Events
    about creations are created at once: what comes later may fail.

    Raises:
        UnusableSecretError: the name is in use by others, or the API server rejects the Secret.
        ConflictError: a Secret was missing in a stale read.
    """
    platform, live, records = snapshot.platform, planned.live, planned.records
    if platform.paused:
        records = records.confirming(_created_once(platform, live))
        return live.with_objects(
            desired_secret(platform, each) for each in planned.missing
        ), records
    labelled = await concurrently(
        _ensure_labels(client, platform, item) for item in _created_once(platform, live)
    )
    created = await _create_all(client, snapshot, records, planned.missing)
    live = live.with_objects((*labelled, *created))
    return live, records.confirming(_created_once(platform, live))


async def _create_all(
    client: KubeClient,
    snapshot: Snapshot,
    records: SecretRecords,
    missing: Iterable[SecretContent],
) -> list[Object]:
    """Create Secrets; what was created is announced, even if others could not be."""
    announcements: list[Announcement] = []

    async def create(content: SecretContent) -> Object:
        created = await _create(client, snapshot, records, content)
        if content.announcement:
            announcements.append(content.announcement)
        return created

    try:
        return await concurrently(map(create, missing))
    finally:
        await create_announcement_events(client, snapshot.resource, announcements)


async def _create(
    client: KubeClient, snapshot: Snapshot, records: SecretRecords, content: SecretContent
) -> Object:
    platform = snapshot.platform
    desired = desired_secret(platform, content)
    try:
        return await client.create(desired)
    except ConflictError:
        existing = await client.get(SECRETS, platform.namespace, content.name)
        if existing is None or records.prove(existing):
            raise  # the read was stale; the next one is not
        raise UnusableSecretError(_adoption_problem([content.name])) from None
    except RejectedError as error:
        raise UnusableSecretError(rejection_problem(desired, error)) from None


def _foreign_authorities(snapshot: Snapshot) -> Iterable[str]:
    """Authorities that are not ours, if there is none of ours: the user decides about them.

    Beside an authority of ours, others are ignored.
    """
    if snapshot.secrets_for("authority"):
        return ()
    name = snapshot.platform.name
    return (each for each in snapshot.unproven if names.secret_purpose(name, each) == "authority")


def _adoption_problem(foreign: Iterable[str]) -> Problem:
    listed = sorted(foreign)
    text = ", ".join(f'"{each}"' for each in listed)
    subject = f"Secret {text}: exists" if len(listed) == 1 else f"Secrets {text}: exist"
    return Problem(
        Reason.ADOPTION_REQUIRED,
        f"{subject}, but the status has no record of a creation by the operator; after a "
        f"restore, set the annotation {keys.ADOPT} to a new value to use what exists; "
        "otherwise delete what the platform does not need",
    )


def _others_problem(others: Mapping[str, OtherPlatform]) -> Problem:
    listed = "; ".join(
        f'Secret "{name}": {other.possession} and cannot be adopted'
        for name, other in sorted(others.items())
    )
    return Problem(
        Reason.NOT_ALLOWED,
        f"{listed}; delete it if that platform does not need it, or rename this platform",
    )


def _created_once(platform: Platform, live: LiveObjects) -> list[Object]:
    return [
        item
        for item in live.of_kind("Secret")
        if names.secret_purpose(platform.name, item["metadata"]["name"]) is not None
    ]


def desired_secret(platform: Platform, content: SecretContent) -> Object:
    """A Secret that is retained with the platform's data (see ``spec.deletionPolicy``)."""
    metadata = platform.metadata(
        content.name, {keys.PURPOSE: content.purpose}, owned=not platform.retains_data
    )
    if content.annotations:
        metadata["annotations"] = dict(content.annotations)
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": content.type,
        "metadata": metadata,
        "immutable": True,
        "data": encode_data(content.data),
    }


async def _ensure_labels(client: KubeClient, platform: Platform, existing: Object) -> Object:
    """Set labels that another client has changed.

    Raises:
        UnusableSecretError: the API server rejects it.
    """
    metadata = existing["metadata"]
    purpose = names.secret_purpose(platform.name, metadata["name"]) or ""
    labels = names.platform_labels(platform.name) | {keys.PURPOSE: purpose}
    if labels.items() <= (metadata.get("labels") or {}).items():
        return existing
    try:
        return await client.patch_labels(existing, labels)
    except RejectedError as error:
        raise UnusableSecretError(
            rejection_problem({"kind": "Secret", **existing}, error)
        ) from None
