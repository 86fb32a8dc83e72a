"""Follows the metadata of many objects: it reports that an object changed, never its content.

A streaming list and watch of PartialObjectMetadata costs a fraction of whole objects. Nothing
depends on having seen an event: after a gap everything is listed again and compared, and a periodic
resync reconciles every platform anyway.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from pryv_operator.api.kubernetes import Object
from pryv_operator.kube import metrics
from pryv_operator.kube.client import METADATA, METADATA_LIST, KubeClient
from pryv_operator.kube.errors import (
    ApiError,
    GoneError,
    RejectedError,
    error_from_status,
    retry_after_of,
)
from pryv_operator.kube.resources import Resource
from pryv_operator.kube.watch_backoff import FIRST_BACKOFF, WatchBackoff

log = logging.getLogger(__name__)

_INITIAL_EVENTS_END: Final = "k8s.io/initial-events-end"

#: Namespace and name.
_Key = tuple[str, str]
_Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Change:
    """An object was added, modified or deleted. ``labels``: its last known ones."""

    resource: Resource
    namespace: str
    name: str
    deleted: bool
    labels: _Labels

    def label(self, key: str) -> str | None:
        """The value of one label."""
        return dict(self.labels).get(key)


@dataclass(frozen=True)
class _Seen:
    """An object in a list or an event."""

    key: _Key
    version: str
    labels: _Labels


class Reflector:
    """Follows one resource in one namespace (or in all) and reports changes.

    ``synced`` is set once everything was listed.
    """

    def __init__(
        self,
        client: KubeClient,
        resource: Resource,
        namespace: str | None,
        notify: Callable[[Change], None],
        *,
        selector: str | None = None,
        keep_labels: frozenset[str] = frozenset(),
    ) -> None:
        """``keep_labels``: the labels that are stored per object, with its resourceVersion."""
        self._client = client
        self._resource = resource
        self._namespace = namespace
        self._path = resource.path(namespace)
        self._notify = notify
        self._selector = selector
        self._keep = keep_labels
        self._known: dict[_Key, tuple[str, _Labels]] = {}
        self._version: str | None = None
        self._streaming = True
        self.synced = asyncio.Event()
        self.plural = resource.plural

    async def run(self) -> None:
        """Follow until cancelled. A watch that ends at once is begun again with back-off."""
        loop = asyncio.get_running_loop()
        backoff = WatchBackoff()
        while True:
            began = loop.time()
            failure = await self._watch_once()
            pause = backoff.after(loop.time() - began)
            if failure and not isinstance(failure, GoneError):
                pause = max(pause, FIRST_BACKOFF)
            await asyncio.sleep(max(pause, (failure and failure.retry_after) or 0.0))

    async def _watch_once(self) -> ApiError | None:
        """Follow until the watch ends; return why, None when the server ended it in order."""
        try:
            await self._list_and_watch()
        except GoneError as error:
            self._version = None
            return error
        except RejectedError as error:
            if self._streaming and self._version is None and error.status in (400, 422):
                self._streaming = False  # an older API server: list page by page instead
                return await self._watch_once()
            log.error("watch %s: %s; retrying", self._resource.plural, error)
            return error
        except ApiError as error:
            log.warning("watch %s: %s; retrying", self._resource.plural, error)
            return error
        return None

    async def _list_and_watch(self) -> None:
        """One watch from the last known version, or from a new list when there is none."""
        query: dict[str, Any] = {"labelSelector": self._selector, "allowWatchBookmarks": "true"}
        listed: set[_Key] | None = None
        if self._version is None and self._streaming:
            query |= {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
            listed = set()
        elif self._version is None:
            self._version = await self._list()
        if self._version is not None:
            query["resourceVersion"] = self._version
        async for event in self._client.watch(
            self._resource, self._namespace, query, accept=METADATA
        ):
            metrics.WATCHES.heard(self._resource.plural, self._path, time.time())
            if event["type"] == "ERROR":
                raise _error_of(event["object"])
            metadata = event["object"]["metadata"]
            if event["type"] != "BOOKMARK":
                seen = self._seen(metadata)
                if listed is not None and event["type"] != "DELETED":
                    listed.add(seen.key)
                self._record(seen, deleted=event["type"] == "DELETED")
            if listed is None:
                self._version = metadata["resourceVersion"]
            elif is_end_of_list(event):
                self._forget_all_but(listed)
                listed = None
                self._version = metadata["resourceVersion"]
                self.synced.set()

    async def _list(self) -> str:
        """The fall-back for older servers: list metadata page by page; return its version."""
        listed, version = await self._client.list_versioned(
            self._resource,
            self._namespace,
            lambda item: self._seen(item["metadata"]),
            labels=self._selector,
            accept=METADATA_LIST,
        )
        for each in listed:
            self._record(each, deleted=False)
        self._forget_all_but({each.key for each in listed})
        self.synced.set()
        return version

    def _seen(self, metadata: Object) -> _Seen:
        """What is kept of an object's metadata."""
        labels = (metadata.get("labels") or {}).items()
        return _Seen(
            (metadata["namespace"], metadata["name"]),
            metadata["resourceVersion"],
            tuple(sorted((name, value) for name, value in labels if name in self._keep)),
        )

    def _forget_all_but(self, listed: set[_Key]) -> None:
        """Report objects that were deleted while nothing was watched."""
        for namespace, name in [key for key in self._known if key not in listed]:
            _, labels = self._known.pop((namespace, name))
            self._notify(Change(self._resource, namespace, name, deleted=True, labels=labels))

    def _record(self, seen: _Seen, *, deleted: bool) -> None:
        key, version, labels = seen.key, seen.version, seen.labels
        version_before, labels_before = self._known.get(key, ("", labels))
        if deleted:
            self._known.pop(key, None)
        elif version_before == version:
            return
        else:
            self._known[key] = (version, labels)
        if labels_before != labels:  # for the platform that it belonged to, it is deleted
            self._notify(Change(self._resource, *key, deleted=True, labels=labels_before))
        self._notify(Change(self._resource, *key, deleted=deleted, labels=labels))


def is_end_of_list(event: Object) -> bool:
    """Whether an event ends the list that a watch with ``sendInitialEvents`` begins with."""
    annotations = event["object"].get("metadata", {}).get("annotations") or {}
    return event["type"] == "BOOKMARK" and annotations.get(_INITIAL_EVENTS_END) == "true"


def _error_of(status: Object) -> ApiError:
    """The error that an ERROR event stands for."""
    return error_from_status(
        int(status.get("code", 500)),
        str(status.get("reason", "Unknown")),
        str(status.get("message", "")),
        retry_after_of(status),
    )
