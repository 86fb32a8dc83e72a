"""Follows the metadata of many objects: that something moved, never what is in it.

A streaming list and watch of PartialObjectMetadata costs a fraction of whole objects. Nothing depends on having seen an event:
after a gap everything is listed again and compared, and a periodic resync looks at every platform anyway.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from pryv_operator.api.kubernetes import Object
from pryv_operator.kube import metrics
from pryv_operator.kube.client import METADATA, METADATA_LIST, KubeClient
from pryv_operator.kube.errors import ApiError, GoneError, RejectedError
from pryv_operator.kube.resources import Resource

log = logging.getLogger(__name__)

_RETRY: Final = 1.0
_LONGEST_RETRY: Final = 30.0
_INITIAL_EVENTS_END: Final = "k8s.io/initial-events-end"


@dataclass(frozen=True)
class Moved:
    """An object came, changed or went. ``labels`` are its last known ones."""

    resource: Resource
    namespace: str
    name: str
    gone: bool
    labels: tuple[tuple[str, str], ...]

    def label(self, key: str) -> str | None:
        """One label's value."""
        return dict(self.labels).get(key)


class Reflector:
    """Follows one resource in one namespace (or all) and reports what moved."""

    def __init__(
        self,
        client: KubeClient,
        resource: Resource,
        namespace: str | None,
        notify: Callable[[Moved], None],
        *,
        selector: str | None = None,
        keep_labels: frozenset[str] = frozenset(),
    ) -> None:
        """``keep_labels`` are the labels remembered per object; nothing else of it is kept."""
        self._client = client
        self._resource = resource
        self._namespace = namespace
        self._notify = notify
        self._selector = selector
        self._keep = keep_labels
        self._known: dict[tuple[str, str], tuple[str, tuple[tuple[str, str], ...]]] = {}
        self._version: str | None = None
        self._streaming = True
        self.synced = asyncio.Event()
        self.plural = resource.plural

    async def run(self) -> None:
        """Follow until cancelled."""
        retry = _RETRY
        while True:
            try:
                await self._follow()
                retry = _RETRY
            except GoneError:
                self._version = None
            except RejectedError as error:
                if self._streaming and self._version is None and error.status in (400, 422):
                    self._streaming = False  # an older API server: list page by page instead
                    continue
                log.error("watching %s is refused: %s", self._resource.plural, error)
                retry = await self._pause(retry)
            except ApiError as error:
                log.warning("watching %s: %s", self._resource.plural, error)
                retry = await self._pause(retry)

    async def _pause(self, retry: float) -> float:
        await asyncio.sleep(retry)
        return min(_LONGEST_RETRY, retry * 2)

    async def _follow(self) -> None:
        """One watch, from where the last one ended; everything anew when there was none."""
        query: dict[str, Any] = {"labelSelector": self._selector, "allowWatchBookmarks": "true"}
        seen: set[tuple[str, str]] | None = None
        if self._version is None and self._streaming:
            query |= {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
            seen = set()
        elif self._version is None:
            items, version = await self._list()
            self._replace(items)
            self._version = version
        if self._version is not None:
            query["resourceVersion"] = self._version
        async for event in self._client.watch(
            self._resource, self._namespace, query, accept=METADATA
        ):
            metrics.REFLECTOR_HEARD.labels(self._resource.plural).set_to_current_time()
            if event["type"] == "ERROR":
                status = event["object"]
                raise (GoneError if status.get("code") == 410 else ApiError)(
                    int(status.get("code", 500)),
                    str(status.get("reason", "Unknown")),
                    str(status.get("message", "")),
                )
            metadata = event["object"]["metadata"]
            if event["type"] != "BOOKMARK":
                if seen is not None and event["type"] != "DELETED":
                    seen.add((metadata["namespace"], metadata["name"]))
                self._take(metadata, gone=event["type"] == "DELETED")
            if seen is None:
                self._version = metadata["resourceVersion"]
            elif metadata.get("annotations", {}).get(_INITIAL_EVENTS_END) == "true":
                self._drop_all_but(seen)
                seen = None
                self._version = metadata["resourceVersion"]
                self.synced.set()

    async def _list(self) -> tuple[list[Object], str]:
        """The fall-back: metadata, page by page, and the version they are of."""
        found: list[Object] = []
        token: str | None = None
        while True:
            page = await self._client.list_page(
                self._resource,
                self._namespace,
                labels=self._selector,
                token=token,
                accept=METADATA_LIST,
            )
            found += page["items"]
            token = page["metadata"].get("continue")
            if not token:
                return found, page["metadata"]["resourceVersion"]

    def _replace(self, items: list[Object]) -> None:
        for item in items:
            self._take(item["metadata"], gone=False)
        self._drop_all_but(
            {(item["metadata"]["namespace"], item["metadata"]["name"]) for item in items}
        )
        self.synced.set()

    def _drop_all_but(self, present: set[tuple[str, str]]) -> None:
        for namespace, name in [key for key in self._known if key not in present]:
            _, labels = self._known.pop((namespace, name))
            self._notify(Moved(self._resource, namespace, name, gone=True, labels=labels))

    def _take(self, metadata: Object, *, gone: bool) -> None:
        key = (metadata["namespace"], metadata["name"])
        labels = tuple(
            sorted(
                (name, value)
                for name, value in metadata.get("labels", {}).items()
                if name in self._keep
            )
        )
        version = metadata["resourceVersion"]
        before, labels_before = self._known.get(key, ("", labels))
        if gone:
            self._known.pop(key, None)
        elif before == version:
            return
        else:
            self._known[key] = (version, labels)
        if labels_before != labels:  # whoever it belonged to misses it
            self._notify(Moved(self._resource, *key, gone=True, labels=labels_before))
        self._notify(Moved(self._resource, *key, gone=gone, labels=labels))
