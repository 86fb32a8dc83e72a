"""Applies desired objects where they differ from the live ones.

The steps of an apply, each a function: ``compute_changes`` (pure), ``plan_apply`` (reads),
``upgrade_managed_fields`` (writes only metadata), ``validate`` (a server-side dry run, which writes
nothing) and ``apply_planned`` (writes). ``prepare_apply`` takes the three in the middle.

Nothing is written over a state that was not read: a missing object is created, a live one is
applied over the version that was read. A conflict means that the platform has to be reconciled
again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.findings import Problem
from pryv_operator.api.kubernetes import WORKLOAD_KINDS, Object
from pryv_operator.api.platform import Platform
from pryv_operator.api.reasons import Reason
from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.errors import ConflictError, NotFoundError, RejectedError
from pryv_operator.kube.resources import CERTIFICATES, resource_of
from pryv_operator.live import live_objects
from pryv_operator.live.diff import needs_apply, with_applied_hash
from pryv_operator.live.live_objects import LiveObjects
from pryv_operator.live.reduce import is_written_by_operator
from pryv_operator.live.rejections import ApplyRejectedError, name_in_use, rejection_problem
from pryv_operator.values.addresses import Address

#: So many requests are sent at the same time.
_CONCURRENT_REQUESTS: Final = 8
#: Kinds that hold a user's own words, which the API server may reject.
_VALIDATED_KINDS: Final = ("Service", "PersistentVolumeClaim", *WORKLOAD_KINDS)

#: Metadata that controllers update all the time; no decision depends on it.
_VOLATILE_METADATA: Final = ("resourceVersion", "generation", "managedFields")
_DEPLOYMENT_REVISION: Final = "deployment.kubernetes.io/revision"
_ATTEMPTS: Final = 5
_Key = tuple[str, str]


@dataclass(frozen=True)
class Changes:
    """Desired objects that differ from the live ones, in the form in which they are applied."""

    objects: tuple[Object, ...] = field(repr=False)

    @property
    def workloads(self) -> tuple[str, ...]:
        """Names of the workloads among them."""
        return tuple(
            item["metadata"]["name"] for item in self.objects if item["kind"] in WORKLOAD_KINDS
        )


@dataclass(frozen=True)
class PlannedApply:
    """Changes, and the live object that each is applied over; an object without one is created.

    The live objects are by (kind, name). Of one that has lost its labels only the metadata are
    known.
    """

    changes: Changes
    live: Mapping[_Key, Object] = field(repr=False)

    def update(self, live: LiveObjects) -> LiveObjects:
        """``live`` with the versions of this plan in place of the older ones."""
        return live.with_objects(item for key, item in self.live.items() if live.get(*key))


def compute_changes(desired: Iterable[Object], live: LiveObjects) -> Changes:
    """Desired objects that are missing, or differ from the live ones."""
    found: list[Object] = []
    for item in map(with_applied_hash, desired):
        existing = live.get(*_key(item))
        if existing is None or needs_apply(item, existing):
            found.append(item)
    return Changes(tuple(found))


async def plan_apply(
    client: KubeClient, platform: Platform, changes: Changes, live: LiveObjects
) -> PlannedApply:
    """Find the live object that each change is applied over. Reads only.

    An object of the platform that has lost its labels is not in ``live``; it is found by its name.

    Raises:
        ApplyRejectedError: a name is in use by an object that does not belong to the platform.
        ConflictError: an object is missing because the platform was deleted.
    """
    found = {
        _key(item): existing for item in changes.objects if (existing := live.get(*_key(item)))
    }
    missing = [item for item in changes.objects if _key(item) not in found]
    for kind in sorted({item["kind"] for item in missing}):
        same_kind = [item for item in missing if item["kind"] == kind]
        in_namespace = await live_objects.list_metadata_by_name(
            client,
            platform,
            resource_of(same_kind[0]),
            {item["metadata"]["name"] for item in same_kind},
        )
        for item in same_kind:
            metadata = in_namespace.get(item["metadata"]["name"])
            if metadata is None:
                continue
            if not is_own(metadata, platform.uid, platform.name):
                raise name_in_use(kind, item["metadata"]["name"])
            found[_key(item)] = {
                "apiVersion": item["apiVersion"],
                "kind": kind,
                "metadata": metadata,
            }
    if missing:
        await live_objects.check_platform_exists(client, platform)
    return PlannedApply(changes, found)


async def upgrade_managed_fields(client: KubeClient, planned: PlannedApply) -> PlannedApply:
    """Count what the operator owns by having created objects as applied by it.

    Writes metadata only (``managedFields``). It comes before the dry run: fields that are no longer
    desired would count there otherwise, and the API server would reject what an apply removes.

    Raises:
        ConflictError: an object has changed since it was read.
    """
    upgraded = await _concurrently(
        client.upgrade_managed_fields(item) for item in planned.live.values()
    )
    return replace(planned, live=dict(zip(planned.live, upgraded, strict=True)))


async def validate(client: KubeClient, planned: PlannedApply) -> None:
    """Let the API server validate all changes by a dry run, so that nothing is half applied.

    Raises:
        ApplyRejectedError: the API server rejects an object.
    """
    await _concurrently(
        _write(client, item, planned.live.get(_key(item)), dry_run=True)
        for item in planned.changes.objects
        if item["kind"] in _VALIDATED_KINDS
    )


async def prepare_apply(
    client: KubeClient, platform: Platform, changes: Changes, live: LiveObjects
) -> PlannedApply:
    """Plan an apply, upgrade managed fields and validate: everything before objects are written.

    Raises:
        ApplyRejectedError: the API server rejects an object, or a name is in use by another one.
        ConflictError: an object has changed since it was read.
    """
    planned = await plan_apply(client, platform, changes, live)
    planned = await upgrade_managed_fields(client, planned)
    await validate(client, planned)
    return planned


async def apply_planned(client: KubeClient, planned: PlannedApply) -> list[Object]:
    """Create or apply everything that was planned, workloads last.

    Returns the objects as they are now.

    Raises:
        ApplyRejectedError: the API server rejects an object although its dry run succeeded.
        ConflictError: an object has changed since it was read.
    """
    workloads = [item for item in planned.changes.objects if item["kind"] in WORKLOAD_KINDS]
    others = [item for item in planned.changes.objects if item["kind"] not in WORKLOAD_KINDS]
    applied = await _concurrently(_apply(client, item, planned) for item in others)
    return applied + await _concurrently(_apply(client, item, planned) for item in workloads)


async def apply_services(
    client: KubeClient,
    platform: Platform,
    changes: Changes,
    live: LiveObjects,
    remembered: Mapping[str, Address],
) -> list[Object]:
    """Apply Services; one that is recreated asks for the cluster IP it had (``remembered``).

    Raises:
        ApplyRejectedError: the API server rejects one, or a name is in use by another object.
        ConflictError: an object has changed since it was read.
    """
    planned = await plan_apply(client, platform, changes, live)
    planned = await upgrade_managed_fields(client, planned)
    existing = Changes(tuple(item for item in changes.objects if _key(item) in planned.live))
    await validate(client, replace(planned, changes=existing))
    return await _concurrently(
        _apply_service(client, item, planned, remembered) for item in changes.objects
    )


async def _apply_service(
    client: KubeClient, item: Object, planned: PlannedApply, remembered: Mapping[str, Address]
) -> Object:
    ip = remembered.get(item["metadata"]["name"], Address()).cluster_ip
    if ip and ip != "None" and _key(item) not in planned.live:
        try:
            return await client.create({**item, "spec": {**item["spec"], "clusterIP": ip}})
        except RejectedError:
            pass  # the address is in use by now, or outside of the cluster's range
    return await _apply(client, item, planned)


async def apply_certificate_request(
    client: KubeClient, platform: Platform, item: Object, live: LiveObjects
) -> Problem | None:
    """Apply a cert-manager Certificate. Returns a problem when cert-manager is not installed.

    Raises:
        ApplyRejectedError: the API server rejects it, or its name is in use by another object.
        ConflictError: it has changed since it was read, or the platform was deleted.
    """
    changes = compute_changes([item], live)
    if not changes.objects:
        return None
    metadata = item["metadata"]
    try:
        existing = live.get(*_key(item)) or await client.get(
            CERTIFICATES, metadata["namespace"], metadata["name"]
        )
        if existing is None:
            await live_objects.check_platform_exists(client, platform)
        elif not is_own(existing["metadata"], platform.uid, platform.name):
            raise name_in_use(item["kind"], metadata["name"])
        planned = PlannedApply(changes, {_key(item): existing} if existing else {})
        await apply_planned(client, await upgrade_managed_fields(client, planned))
    except NotFoundError:
        return Problem(
            Reason.CERT_MANAGER_NOT_INSTALLED,
            "spec.tls.issuerRef: cert-manager is not installed in this cluster; "
            "install it, or set spec.tls.secretName instead",
        )
    return None


async def _apply(client: KubeClient, item: Object, planned: PlannedApply) -> Object:
    """Create an object, or apply it over the version that was read.

    When only its status or volatile metadata have changed since, it is applied over the new
    version.
    """
    existing = planned.live.get(_key(item))
    for _ in range(_ATTEMPTS - 1):
        try:
            return await _write(client, item, existing)
        except ConflictError:
            now = await client.get(
                resource_of(item), item["metadata"]["namespace"], item["metadata"]["name"]
            )
            if existing is None or now is None or not same_except_status(existing, now):
                raise
            existing = now
    return await _write(client, item, existing)


async def _write(
    client: KubeClient, item: Object, existing: Object | None, *, dry_run: bool = False
) -> Object:
    try:
        if existing is None:
            return await client.create(item, dry_run=dry_run)
        return await client.apply(item, existing, dry_run=dry_run)
    except RejectedError as error:
        raise ApplyRejectedError(rejection_problem(item, error)) from None


def same_except_status(before: Object, now: Object) -> bool:
    """Whether both are the same object, and differ in status or volatile metadata only."""
    same_object = before["metadata"]["uid"] == now["metadata"]["uid"]
    return same_object and _without_status(before) == _without_status(now)


def _without_status(item: Object) -> Object:
    metadata = {
        key: value for key, value in item["metadata"].items() if key not in _VOLATILE_METADATA
    }
    metadata["annotations"] = {
        key: value
        for key, value in (metadata.get("annotations") or {}).items()
        if key != _DEPLOYMENT_REVISION
    }
    content = {
        key: value for key, value in item.items() if key not in ("status", "apiVersion", "kind")
    }
    return {**content, "metadata": metadata}


def _key(item: Object) -> _Key:
    return item["kind"], item["metadata"]["name"]


def belongs_to(metadata: Object, owner: str, platform: str) -> bool:
    """Whether an object belongs to a platform, by its ``metadata``. ``owner``: the platform's uid.

    By its owner reference, or by its labels; when the labels were removed, by the hash of what was
    last applied.
    """
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    if any(each.get("uid") == owner for each in metadata.get("ownerReferences") or ()):
        return True
    managed = labels.get(keys.MANAGED_BY) == keys.FIELD_MANAGER or keys.APPLIED in annotations
    return bool(managed and labels.get(keys.PLATFORM, platform) == platform)


def is_own(metadata: Object, owner: str, platform: str) -> bool:
    """Whether the operator has written an object for a platform: ``metadata`` is all that counts.

    It is applied over, so labels that somebody has copied are not enough.
    """
    return is_written_by_operator(metadata) and belongs_to(metadata, owner, platform)


async def _concurrently(calls: Iterable[Awaitable[Object]]) -> list[Object]:
    """The results of calls, a few at a time; after all have ended, the first failure is raised."""
    slots = asyncio.Semaphore(_CONCURRENT_REQUESTS)

    async def run(call: Awaitable[Object]) -> Object:
        async with slots:
            return await call

    results = await asyncio.gather(*(run(call) for call in calls), return_exceptions=True)
    failures = [result for result in results if isinstance(result, BaseException)]
    if failures:
        raise failures[0]
    return [result for result in results if not isinstance(result, BaseException)]
