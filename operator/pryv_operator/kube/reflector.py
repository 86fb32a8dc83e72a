"""Follows the metadata of many objects: it reports that an object changed, never its content.

A streaming list and watch of PartialObjectMetadata costs a fraction of whole objects. Nothing
depends on having seen an event: after a gap everything is listed again and compared, and a periodic
resync reconciles every platform anyway.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Collection
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
from pryv_operator.kube.known_objects import Known, KnownObjects, Labels, mark
from pryv_operator.kube.resources import Resource
from pryv_operator.kube.tables import TABLE, TABLE_QUERY, TableEvents
from pryv_operator.kube.watch_backoff import FIRST_BACKOFF, WatchBackoff
from pryv_operator.kube.watch_events import ErrorEvent, Metadata, read_metadata

log = logging.getLogger(__name__)

#: The API server sends bookmarks about once a minute; after a longer silence the connection may be
#: lost.
SILENCE_SECONDS: Final = 150.0

#: Namespace and name.
_Key = tuple[str, str]


@dataclass(frozen=True)
class Change:
    """An object was added, modified or deleted. ``labels``: its last known ones.

    ``mark``: what stands for its version, see ``known_objects``; 0 if it was deleted.
    ``shown``, ``shown_before``: what the API server shows of its status now and before, where that
    is followed; an empty text if it is not known. ``generation``, ``generation_before``: they count
    changes of the spec; 0 where nothing counts them.
    """

    resource: Resource
    namespace: str
    name: str
    deleted: bool
    labels: Labels
    mark: int = 0
    shown: str = ""
    shown_before: str = ""
    generation: int = 0
    generation_before: int = 0

    def label(self, key: str) -> str | None:
        """The value of one label."""
        return dict(self.labels).get(key)


@dataclass(frozen=True)
class _Seen:
    """An object in a list or an event."""

    key: _Key
    version: str
    labels: Labels
    shown: str
    generation: int


class Reflector:
    """Follows one resource in one namespace (or in all) and reports changes.

    ``synced`` is set once everything was listed. ``known``: the objects, as last seen.
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
        columns: Collection[str] = (),
    ) -> None:
        """``keep_labels``: those that are kept of an object. ``columns``: what of its status is."""
        self._client = client
        self._resource = resource
        self._namespace = namespace
        self._path = resource.path(namespace)
        self._notify = notify
        self._selector = selector
        self._keep = keep_labels
        self._columns = columns
        self.known = KnownObjects()
        self._version: str | None = None
        self._streaming = True
        self._heard = -math.inf
        self.synced = asyncio.Event()
        self.plural = resource.plural
        self.resource = resource
        self.namespace = namespace

    def is_current(self) -> bool:
        """Whether everything was listed, and the watch has been heard lately: it has bookmarks."""
        return self.synced.is_set() and time.monotonic() - self._heard < SILENCE_SECONDS

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
        accept = METADATA
        if self._columns:
            query |= TABLE_QUERY
            accept = TABLE
        table = TableEvents(self._columns)
        async for event in self._client.watch(
            self._resource, self._namespace, query, accept=accept
        ):
            if isinstance(event, ErrorEvent):
                raise _error_of(event.status)
            self._heard = time.monotonic()
            metrics.WATCHES.heard(self._resource.plural, self._path, time.time())
            shown = table.shown(event)
            if event.type != "BOOKMARK":
                seen = self._seen(event.metadata, shown)
                if listed is not None and event.type != "DELETED":
                    listed.add(seen.key)
                self._record(seen, deleted=event.type == "DELETED")
            if listed is None:
                self._version = event.metadata.resource_version
            elif event.is_end_of_list:
                self._forget_all_but(listed)
                listed = None
                self._version = event.metadata.resource_version
                self.synced.set()

    async def _list(self) -> str:
        """The fall-back for older servers: list metadata page by page; return its version."""
        listed, version = await self._client.list_versioned(
            self._resource,
            self._namespace,
            lambda item: self._seen(read_metadata(item["metadata"])),
            labels=self._selector,
            accept=METADATA_LIST,
        )
        for each in listed:
            self._record(each, deleted=False)
        self._forget_all_but({each.key for each in listed})
        self._heard = time.monotonic()
        self.synced.set()
        return version

    def _seen(self, metadata: Metadata, shown: str = "") -> _Seen:
        """What is kept of an object's metadata."""
        labels = (metadata.labels or {}).items()
        return _Seen(
            (metadata.namespace, metadata.name),
            metadata.resource_version,
            tuple(sorted((name, value) for name, value in labels if name in self._keep)),
            shown,
            metadata.generation,
        )

    def _forget_all_but(self, listed: set[_Key]) -> None:
        """Report objects that were deleted while nothing was watched."""
        for key in [*self.known.others(listed)]:
            if known := self.known.remove(*key):
                self._notify(_deletion(self._resource, key, known))

    def _record(self, seen: _Seen, *, deleted: bool) -> None:
        before = self.known.get(*seen.key)
        version = 0 if deleted else mark(seen.key[1], seen.version)
        if deleted:
            self.known.remove(*seen.key)
        elif before and before.mark == version:
            return
        else:
            self.known.set(*seen.key, version, seen.labels, seen.shown, seen.generation)
        if before and before.labels != seen.labels:
            # For the platform that it belonged to, it is deleted.
            self._notify(_deletion(self._resource, seen.key, before))
        self._notify(
            Change(
                self._resource,
                *seen.key,
                deleted=deleted,
                labels=seen.labels,
                mark=version,
                shown=seen.shown,
                shown_before=before.shown if before else "",
                generation=seen.generation,
                generation_before=before.generation if before else 0,
            )
        )


def _deletion(resource: Resource, key: _Key, known: Known) -> Change:
    """That an object, as it was known, is not there any more."""
    return Change(resource, *key, deleted=True, labels=known.labels, shown_before=known.shown)


def _error_of(status: Object) -> ApiError:
    """The error that an ERROR event stands for."""
    return error_from_status(
        int(status.get("code", 500)),
        str(status.get("reason", "Unknown")),
        str(status.get("message", "")),
        retry_after_of(status),
    )
