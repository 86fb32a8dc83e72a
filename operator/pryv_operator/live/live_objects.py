"""The live objects of a platform, as the API server holds them. Reads only.

They are read for each reconciliation and not cached.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.platform import Platform
from pryv_operator.kube.client import METADATA, METADATA_LIST, KubeClient
from pryv_operator.kube.errors import (
    ConflictError,
    NotFoundError,
    TooLargeError,
    UnreadableError,
)
from pryv_operator.kube.resources import (
    CERTIFICATES,
    CONFIG_MAPS,
    CONTROLLER_REVISIONS,
    CORE_EVENTS,
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    NETWORK_POLICIES,
    PLATFORMS,
    PODS,
    PVCS,
    REPLICA_SETS,
    SECRETS,
    SERVICES,
    STATEFUL_SETS,
    Resource,
)
from pryv_operator.live import reduce
from pryv_operator.live.comparisons import Comparisons
from pryv_operator.live.pod_references import Reference, referenced_configuration
from pryv_operator.live.reduce import essential, is_written_by_operator
from pryv_operator.objects import trial

log = logging.getLogger(__name__)

#: Kinds the operator writes.
WRITTEN: Final = (
    SERVICES,
    PVCS,
    CONFIG_MAPS,
    SECRETS,
    NETWORK_POLICIES,
    DISRUPTION_BUDGETS,
    DEPLOYMENTS,
    STATEFUL_SETS,
)
#: Kinds of WRITTEN whose data may be large.
_CONFIGURATION: Final = (CONFIG_MAPS, SECRETS)
#: So many objects that nothing refers to are read with the others: what a change leaves behind.
_UNEXPECTED: Final = 20
_CONCURRENT_READS: Final = 8
#: So many objects of a kind, of so many bytes, are read in one answer with all their data. They can
#: take nine times as much as Python objects.
_MANY: Final = 500
_WHOLE_BYTES: Final = 2 << 20
#: Bytes that all objects of a kind may have which count as the operator's.
_OWN_BYTES: Final = 16 << 20
#: Bytes that the metadata of the revision history may have: of 102 revisions of 256 KiB, and more.
_HISTORY_BYTES: Final = 32 << 20
#: Objects of a kind that others have written and that are kept, to be taken over or reported.
_MOST_OTHERS: Final = 2000


@dataclass(frozen=True)
class LiveObjects:
    """The live objects of one platform that the operator has written, by (kind, name).

    ``comparisons``: those with desired objects that were made before.
    """

    objects: Mapping[tuple[str, str], Object] = field(repr=False)
    comparisons: Comparisons = field(default_factory=Comparisons, compare=False, repr=False)

    def of_kind(self, kind: str) -> Iterator[Object]:
        """All objects of one kind."""
        return (item for (found, _), item in self.objects.items() if found == kind)

    def get(self, kind: str, name: str) -> Object | None:
        """One object, or None."""
        return self.objects.get((kind, name))

    def with_objects(self, changed: Iterable[Object]) -> LiveObjects:
        """The same, with these objects added or in place of their older versions."""
        added = {(item["kind"], item["metadata"]["name"]): item for item in changed}
        return replace(self, objects={**self.objects, **added})

    def only(self, wanted: Callable[[Object], bool]) -> LiveObjects:
        """The same without the objects that are not wanted."""
        kept = {key: item for key, item in self.objects.items() if wanted(item)}
        return replace(self, objects=kept)


def selector(platform: Platform) -> str:
    """The label selector of all objects that the operator has written for a platform."""
    return f"{keys.MANAGED_BY}={keys.FIELD_MANAGER},{keys.PLATFORM}={platform.name}"


async def list_live_objects(
    client: KubeClient, platform: Platform, is_needed: Callable[[str, str], bool]
) -> LiveObjects:
    """Everything that carries the platform's labels, written by the operator or not.

    Everyone who may create objects can add any number of any size with copied labels. Of those
    that the operator has not written only what ``reduce.essential`` keeps is returned. Of
    ConfigMaps and Secrets metadata are listed first: when there are more than expected, only the
    data of those that are needed (by kind and name) are read.

    Raises:
        UnavailableError: objects that count as the operator's are too large together.
    """
    lists = await asyncio.gather(
        *(
            _list_configuration(client, platform, each, is_needed)
            if each in _CONFIGURATION
            else _list_written(client, platform, each)
            for each in WRITTEN
        )
    )
    try:
        certificates = await _list_written(client, platform, CERTIFICATES)
    except NotFoundError:
        certificates = []  # cert-manager is not installed
    found = [item for listed in (*lists, certificates) for item in listed]
    return LiveObjects({(item["kind"], item["metadata"]["name"]): item for item in found})


async def _list_written(client: KubeClient, platform: Platform, resource: Resource) -> list[Object]:
    """All objects of a kind with the platform's labels; those of others without data.

    In one request if they are few and small. Otherwise metadata show first which are ours.
    """
    whole = await _list_whole(client, platform, resource, _MANY)
    if whole is not None:
        return [item if _is_written(item) else essential(item) for item in whole]
    labels, budget = selector(platform), _Budget(platform, resource)
    listed = await _list_metadata(client, platform, resource, labels, _Others(platform, resource))
    ours = [item["metadata"]["name"] for item in listed if _is_written(item)]
    if 2 * len(ours) >= len(listed):
        others = _Others(platform, resource)
        return await client.list_reduced(
            resource,
            platform.namespace,
            lambda item: budget.spend(item) if _is_written(item) else others(item),
            labels=labels,
        )
    data = await read_by_name(client, platform, resource, ours, budget.spend)
    foreign = [item for item in listed if not _is_written(item)]
    return [*foreign, *(item for item in data.values() if _is_written(item))]


async def _list_configuration(
    client: KubeClient,
    platform: Platform,
    resource: Resource,
    is_needed: Callable[[str, str], bool],
) -> list[Object]:
    """All objects of a kind with the platform's labels; some of them without data."""
    others = _Others(platform, resource)
    listed = await _list_metadata(client, platform, resource, selector(platform), others)
    by_name = {item["metadata"]["name"]: item for item in listed}
    known = [name for name in by_name if is_needed(resource.kind, name)]
    limit = len(known) + _UNEXPECTED
    if len(listed) <= limit:
        whole = await _list_whole(client, platform, resource, limit)
        if whole is not None:
            return whole
    data = await read_by_name(client, platform, resource, known)
    return [{**item, **data.get(name, {})} for name, item in by_name.items()]


async def _list_whole(
    client: KubeClient, platform: Platform, resource: Resource, limit: int
) -> list[Object] | None:
    """All objects of a kind with the platform's labels; None if they are many or large."""
    try:
        page = await client.list_page(
            resource,
            platform.namespace,
            labels=selector(platform),
            limit=limit,
            max_bytes=_WHOLE_BYTES,
        )
    except TooLargeError:
        return None
    if page["metadata"].get("continue"):
        return None
    return [
        {"apiVersion": resource.api_version, "kind": resource.kind, **item}
        for item in page["items"]
    ]


async def read_by_name(
    client: KubeClient,
    platform: Platform,
    resource: Resource,
    names: Iterable[str],
    check: Callable[[Object], Object] = lambda item: item,
) -> dict[str, Object]:
    """Name → object of those that exist; a few are read at a time. ``check`` may raise."""
    found: dict[str, Object] = {}
    ordered = [*names]
    for start in range(0, len(ordered), _CONCURRENT_READS):
        some = ordered[start : start + _CONCURRENT_READS]
        items = await asyncio.gather(
            *(client.get(resource, platform.namespace, name) for name in some)
        )
        found |= {
            name: check(item) for name, item in zip(some, items, strict=True) if item is not None
        }
    return found


class _Budget:
    """Bytes that the objects of one kind may have together."""

    def __init__(self, platform: Platform, resource: Resource, limit: int = _OWN_BYTES) -> None:
        self._left = self._limit = limit
        self._what = f'{resource.kind} objects with the labels of platform "{platform.name}"'

    def spend(self, item: Object) -> Object:
        """The object, if the budget is not exceeded."""
        self._left -= len(json.dumps(item))
        if self._left < 0:
            raise UnreadableError(
                0,
                "TooLarge",
                f"{self._what} have more than {self._limit} bytes; "
                "delete those that the operator has not created",
            )
        return item


class _Others:
    """What is kept of listed metadata: the essential, and of others' objects a limited number."""

    def __init__(self, platform: Platform, resource: Resource) -> None:
        self._found = 0
        self._what = f"{platform.namespace}/{platform.name}: {resource.kind}"

    def __call__(self, item: Object) -> Object | None:
        """The essential of an object; None beyond the limit, which is logged once."""
        if not _is_written(item):
            self._found += 1
        if self._found == _MOST_OTHERS + 1 and not _is_written(item):
            log.warning(
                "%s: more than %d objects with the platform's labels that the operator has not "
                "written; the others are ignored",
                self._what,
                _MOST_OTHERS,
            )
        return essential(item) if self._found <= _MOST_OTHERS or _is_written(item) else None


def _is_written(item: Object) -> bool:
    return is_written_by_operator(item["metadata"])


async def check_platform_exists(client: KubeClient, platform: Platform) -> None:
    """Ask before a missing object is created: the garbage collector may have deleted it.

    It deletes objects of a platform that is gone already, so an answer from after they were found
    missing tells.

    Raises:
        ConflictError: the platform was deleted, or recreated, since it was read.
    """
    resource = await client.get(PLATFORMS, platform.namespace, platform.name, accept=METADATA)
    metadata = resource["metadata"] if resource else {}
    if metadata.get("uid") != platform.uid or metadata.get("deletionTimestamp"):
        raise ConflictError(409, "Conflict", f'PryvPlatform "{platform.name}" was deleted')


async def list_pods(client: KubeClient, platform: Platform) -> list[Object]:
    """The pods of the platform's components, with what ``reduce.pod`` keeps."""
    return await client.list_reduced(
        PODS, platform.namespace, reduce.pod, labels=_component_pods(platform)
    )


async def list_pod_metadata(client: KubeClient, platform: Platform) -> list[Object]:
    """The metadata of the pods of the platform's components."""
    return await _list_metadata(client, platform, PODS, _component_pods(platform))


def _component_pods(platform: Platform) -> str:
    """The label selector of the pods of components, without trials."""
    return f"{selector(platform)},{keys.PURPOSE}!={trial.PURPOSE}"


async def list_trial_pods(client: KubeClient, platform: Platform) -> list[Object]:
    """The trials that the operator has created for the platform, see ``objects/trial.py``.

    A pod with their labels counts only if the platform alone owns it, and the operator wrote it.
    """

    def own(pod: Object) -> Object | None:
        owners = pod["metadata"].get("ownerReferences") or ()
        is_ours = [each.get("uid") for each in owners] == [platform.uid]
        return reduce.pod(pod) if is_ours and _is_written(pod) else None

    labels = f"{selector(platform)},{keys.PURPOSE}={trial.PURPOSE}"
    return await client.list_reduced(PODS, platform.namespace, own, labels=labels)


async def list_replica_set_metadata(client: KubeClient, platform: Platform) -> list[Object]:
    """The metadata of the ReplicaSets of the platform's Deployments."""
    return await _list_metadata(client, platform, REPLICA_SETS, selector(platform))


async def list_warning_events(client: KubeClient, platform: Platform) -> list[Object]:
    """Warning events of the namespace: why pods cannot be created, scheduled or started."""
    return await client.list_reduced(
        CORE_EVENTS, platform.namespace, reduce.event, fields="type=Warning"
    )


async def list_referenced_configuration(
    client: KubeClient, platform: Platform, candidates: Collection[Reference]
) -> set[Reference]:
    """Which ConfigMaps and Secrets are named by anything that holds a pod template of the platform.

    They must not be deleted, so what names them is not answered from memory.
    """
    client = client.unremembered()

    def references(item: Object) -> set[Reference] | None:
        return referenced_configuration([item]).intersection(candidates) or None

    kinds = (DEPLOYMENTS, STATEFUL_SETS, REPLICA_SETS, PODS)
    labelled = selector(platform)
    # The ControllerRevisions of a StatefulSet carry the labels of its selector, not those of its
    # metadata. The operator's own revisions are read elsewhere.
    labels = f"{keys.PLATFORM}={platform.name},{keys.PURPOSE}!={keys.HISTORY}"
    stateful = client.list_reduced(
        CONTROLLER_REVISIONS, platform.namespace, references, labels=labels
    )
    lists = await asyncio.gather(
        stateful,
        *(
            client.list_reduced(each, platform.namespace, references, labels=labelled)
            for each in kinds
        ),
    )
    return {reference for listed in lists for found in listed for reference in found}


async def list_revision_metadata(client: KubeClient, platform: Platform) -> list[Object]:
    """The ControllerRevisions of the platform's revision history, without their data.

    Raises:
        UnavailableError: they are too large together.
    """
    budget = _Budget(platform, CONTROLLER_REVISIONS, _HISTORY_BYTES)
    return await client.list_reduced(
        CONTROLLER_REVISIONS,
        platform.namespace,
        lambda item: budget.spend(reduce.revision_metadata(item)),
        labels=f"{selector(platform)},{keys.PURPOSE}={keys.HISTORY}",
        accept=METADATA_LIST,
    )


async def list_metadata_by_name(
    client: KubeClient, platform: Platform, resource: Resource, names: Collection[str]
) -> dict[str, Object]:
    """Name → metadata of those objects of a kind that exist, of any owner."""

    def named(item: Object) -> Object | None:
        metadata: Object = item["metadata"]
        return metadata if metadata["name"] in names else None

    found = await client.list_reduced(resource, platform.namespace, named, accept=METADATA_LIST)
    return {metadata["name"]: metadata for metadata in found}


async def _list_metadata(
    client: KubeClient,
    platform: Platform,
    resource: Resource,
    labels: str,
    keep: Callable[[Object], Object | None] = essential,
) -> list[Object]:
    return await client.list_reduced(
        resource, platform.namespace, keep, labels=labels, accept=METADATA_LIST
    )
