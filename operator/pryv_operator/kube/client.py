"""One client for the process. Everything that is written goes through one method."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio.client import ApiClient, Configuration
from prometheus_client import Counter

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.kubernetes import Object
from pryv_operator.kube import metrics
from pryv_operator.kube.errors import (
    ApiError,
    ConflictError,
    NotFoundError,
    UnavailableError,
    error_of,
)
from pryv_operator.kube.leadership import Leadership
from pryv_operator.kube.managed_fields import upgraded
from pryv_operator.kube.resources import LEASES, Resource, resource_of

_TIMEOUT: Final = aiohttp.ClientTimeout(total=30, connect=5)
#: A watch is ended by the server after ``timeoutSeconds``; silence for longer than this means the connection is dead.
_WATCH_TIMEOUT: Final = aiohttp.ClientTimeout(total=None, connect=5, sock_read=330)
WATCH_SECONDS: Final = 300
_PAGE: Final = 500

_APPLY: Final = "application/apply-patch+yaml"
_MERGE: Final = "application/merge-patch+json"
_JSON: Final = "application/json"
_YAML: Final = "application/yaml"
#: Only metadata: the data of other people's Secrets has no business in this process.
METADATA: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_LIST: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

#: Raises when the request must not be sent. Per request: the tasks that aiohttp makes for it see it too.
_CHECK: Final[ContextVar[Callable[[], None] | None]] = ContextVar("check", default=None)


class KubeClient:
    """A connection to an API server."""

    def __init__(self, configuration: Configuration, leadership: Leadership | None = None) -> None:
        """The connection is opened by the first request. Without ``leadership`` it may always write."""
        self._leadership = leadership or Leadership()
        configuration.connection_pool_maxsize = 32
        configuration.trace_configs = [*(configuration.trace_configs or ()), _checking()]
        self._api = ApiClient(configuration)
        self.configuration = configuration

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
        await self._api.close()

    async def get(
        self, resource: Resource, namespace: str, name: str, *, accept: str = _JSON
    ) -> Object | None:
        """An object, or None."""
        try:
            return await self._request("GET", resource.path(namespace, name), accept=accept)
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
        """All objects that match, read page by page."""
        found: list[Object] = []
        token: str | None = None
        while True:
            page = await self.list_page(
                resource, namespace, labels=labels, fields=fields, token=token
            )
            found += [
                {"apiVersion": resource.api_version, "kind": resource.kind, **item}
                for item in page["items"]
            ]
            token = page["metadata"].get("continue")
            if not token:
                return found

    async def list_page(
        self,
        resource: Resource,
        namespace: str | None,
        *,
        labels: str | None = None,
        fields: str | None = None,
        token: str | None = None,
        accept: str = _JSON,
    ) -> Object:
        """One page of a list, as the API server has it."""
        query = {
            "limit": _PAGE,
            "labelSelector": labels,
            "fieldSelector": fields,
            "continue": token,
        }
        page = await self._request("GET", resource.path(namespace), query, accept=accept)
        page["items"] = page.get("items") or []  # an empty list of metadata is null
        return page

    async def apply(self, item: Object, over: Object, *, dry_run: bool = False) -> Object:
        """Server-side apply of an object under our field manager over what was observed of it, if it is still that.

        A dry run is about whatever is there.

        Raises:
            ConflictError: it has changed since, or is gone.
        """
        return await self._apply(item if dry_run else _only_over(item, over), None, dry_run=dry_run)

    async def apply_status(self, item: Object) -> Object:
        """Server-side apply of an object's status. Its metadata holds the uid and the resourceVersion that the status is about.

        Raises:
            ConflictError: it has changed since, or is another.
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
        return await self._write("PATCH", path, query, item, content_type=_APPLY)

    async def create(self, item: Object, *, dry_run: bool = False) -> Object:
        """Make an object that is not there yet. Before it is applied for the first time, call
        ``upgrade_managed_fields``.

        Raises:
            ConflictError: it is there already.
        """
        path = resource_of(item).path(item["metadata"]["namespace"])
        return await self._write(
            "POST",
            path,
            {"fieldManager": keys.FIELD_MANAGER, "dryRun": "All" if dry_run else None},
            item,
        )

    async def create_controller_revision(self, item: Object) -> Object:
        """Make a ControllerRevision that is not there yet.

        Its data are compared byte by byte when it is annotated later: sent as YAML, the API server writes them the way it will then.

        Raises:
            ConflictError: it is there already.
        """
        path = resource_of(item).path(item["metadata"]["namespace"])
        text = json.dumps(item, ensure_ascii=False, sort_keys=True)
        return await self._write(
            "POST", path, {"fieldManager": keys.FIELD_MANAGER}, text, content_type=_YAML
        )

    async def upgrade_managed_fields(self, item: Object) -> Object:
        """The object, as it is after what we own by having created it counts as applied by us, so that an apply can remove it.

        Raises:
            ConflictError: it has changed since it was read.
        """
        entries = upgraded(item["metadata"].get("managedFields", ()), keys.FIELD_MANAGER)
        if entries is None:
            return item
        return await self._patch_metadata(item, {"managedFields": entries})

    async def patch_owner_references(self, item: Object, owners: Sequence[Object]) -> None:
        """Set an object's owner references, if it is still the one that was read; nothing else of it is sent."""
        metadata = item["metadata"]
        path = resource_of(item).path(metadata["namespace"], metadata["name"])
        body = {
            "metadata": {
                "resourceVersion": metadata["resourceVersion"],
                "ownerReferences": [*owners] or None,
            }
        }
        await self._write(
            "PATCH", path, {"fieldManager": keys.OWNERS_MANAGER}, body, content_type=_MERGE
        )

    async def patch_labels(self, item: Object, labels: Mapping[str, str]) -> Object:
        """Set labels of an object, if it is still the one that was read.

        Raises:
            ConflictError: it has changed since it was read.
        """
        return await self._patch_metadata(item, {"labels": dict(labels)})

    async def patch_annotations(
        self, item: Object, annotations: Mapping[str, str | None]
    ) -> Object:
        """Set annotations of an object, or remove those that are None, if it is still the one that was read.

        Raises:
            ConflictError: it has changed since it was read.
        """
        return await self._patch_metadata(item, {"annotations": dict(annotations)})

    async def _patch_metadata(self, item: Object, change: Object) -> Object:
        """Change an object's metadata, if it is still the one that was read."""
        metadata = item["metadata"]
        path = resource_of(item).path(metadata["namespace"], metadata["name"])
        body = {
            "metadata": {
                "uid": metadata["uid"],
                "resourceVersion": metadata["resourceVersion"],
                **change,
            }
        }
        return await self._write(
            "PATCH", path, {"fieldManager": keys.FIELD_MANAGER}, body, content_type=_MERGE
        )

    async def delete(self, item: Object, *, propagation: str = "Background") -> bool:
        """Delete the very object that was read; False when it is gone, or another, or has changed since."""
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

    async def replace_spec(
        self, item: Object, spec: Mapping[str, Any], manager: str, *, dry_run: bool = False
    ) -> Object:
        """Give an object another spec, as a whole, if it is still the one that was read. ``manager``: who is to own the change.

        Raises:
            ConflictError: it has changed since.
        """
        metadata = item["metadata"]
        path = resource_of(item).path(metadata["namespace"], metadata["name"])
        query = {"fieldManager": manager, "dryRun": "All" if dry_run else None}
        return await self._write("PUT", path, query, {**item, "spec": dict(spec)})

    async def read_lease(self, namespace: str, name: str) -> Object | None:
        """A Lease, or None."""
        try:
            return await self._lease_request("GET", LEASES.path(namespace, name))
        except NotFoundError:
            return None

    async def create_lease(self, lease: Object) -> Object:
        """Make a Lease.

        Raises:
            ConflictError: it is there already.
        """
        return await self._lease_request("POST", LEASES.path(lease["metadata"]["namespace"]), lease)

    async def replace_lease(self, lease: Object) -> Object:
        """Replace a Lease by one with the same resourceVersion.

        Raises:
            ConflictError: it has changed since.
        """
        return await self._lease_request(
            "PUT", LEASES.path(lease["metadata"]["namespace"], lease["metadata"]["name"]), lease
        )

    async def _lease_request(self, method: str, path: str, body: Object | None = None) -> Object:
        """Leadership comes from these: they may be sent without it, but not once it may have been lost."""
        query = {"fieldManager": keys.FIELD_MANAGER} if body else {}
        return await self._request(method, path, query, body, counter=metrics.LEASE_REQUESTS)

    async def watch(
        self, resource: Resource, namespace: str | None, query: Mapping[str, Any], *, accept: str
    ) -> AsyncIterator[Object]:
        """Events of a watch, until the server ends it."""
        path = resource.path(namespace)
        response = await self._send(
            "GET",
            path,
            {"watch": "1", "timeoutSeconds": WATCH_SECONDS, **query},
            None,
            accept,
            _JSON,
            _WATCH_TIMEOUT,
        )
        try:
            if response.status != 200:
                raise await _failure(response)
            async for line in response.content:
                yield json.loads(line)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise UnavailableError(
                0, "ConnectionLost", f"the watch of {resource.plural} broke: {type(error).__name__}"
            ) from None
        except ValueError:  # cut in the middle of a line by something in between
            raise UnavailableError(
                0, "ConnectionLost", f"the watch of {resource.plural} broke: what came is no JSON"
            ) from None
        finally:
            response.close()

    async def _write(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any],
        body: Object | str,
        *,
        content_type: str = _JSON,
    ) -> Object:
        """The one way to the API server for everything that changes something: only as the leader."""
        return await self._request(
            method, path, query, body, content_type=content_type, check=self._leadership.check_write
        )

    async def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        body: Object | str | None = None,
        *,
        accept: str = _JSON,
        content_type: str = _JSON,
        check: Callable[[], None] | None = None,
        counter: Counter = metrics.REQUESTS,
    ) -> Object:
        response = await self._send(
            method, path, query or {}, body, accept, content_type, _TIMEOUT, check, counter
        )
        try:
            if response.status >= 400:
                raise await _failure(response)
            answer: Object = json.loads(await response.read())
            return answer
        except (aiohttp.ClientError, TimeoutError) as error:
            raise UnavailableError(
                0, "ConnectionLost", f"{method} {path}: {type(error).__name__}"
            ) from None
        except ValueError:
            raise UnavailableError(
                0, "NoKubernetes", f"{method} {path}: the answer is no JSON"
            ) from None
        finally:
            response.release()

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any],
        body: Object | str | None,
        accept: str,
        content_type: str,
        limit: aiohttp.ClientTimeout,
        check: Callable[[], None] | None = None,
        counter: Counter = metrics.REQUESTS,
    ) -> aiohttp.ClientResponse:
        check = check or self._leadership.check_any
        headers = {"Accept": accept, "Content-Type": content_type, "User-Agent": keys.FIELD_MANAGER}
        await self._api.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        arguments = {key: value for key, value in query.items() if value is not None}
        url = self.configuration.host + path + (f"?{urlencode(arguments)}" if arguments else "")
        check()
        token = _CHECK.set(check)
        try:
            answer = await self._api.rest_client.request(
                method, url, headers=headers, body=body, _request_timeout=limit
            )
        except ssl.SSLError as error:
            raise UnavailableError(
                0, "TLSError", f"{self.configuration.host}: {error.reason}"
            ) from None
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            check()  # aiohttp calls a refusal of its writing task a lost connection
            raise UnavailableError(
                0, "NoConnection", f"{method} {path}: {type(error).__name__}"
            ) from None
        finally:
            _CHECK.reset(token)
        response: aiohttp.ClientResponse = answer.response
        counter.labels(method, str(response.status)).inc()
        return response


def _checking() -> aiohttp.TraceConfig:
    """Asks whether a request may be sent once aiohttp has a connection for it, which it may have waited for.

    aiohttp keeps the headers back until the first chunk of the body, which a task of its own may write; it calls the hook and writes
    both to the socket without giving up control in between. Without a body, the same holds for the headers' hook.
    """

    async def ask(*_: object) -> None:
        if check := _CHECK.get():
            check()

    hooks = aiohttp.TraceConfig()
    hooks.on_request_headers_sent.append(ask)
    hooks.on_request_chunk_sent.append(ask)
    return hooks


def _only_over(item: Object, over: Object) -> Object:
    """The object with the precondition that it is still what was observed."""
    there = {key: over["metadata"][key] for key in ("uid", "resourceVersion")}
    return {**item, "metadata": {**item["metadata"], **there}}


async def _failure(response: aiohttp.ClientResponse) -> ApiError:
    """The error an answer stands for."""
    try:
        status: Any = json.loads(await response.read())
    except ValueError:
        status = None
    if not isinstance(status, dict):
        status = {}
    header = response.headers.get("Retry-After", "")
    return error_of(
        response.status,
        str(status.get("reason") or response.reason or "Unknown"),
        str(status.get("message") or "no further word"),
        float(header) if header.isdigit() else None,
    )
