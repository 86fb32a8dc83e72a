"""Writes differences, and only those: Services first, the rest when everything the API server can judge has been judged.

Nothing is written over what the pass has not seen: what is not there is created, what is there is applied over the version that was
observed, and a conflict means that the pass has to look again.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass
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
from pryv_operator.values.addresses import Address

_AT_ONCE: Final = 8
#: What a user's words go into, so that the API server may refuse it.
_VALIDATED: Final = ("Service", "PersistentVolumeClaim", *WORKLOAD_KINDS)

#: What controllers write into our objects all the time, and no decision of a pass goes by.
_MOVES: Final = ("resourceVersion", "generation", "managedFields")
_REVISION: Final = "deployment.kubernetes.io/revision"
_ATTEMPTS: Final = 5
_ABOUT_NO_CONTENT: Final = re.compile(
    r'[a-z.]+ (?:"[^"]+" )?is forbidden: (?:exceeded quota|failed quota|User )'
)
_WEBHOOK: Final = re.compile(r'admission webhook "([^"]+)"')

_Key = tuple[str, str]


class ApplyRefusedError(Exception):
    """The API server does not take an object; nothing of its step was applied. ``problem`` says what and why."""

    def __init__(self, problem: Problem) -> None:
        """For the status."""
        self.problem = problem
        super().__init__(problem.message)


@dataclass(frozen=True)
class Changes:
    """Objects that have to be applied, as they are applied."""

    wanted: tuple[Object, ...]

    @property
    def workloads(self) -> tuple[str, ...]:
        """Names of workloads among them."""
        return tuple(
            item["metadata"]["name"] for item in self.wanted if item["kind"] in WORKLOAD_KINDS
        )


def compute_changes(wanted: Iterable[Object], observed: LiveObjects) -> Changes:
    """What differs from what is there."""
    found: list[Object] = []
    for item in map(with_applied_hash, wanted):
        live = observed.get(item["kind"], item["metadata"]["name"])
        if live is None or needs_apply(item, live):
            found.append(item)
    return Changes(tuple(found))


async def apply_services(
    client: KubeClient,
    platform: Platform,
    wanted: Changes,
    observed: LiveObjects,
    remembered: Mapping[str, Address],
) -> list[Object]:
    """Apply Services; one that has to be made anew asks for the cluster IP it had.

    Raises:
        ApplyRefusedError: the API server does not take one, or a name is somebody else's.
        ConflictError: something has changed since it was observed; the pass is to be tried again.
    """
    there = await _there(client, platform, wanted, observed)
    await _validate(client, [item for item in wanted.wanted if _key(item) in there], there)
    return await _concurrently(
        _apply_service(client, item, there, remembered) for item in wanted.wanted
    )


async def _apply_service(
    client: KubeClient,
    item: Object,
    there: Mapping[_Key, Object],
    remembered: Mapping[str, Address],
) -> Object:
    ip = remembered.get(item["metadata"]["name"], Address()).cluster_ip
    if ip and ip != "None" and _key(item) not in there:
        try:
            return await client.create({**item, "spec": {**item["spec"], "clusterIP": ip}})
        except RejectedError:
            pass  # somebody else has it by now, or the range has changed
    return await _apply(client, item, there)


@dataclass(frozen=True)
class Prepared:
    """Changes that were judged, and what they are applied over."""

    wanted: Changes
    there: Mapping[_Key, Object]


async def prepare(
    client: KubeClient, platform: Platform, wanted: Changes, observed: LiveObjects
) -> Prepared:
    """Let the API server judge changes as a whole, so that nothing is half-applied.

    Raises:
        ApplyRefusedError: the API server does not take an object, or a name is somebody else's.
        ConflictError: something has changed since it was observed; the pass is to be tried again.
    """
    there = await _there(client, platform, wanted, observed)
    await _validate(client, wanted.wanted, there)
    return Prepared(wanted, there)


async def apply_prepared(client: KubeClient, prepared: Prepared) -> list[Object]:
    """Apply everything that was prepared; workloads last.

    Raises:
        ApplyRefusedError: the API server does not take an object after all.
        ConflictError: something has changed since it was observed; the pass is to be tried again.
    """
    wanted, there = prepared.wanted.wanted, prepared.there
    before = [item for item in wanted if item["kind"] not in WORKLOAD_KINDS]
    applied = await _concurrently(_apply(client, item, there) for item in before)
    return applied + await _concurrently(
        _apply(client, item, there) for item in wanted if item["kind"] in WORKLOAD_KINDS
    )


async def validate(
    client: KubeClient, platform: Platform, wanted: Changes, observed: LiveObjects
) -> LiveObjects:
    """Let the API server judge what is to be applied later; gives what is there.

    Raises:
        ApplyRefusedError: the API server does not take an object, or a name is somebody else's.
    """
    prepared = await prepare(client, platform, wanted, observed)
    return observed.with_objects(item for key, item in prepared.there.items() if observed.get(*key))


async def apply_certificate_request(
    client: KubeClient, item: Object, observed: LiveObjects
) -> Problem | None:
    """Ask cert-manager for a certificate; a problem when it is not installed."""
    wanted = compute_changes([item], observed)
    try:
        for each in wanted.wanted:
            metadata = each["metadata"]
            live = observed.get(*_key(each)) or await client.get(
                CERTIFICATES, metadata["namespace"], metadata["name"]
            )
            if live and not is_ours(
                live["metadata"],
                metadata["ownerReferences"][0]["uid"],
                metadata["labels"][keys.PLATFORM],
            ):
                raise name_in_use(each["kind"], metadata["name"])
            await _apply(
                client,
                each,
                {_key(each): await client.upgrade_managed_fields(live)} if live else {},
            )
    except NotFoundError:
        return Problem(
            Reason.CERT_MANAGER_NOT_INSTALLED,
            "tls.issuerRef asks cert-manager for a certificate, and this cluster has no cert-manager: install it, or use tls.secretName",
        )
    return None


async def _validate(
    client: KubeClient, wanted: Iterable[Object], there: Mapping[_Key, Object]
) -> None:
    """A dry run of what the API server may refuse."""
    await _concurrently(
        _write(client, item, there.get(_key(item)), dry_run=True)
        for item in wanted
        if item["kind"] in _VALIDATED
    )


async def _apply(client: KubeClient, item: Object, there: Mapping[_Key, Object]) -> Object:
    """Create an object, or apply it over what was observed; a change of nothing but its status meanwhile is none."""
    live = there.get(_key(item))
    for _ in range(_ATTEMPTS - 1):
        try:
            return await _write(client, item, live)
        except ConflictError:
            now = await client.get(
                resource_of(item), item["metadata"]["namespace"], item["metadata"]["name"]
            )
            if live is None or now is None or not same_except_status(live, now):
                raise
            live = now
    return await _write(client, item, live)


async def _write(
    client: KubeClient, item: Object, live: Object | None, *, dry_run: bool = False
) -> Object:
    try:
        if live is None:
            return await client.create(item, dry_run=dry_run)
        return await client.apply(item, live, dry_run=dry_run)
    except RejectedError as error:
        raise ApplyRefusedError(refusal_problem(item, error)) from None


def same_except_status(before: Object, now: Object) -> bool:
    """Whether an object is still what a pass has decided about."""
    return before["metadata"]["uid"] == now["metadata"]["uid"] and _decided_by(
        before
    ) == _decided_by(now)


def _decided_by(item: Object) -> Object:
    metadata = {key: value for key, value in item["metadata"].items() if key not in _MOVES}
    metadata["annotations"] = {
        key: value for key, value in (metadata.get("annotations") or {}).items() if key != _REVISION
    }
    return {
        **{
            key: value for key, value in item.items() if key not in ("status", "apiVersion", "kind")
        },
        "metadata": metadata,
    }


def _key(item: Object) -> _Key:
    return item["kind"], item["metadata"]["name"]


def refusal_problem(item: Object, error: RejectedError) -> Problem:
    """What to say about an object that the API server does not take."""
    why = message_without_content(error) if item["kind"] == "Secret" else error.message
    return Problem(
        Reason.FORBIDDEN if error.status == 403 else Reason.REJECTED,
        f"the API server refuses {item['kind']} {item['metadata']['name']}: {why}",
    )


def message_without_content(error: RejectedError) -> str:
    """What the API server says, without what may quote a Secret: an admission webhook's or policy's words, values that are invalid."""
    if _ABOUT_NO_CONTENT.match(error.message):
        return error.message
    webhook = _WEBHOOK.match(error.message)
    return f"admission webhook {webhook[1]} denies it" if webhook else error.reason


async def _there(
    client: KubeClient, platform: Platform, wanted: Changes, observed: LiveObjects
) -> dict[_Key, Object]:
    """What is there of the wanted objects, ready to be applied over."""
    there = await _ours_there(client, platform, wanted, observed)
    # Before anything is judged: what we no longer set would still count otherwise.
    adopted = await _concurrently(client.upgrade_managed_fields(item) for item in there.values())
    return dict(zip(there, adopted, strict=True))


async def _ours_there(
    client: KubeClient, platform: Platform, wanted: Changes, observed: LiveObjects
) -> dict[_Key, Object]:
    """As observed; of those that have lost their labels, the metadata. An object of the same name that is not ours is not taken over."""
    there = {_key(item): live for item in wanted.wanted if (live := observed.get(*_key(item)))}
    new = [item for item in wanted.wanted if _key(item) not in there]
    for kind in sorted({item["kind"] for item in new}):
        same_kind = [item for item in new if item["kind"] == kind]
        names_taken = await live_objects.list_metadata_by_name(
            client, platform, resource_of(same_kind[0])
        )
        for item in same_kind:
            metadata = names_taken.get(item["metadata"]["name"])
            if metadata is None:
                continue
            if not is_ours(metadata, platform.uid, platform.name):
                raise name_in_use(kind, item["metadata"]["name"])
            there[_key(item)] = {
                "apiVersion": item["apiVersion"],
                "kind": kind,
                "metadata": metadata,
            }
    return there


def name_in_use(kind: str, name: str) -> ApplyRefusedError:
    """What to say when a name is somebody else's."""
    message = f"{kind} {name} exists already and does not belong to this platform: rename or delete it, or give the platform another name"
    return ApplyRefusedError(Problem(Reason.NAME_IN_USE, message))


def is_ours(metadata: Object, owner: str, platform: str) -> bool:
    """By its owner; or by its labels, or, where somebody took those away, by what we last applied."""
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    if any(each.get("uid") == owner for each in metadata.get("ownerReferences") or ()):
        return True
    ours = labels.get(keys.MANAGED_BY) == keys.FIELD_MANAGER or keys.APPLIED in annotations
    return bool(ours and labels.get(keys.PLATFORM, platform) == platform)


async def _concurrently(calls: Iterable[Awaitable[Object]]) -> list[Object]:
    """Run calls a few at a time; the first failure ends it, and the others are finished first."""
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(call: Awaitable[Object]) -> Object:
        async with slots:
            return await call

    answers = await asyncio.gather(*(one(call) for call in calls), return_exceptions=True)
    failures = [answer for answer in answers if isinstance(answer, BaseException)]
    if failures:
        raise failures[0]
    return [answer for answer in answers if not isinstance(answer, BaseException)]
