"""The client of the API server: one for the process.

Reads take a resource and names; writes take an object and, except for creations, carry a
precondition: the write has no effect when the object has changed since it was read. Everything that
is written goes through ``_write``, which only the leader may call (see ``leadership``).
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self, TypeAlias, TypeVar

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.kubernetes import Object
from pryv_operator.kube.connection import Connection
from pryv_operator.kube.errors import ConflictError, NotFoundError, TooDeepError, TooLargeError
from pryv_operator.kube.leadership import Leadership, WriteGuard
from pryv_operator.kube.managed_fields import upgraded
from pryv_operator.kube.resources import LEASES, PODS, Resource, resource_of
from pryv_operator.kube.transport import (
    APPLY,
    JSON,
    WATCH_SECONDS,
    Request,
    Sender,
    Transport,
)
from pryv_operator.kube.watch_events import ErrorEvent, WatchEvent

log = logging.getLogger(__name__)

#: Objects in a page of a list.
PAGE: Final = 500
#: A larger page is read again in smaller ones. As Python objects it can take nine times as much.
_PAGE_BYTES: Final = 2 << 20
#: By so much pages become smaller: 500, 62, 7, 1.
_SMALLER: Final = 8


_MERGE: Final = "application/merge-patch+json"
_YAML: Final = "application/yaml"
#: Only metadata: the data of Secrets of others never enters this process.
METADATA: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_LIST: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

T = TypeVar("T")
#: In the class, ``list`` is a method.
_List: TypeAlias = list


class KubeClient:
    """A client of one API server. Every method may raise ApiError."""

    def __init__(
        self,
        connection: Connection,
        leadership: WriteGuard | None = None,
        sender: Sender | None = None,
    ) -> None:
        """Without ``leadership`` it may always write. ``sender`` None: the operator.

        Raises:
            CredentialsError, OSError: a file of the credentials cannot be used.
        """
        self._transport = Transport(connection, leadership or Leadership(), sender)
        self.connection = connection
        #: For what would take too much memory several times at once.
        self.one_at_a_time = asyncio.Lock()

    def unremembered(self) -> KubeClient:
        """A client that answers nothing from memory; this one does not anyway."""
        return self

    async def __aenter__(self) -> Self:
        """Use the client for a while."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close its connections."""
        await self._transport.close()

    # Reads

    async def get(
        self, resource: Resource, namespace: str, name: str, *, accept: str = JSON
    ) -> Object | None:
        """Read an object; None when it does not exist."""
        try:
            return await self._transport.send(
                Request("GET", resource.path(namespace, name), accept=accept)
            )
        except NotFoundError:
            return None

    async def list(
        self,
        resource: Resource,
        namespace: str | None,
        *,
        labels: str | None = None,
        fields: str | None = None,
    ) -> list[Object]:
        """Read all objects that match two selectors, page by page. ``namespace`` None: all."""
        return await self.list_reduced(
            resource, namespace, lambda item: item, labels=labels, fields=fields
        )

    async def list_reduced(
        self,
        resource: Resource,
        namespace: str | None,
        reduce: Callable[[Object], T | None],
        *,
        labels: str | None = None,
        fields: str | None = None,
        accept: str = JSON,
    ) -> _List[T]:
        """Read all objects that match two selectors; keep what ``reduce`` makes of each.

        Nothing else of a page is kept, and one of many bytes is not parsed but read in smaller
        ones: other clients may have created any number of large objects. One that is nested too
        deeply is left out.
        """
        found, _ = await self.list_versioned(
            resource, namespace, reduce, labels=labels, fields=fields, accept=accept
        )
        return found

    async def list_versioned(
        self,
        resource: Resource,
        namespace: str | None,
        reduce: Callable[[Object], T | None],
        *,
        labels: str | None = None,
        fields: str | None = None,
        accept: str = JSON,
    ) -> tuple[_List[T], str]:
        """As ``list_reduced``; also the resourceVersion of the list, to watch from."""
        found: list[T] = []
        token: str | None = None
        limit = PAGE
        while True:
            try:
                page = await self.list_page(
                    resource,
                    namespace,
                    labels=labels,
                    fields=fields,
                    token=token,
                    limit=limit,
                    accept=accept,
                    max_bytes=_PAGE_BYTES if limit > 1 else None,
                )
                reduced, metadata = _reduced(page, resource, reduce), page["metadata"]
            except (TooLargeError, TooDeepError) as error:
                if limit > 1:
                    limit = max(1, limit // _SMALLER)
                    continue
                if not isinstance(error, TooDeepError):
                    raise
                log.warning("%s; it is skipped", error.message)
                reduced, metadata, limit = [], error.list_metadata, PAGE
            found += reduced
            token = metadata.get("continue")
            if not token:
                return found, str(metadata.get("resourceVersion", ""))

    async def list_page(
        self,
        resource: Resource,
        namespace: str | None,
        *,
        labels: str | None = None,
        fields: str | None = None,
        token: str | None = None,
        limit: int = PAGE,
        accept: str = JSON,
        max_bytes: int | None = None,
    ) -> Object:
        """Read one page of a list, as the API server returns it. ``token``: of the page before.

        Raises:
            TooLargeError: the page has more than ``max_bytes``.
        """
        query = {
            "limit": limit,
            "labelSelector": labels,
            "fieldSelector": fields,
            "continue": token,
        }
        page = await self._transport.send(
            Request("GET", resource.path(namespace), query, accept=accept, max_bytes=max_bytes)
        )
        page["items"] = page.get("items") or []  # an empty list of metadata is null
        return page

    def watch(
        self, resource: Resource, namespace: str | None, query: Mapping[str, Any], *, accept: str
    ) -> AsyncIterator[WatchEvent | ErrorEvent]:
        """Yield the events of a watch until the server ends it."""
        query = {"watch": "1", "timeoutSeconds": WATCH_SECONDS, **query}
        return self._transport.stream(
            Request("GET", resource.path(namespace), query, accept=accept)
        )

    def pod_log(self, namespace: str, pod: str, query: Mapping[str, Any]) -> AsyncIterator[bytes]:
        """Yield the lines of a container's log, without their line breaks.

        ``query``: as the API server takes it: ``container``, ``follow``, ``sinceSeconds``, ….
        """
        path = PODS.path(namespace, pod, "log")
        return self._transport.lines(Request("GET", path, query, accept="*/*"))

    # Writes

    async def create(self, item: Object, *, dry_run: bool = False) -> Object:
        """Create an object. Before its first apply, call ``upgrade_managed_fields``.

        Raises:
            ConflictError: it exists.
        """
        path = resource_of(item).path(item["metadata"]["namespace"])
        query = {"fieldManager": keys.FIELD_MANAGER, "dryRun": "All" if dry_run else None}
        return await self._write("POST", path, query, item)

    async def create_controller_revision(self, item: Object) -> Object:
        """Create a ControllerRevision.

        The API server compares its data byte by byte when it is annotated later. It is sent as
        YAML, because then the server stores the bytes that it will compare with.

        Raises:
            ConflictError: it exists.
        """
        path = resource_of(item).path(item["metadata"]["namespace"])
        text = json.dumps(item, ensure_ascii=False, sort_keys=True)
        query = {"fieldManager": keys.FIELD_MANAGER}
        return await self._write("POST", path, query, text, content_type=_YAML)

    async def apply(self, item: Object, over: Object, *, dry_run: bool = False) -> Object:
        """Server-side apply of an object over the live one that was read.

        A dry run has no precondition.

        Raises:
            ConflictError: the live object has changed since, or is gone.
        """
        conditional = item if dry_run else _with_precondition(item, over)
        return await self._apply(conditional, None, dry_run=dry_run)

    async def apply_status(self, item: Object) -> Object:
        """Server-side apply of an object's status.

        Its metadata holds the uid and the resourceVersion that the status is about.

        Raises:
            ConflictError: the object has changed since, or is another one.
        """
        return await self._apply(item, "status", dry_run=False)

    async def _apply(self, item: Object, subresource: str | None, *, dry_run: bool) -> Object:
        metadata = item["metadata"]
        path = resource_of(item).path(metadata["namespace"], metadata["name"], subresource)
        query = {
            "fieldManager": keys.FIELD_MANAGER,
            "force": "true",
            "dryRun": "All" if dry_run else None,
        }
        return await self._write("PATCH", path, query, item, content_type=APPLY)

    async def upgrade_managed_fields(self, item: Object) -> Object:
        """Make the fields that we own by a creation count as applied; return the object after it.

        Without this, an apply never removes a field that only the creation set. Writes only when
        there is something to change.

        Raises:
            ConflictError: the object has changed since it was read.
        """
        entries = upgraded(item["metadata"].get("managedFields", ()), keys.FIELD_MANAGER)
        if entries is None:
            return item
        return await self._patch_metadata(item, {"managedFields": entries})

    async def patch_owner_references(self, item: Object, owners: Sequence[Object]) -> None:
        """Set an object's owner references; nothing else of it is sent.

        Raises:
            ConflictError: the object has changed since it was read.
        """
        metadata = item["metadata"]
        path = resource_of(item).path(metadata["namespace"], metadata["name"])
        body = {
            "metadata": {
                "resourceVersion": metadata["resourceVersion"],
                "ownerReferences": [*owners] or None,
            }
        }
        query = {"fieldManager": keys.OWNERS_MANAGER}
        await self._write("PATCH", path, query, body, content_type=_MERGE)

    async def patch_labels(self, item: Object, labels: Mapping[str, str]) -> Object:
        """Set labels of an object.

        Raises:
            ConflictError: the object has changed since it was read.
        """
        return await self._patch_metadata(item, {"labels": dict(labels)})

    async def patch_annotations(
        self, item: Object, annotations: Mapping[str, str | None]
    ) -> Object:
        """Set annotations of an object; None removes one.

        Raises:
            ConflictError: the object has changed since it was read.
        """
        return await self._patch_metadata(item, {"annotations": dict(annotations)})

    async def _patch_metadata(self, item: Object, change: Object) -> Object:
        metadata = item["metadata"]
        path = resource_of(item).path(metadata["namespace"], metadata["name"])
        body = {
            "metadata": {
                "uid": metadata["uid"],
                "resourceVersion": metadata["resourceVersion"],
                **change,
            }
        }
        query = {"fieldManager": keys.FIELD_MANAGER}
        return await self._write("PATCH", path, query, body, content_type=_MERGE)

    async def replace_spec(
        self, item: Object, spec: Mapping[str, Any], manager: str, *, dry_run: bool = False
    ) -> Object:
        """Replace an object's spec as a whole. ``manager``: the field manager of the change.

        Raises:
            ConflictError: the object has changed since it was read.
        """
        metadata = item["metadata"]
        path = resource_of(item).path(metadata["namespace"], metadata["name"])
        query = {"fieldManager": manager, "dryRun": "All" if dry_run else None}
        return await self._write("PUT", path, query, {**item, "spec": dict(spec)})

    async def merge(
        self, item: Object, change: Object, manager: str, *, dry_run: bool = False
    ) -> Object:
        """Change fields of an object by a merge patch; null removes one.

        The object may have changed since it was read. ``manager``: the field manager of the change.

        Raises:
            ConflictError: it is another object of this name.
        """
        metadata = item["metadata"]
        path = resource_of(item).path(metadata["namespace"], metadata["name"])
        query = {"fieldManager": manager, "dryRun": "All" if dry_run else None}
        same = {"uid": metadata["uid"], **change.get("metadata", {})}
        body = {**change, "metadata": same}
        return await self._write("PATCH", path, query, body, content_type=_MERGE)

    async def write_own(self, item: Object, *, shard: int) -> Object:
        """Create an object of the operator itself, or replace the one that was read.

        Its metadata hold the resourceVersion that was read, if it exists. The leader of a shard
        may write it, whichever shard its namespace belongs to.

        Raises:
            ConflictError: it has changed since, or exists.
        """
        metadata = item["metadata"]
        exists = "resourceVersion" in metadata
        name = metadata["name"] if exists else None
        path = resource_of(item).path(metadata["namespace"], name)
        query = {"fieldManager": keys.FIELD_MANAGER}
        return await self._transport.send(
            Request("PUT" if exists else "POST", path, query, item, write=True, shard=shard)
        )

    async def delete(self, item: Object, *, propagation: str = "Background") -> bool:
        """Delete the object that was read; False when it has changed since, or is gone."""
        metadata = item["metadata"]
        body = {
            "preconditions": {
                "uid": metadata["uid"],
                "resourceVersion": metadata["resourceVersion"],
            },
            "propagationPolicy": propagation,
        }
        path = resource_of(item).path(metadata["namespace"], metadata["name"])
        try:
            await self._write("DELETE", path, {}, body)
        except (NotFoundError, ConflictError):
            return False
        return True

    async def _write(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any],
        body: Object | str,
        *,
        content_type: str = JSON,
    ) -> Object:
        return await self._transport.send(
            Request(method, path, query, body, content_type=content_type, write=True)
        )

    async def read_version(self) -> Object:
        """The version of the API server, as it answers at ``/version``."""
        return await self._transport.send(Request("GET", "/version"))

    async def review(self, resource: Resource, spec: Object) -> Object:
        """Ask the API server for a decision, such as a TokenReview; return its status.

        Nothing is stored, so a standby may ask as well.
        """
        body = {"apiVersion": resource.api_version, "kind": resource.kind, "spec": spec}
        answer = await self._transport.send(Request("POST", resource.path(None), body=body))
        status: Object = answer.get("status") or {}
        return status

    # The Lease: leadership comes from it, so its requests need none. They are not sent once
    # leadership may have been lost.

    async def read_lease(self, namespace: str, name: str) -> Object | None:
        """Read a Lease; None when it does not exist."""
        try:
            return await self._send_lease("GET", LEASES.path(namespace, name))
        except NotFoundError:
            return None

    async def create_lease(self, lease: Object) -> Object:
        """Create a Lease.

        Raises:
            ConflictError: it exists.
        """
        return await self._send_lease("POST", LEASES.path(lease["metadata"]["namespace"]), lease)

    async def replace_lease(self, lease: Object) -> Object:
        """Replace a Lease; its metadata holds the resourceVersion that was read.

        Raises:
            ConflictError: it has changed since.
        """
        metadata = lease["metadata"]
        return await self._send_lease(
            "PUT", LEASES.path(metadata["namespace"], metadata["name"]), lease
        )

    async def _send_lease(self, method: str, path: str, body: Object | None = None) -> Object:
        query = {"fieldManager": keys.FIELD_MANAGER} if body else {}
        return await self._transport.send(Request(method, path, query, body, of_lease=True))


def _reduced(page: Object, resource: Resource, reduce: Callable[[Object], T | None]) -> list[T]:
    """What ``reduce`` makes of the objects of a page."""
    identity = {"apiVersion": resource.api_version, "kind": resource.kind}
    reduced = (reduce({**item, **identity}) for item in page["items"])
    return [each for each in reduced if each is not None]


def _with_precondition(item: Object, over: Object) -> Object:
    """The object, to be applied only if the live one is still ``over``."""
    version = {key: over["metadata"][key] for key in ("uid", "resourceVersion")}
    return {**item, "metadata": {**item["metadata"], **version}}
