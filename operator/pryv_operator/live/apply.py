"""Applies desired objects where they differ from the live ones.

The steps of an apply, each a function: ``compute_changes`` and ``plan_apply`` (pure),
``upgrade_managed_fields`` (writes only metadata), ``validate`` (a server-side dry run, which writes
nothing) and ``apply_planned`` (writes). ``prepare_apply`` takes the three in the middle.

Nothing is written over a state that was not read: a missing object is created, a live one is
applied over the version that was read. A conflict means that the platform has to be reconciled
again.

A missing object is not searched for by its name: its creation shows whether the name is in use.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names
from pryv_operator.api.findings import Problem
from pryv_operator.api.instances import instances
from pryv_operator.api.kubernetes import WORKLOAD_KINDS, Object
from pryv_operator.api.platform import Platform
from pryv_operator.api.reasons import Reason
from pryv_operator.kube.client import METADATA, KubeClient
from pryv_operator.kube.concurrent_requests import concurrently
from pryv_operator.kube.errors import ConflictError, NotFoundError, RejectedError
from pryv_operator.kube.resources import CERTIFICATES, resource_of
from pryv_operator.live import live_objects
from pryv_operator.live.live_objects import LiveObjects
from pryv_operator.live.reduce import is_written_by_operator
from pryv_operator.live.rejections import ApplyRejectedError, name_in_use, rejection_problem
from pryv_operator.values.addresses import Address

#: Kinds that are named by their content. What nothing refers to yet changes nothing.
_CONFIGURATION_KINDS: Final = ("ConfigMap", "Secret")
#: Kinds that hold a user's own words, which the API server may reject.
_VALIDATED_KINDS: Final = ("Service", "PersistentVolumeClaim", *WORKLOAD_KINDS)

#: Metadata that controllers update all the time; no decision depends on it.
_VOLATILE_METADATA: Final = ("resourceVersion", "generation", "managedFields")
_DEPLOYMENT_REVISION: Final = "deployment.kubernetes.io/revision"
_ATTEMPTS: Final = 5
#: Kind and name of an object.
_Key: TypeAlias = tuple[str, str]
#: Role and slug of a component.
_Component: TypeAlias = tuple[str, str]


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

    @property
    def creates(self) -> bool:
        """Whether an object is missing."""
        return any(_key(item) not in self.live for item in self.changes.objects)

    def update(self, live: LiveObjects) -> LiveObjects:
        """``live`` with the versions of this plan in place of the older ones."""
        return live.with_objects(item for key, item in self.live.items() if live.get(*key))


def compute_changes(desired: Iterable[Object], live: LiveObjects) -> Changes:
    """Desired objects that are missing, or differ from the live ones."""
    found: list[Object] = []
    for item in map(live.comparisons.with_applied_hash, desired):
        existing = live.get(*_key(item))
        if existing is None or live.comparisons.needs_apply(item, existing):
            found.append(item)
    return Changes(tuple(found))


def plan_apply(changes: Changes, live: LiveObjects) -> PlannedApply:
    """The live object that each change is applied over."""
    found = {
        _key(item): existing for item in changes.objects if (existing := live.get(*_key(item)))
    }
    return PlannedApply(changes, found)


async def upgrade_managed_fields(client: KubeClient, planned: PlannedApply) -> PlannedApply:
    """Count what the operator owns by having created objects as applied by it.

    Writes metadata only (``managedFields``). It comes before the dry run: fields that are no longer
    desired would count there otherwise, and the API server would reject what an apply removes.

    Raises:
        ConflictError: an object has changed since it was read.
    """
    upgraded = await concurrently(
        client.upgrade_managed_fields(item) for item in planned.live.values()
    )
    return replace(planned, live=dict(zip(planned.live, upgraded, strict=True)))


async def validate(
    client: KubeClient, platform: Platform, planned: PlannedApply, objects: Sequence[Object]
) -> PlannedApply:
    """Let the API server validate changes by a dry run, so that nothing is half applied.

    Returns the plan with objects of the platform that have lost their labels: they are found when
    their creation is tried.

    Raises:
        ApplyRejectedError: the API server rejects an object, or a name is in use by another one.
        ConflictError: an object has changed since it was read.
    """
    found: dict[_Key, Object] = {}

    async def try_one(item: Object) -> Object:
        existing = planned.live.get(_key(item))
        try:
            return await _write(client, item, existing, dry_run=True)
        except ConflictError:
            if existing is not None:
                raise
        existing = found[_key(item)] = await _read_unlabelled(client, platform, item)
        return await _write(client, item, existing, dry_run=True)

    await concurrently(map(try_one, objects))
    return replace(planned, live={**planned.live, **found})


def to_validate(platform: Platform, planned: PlannedApply, live: LiveObjects) -> list[Object]:
    """The changes to try by a dry run before any of them is applied.

    While nothing of the platform runs, a creation is judged by itself: what is rejected changes
    nothing that works. Only what holds the user's own words is tried before. Once something runs,
    all is tried whose rejection, or whose name that is in use, would leave a change half applied.
    """
    runs = any(kind in WORKLOAD_KINDS for kind, _ in live.objects)
    customised = _customised_components(platform)

    def is_tried(item: Object) -> bool:
        if not runs:
            return item["kind"] in _VALIDATED_KINDS and _is_of(item, customised)
        if _key(item) in planned.live:
            return item["kind"] in _VALIDATED_KINDS
        return item["kind"] not in _CONFIGURATION_KINDS

    return [item for item in planned.changes.objects if is_tried(item)]


def _customised_components(platform: Platform) -> Set[_Component] | None:
    """The components of which a spec says more than their release; None: all of them."""
    if platform.spec.templates is not None:
        return None
    return {
        (instance.role, names.slug(component))
        for instance in instances(platform.spec)
        for component in instance.components
    }


def _is_of(item: Object, components: Set[_Component] | None) -> bool:
    """Whether an object is one of these components'."""
    labels = item["metadata"].get("labels") or {}
    role, component = labels.get(keys.ROLE, ""), names.slug(labels.get(keys.COMPONENT, ""))
    return components is None or (role, component) in components


async def prepare_apply(
    client: KubeClient, platform: Platform, changes: Changes, live: LiveObjects
) -> PlannedApply:
    """Plan an apply, upgrade managed fields and validate: everything before objects are written.

    Raises:
        ApplyRejectedError: the API server rejects an object, or a name is in use by another one.
        ConflictError: an object has changed since it was read, or is missing because the platform
            was deleted.
    """
    planned = plan_apply(changes, live)
    if planned.creates:
        await live_objects.check_platform_exists(client, platform)
    planned = await upgrade_managed_fields(client, planned)
    return await validate(client, platform, planned, to_validate(platform, planned, live))


async def apply_planned(
    client: KubeClient, platform: Platform, planned: PlannedApply
) -> list[Object]:
    """Create or apply everything that was planned: configuration first, workloads last.

    Returns the objects as they are now.

    Raises:
        ApplyRejectedError: the API server rejects an object that was not validated, or although
            its dry run succeeded; or a name is in use by another object.
        ConflictError: an object has changed since it was read.
    """
    applied: list[Object] = []
    for stage in _stages(planned.changes.objects):
        applied += await concurrently(_apply(client, platform, item, planned) for item in stage)
    return applied


def _stages(objects: Iterable[Object]) -> list[list[Object]]:
    """Configuration, what else workloads need, and workloads."""
    stages: list[list[Object]] = [[], [], []]
    for item in objects:
        is_last, is_first = item["kind"] in WORKLOAD_KINDS, item["kind"] in _CONFIGURATION_KINDS
        stages[2 if is_last else 0 if is_first else 1].append(item)
    return stages


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
        ConflictError: an object has changed since it was read, or is missing because the platform
            was deleted.
    """
    planned = plan_apply(changes, live)
    if planned.creates:
        await live_objects.check_platform_exists(client, platform)
    planned = await upgrade_managed_fields(client, planned)
    existing = [item for item in changes.objects if _key(item) in planned.live]
    planned = await validate(client, platform, planned, existing)
    return await concurrently(
        _apply_service(client, platform, item, planned, remembered) for item in changes.objects
    )


async def _apply_service(
    client: KubeClient,
    platform: Platform,
    item: Object,
    planned: PlannedApply,
    remembered: Mapping[str, Address],
) -> Object:
    ip = remembered.get(item["metadata"]["name"], Address()).cluster_ip
    if ip and ip != "None" and _key(item) not in planned.live:
        try:
            return await client.create({**item, "spec": {**item["spec"], "clusterIP": ip}})
        except (ConflictError, RejectedError):
            pass  # it exists, or the address is in use by now, or outside of the cluster's range
    return await _apply(client, platform, item, planned)


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
        await apply_planned(client, platform, await upgrade_managed_fields(client, planned))
    except NotFoundError:
        return Problem(
            Reason.CERT_MANAGER_NOT_INSTALLED,
            "spec.tls.issuerRef: cert-manager is not installed in this cluster; "
            "install it, or set spec.tls.secretName instead",
        )
    return None


async def _apply(
    client: KubeClient, platform: Platform, item: Object, planned: PlannedApply
) -> Object:
    """Create an object, or apply it over the version that was read.

    When only its status or volatile metadata have changed since, it is applied over the new
    version. One that exists although it was not found has lost its labels.
    """
    existing = planned.live.get(_key(item))
    for _ in range(_ATTEMPTS - 1):
        try:
            return await _write(client, item, existing)
        except ConflictError:
            if existing is None:
                existing = await _read_unlabelled(client, platform, item)
                continue
            now = await client.get(
                resource_of(item), item["metadata"]["namespace"], item["metadata"]["name"]
            )
            if now is None or not same_except_status(existing, now):
                raise
            existing = now
    return await _write(client, item, existing)


async def _read_unlabelled(client: KubeClient, platform: Platform, item: Object) -> Object:
    """The metadata of a live object whose creation was in conflict, ready to be applied over.

    Raises:
        ApplyRejectedError: it does not belong to the platform.
        ConflictError: it is gone by now, or has changed since it was read.
    """
    kind, name = _key(item)
    resource = resource_of(item)
    found = await client.get(resource, item["metadata"]["namespace"], name, accept=METADATA)
    if found is None:
        raise ConflictError(409, "Conflict", f'{kind} "{name}" was deleted')
    if not is_own(found["metadata"], platform.uid, platform.name):
        raise name_in_use(kind, name)
    metadata = {"apiVersion": resource.api_version, "kind": kind, "metadata": found["metadata"]}
    return await client.upgrade_managed_fields(metadata)


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
