"""The HTTP session that kopf watches platforms with.

kopf would read whole resources and parse whatever it receives: a few large ones exceed the memory
of the process, and one that is nested too deeply ends the watch of all others. So the session asks
for metadata, and hands over only events that can be parsed.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, cast

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.kubernetes import Object
from pryv_operator.kube import metrics
from pryv_operator.kube.aiohttp_alone import aiohttp
from pryv_operator.kube.client import METADATA, METADATA_LIST, KubeClient
from pryv_operator.kube.kopf_alone import kopf
from pryv_operator.kube.reflector import SILENCE_SECONDS
from pryv_operator.kube.transport import list_metadata, parsed_events, parsed_object
from pryv_operator.kube.watch_backoff import WatchThrottle
from pryv_operator.kube.watch_events import END_OF_LIST

log = logging.getLogger(__name__)

#: Streamed lists (``sendInitialEvents``) are refused by these where the server lacks them.
_UNKNOWN_OPTION: Final = (400, 422)

#: The answer to a watch from a version that is too old; kopf then lists again.
_LIST_AGAIN: Final = {"type": "ERROR", "object": {"code": 410, "message": "cut list"}}


class WatchOptions:
    """What is known of the API server, and of past watches. It outlives kopf and its sessions."""

    def __init__(self, *, streaming: bool = True) -> None:
        """``streaming``: whether the server can stream lists, as far as is known."""
        self.streaming = streaming
        self.throttle = WatchThrottle()
        #: The path of each watch → when it was last heard, by the monotonic clock.
        self._heard: dict[str, float] = {}

    def heard(self, path: str) -> None:
        """A watch has an event or a bookmark."""
        self._heard[path] = time.monotonic()
        metrics.WATCHES.heard(keys.PLURAL, path, time.time())

    def is_current(self) -> bool:
        """Whether all watches have been heard lately."""
        since = time.monotonic() - SILENCE_SECONDS
        return bool(self._heard) and min(self._heard.values()) > since

    def trace_config(self) -> aiohttp.TraceConfig:
        """Hooks of a session that set Accept, and notice a server that cannot stream lists."""

        async def ask_for_metadata(
            _: aiohttp.ClientSession, __: Any, request: aiohttp.TraceRequestStartParams
        ) -> None:
            if request.url.path.endswith(f"/{keys.PLURAL}"):
                watch = "watch" in request.url.query
                request.headers["Accept"] = METADATA if watch else METADATA_LIST

        async def notice_refusal(
            _: aiohttp.ClientSession, __: Any, request: aiohttp.TraceRequestEndParams
        ) -> None:
            if "sendInitialEvents" in request.url.query:
                self.streaming = request.response.status not in _UNKNOWN_OPTION

        async def count(
            _: aiohttp.ClientSession, __: Any, request: aiohttp.TraceRequestEndParams
        ) -> None:
            _count(request, str(request.response.status))

        async def count_failure(
            _: aiohttp.ClientSession, __: Any, request: aiohttp.TraceRequestExceptionParams
        ) -> None:
            _count(request, metrics.NO_ANSWER)

        hooks = aiohttp.TraceConfig()
        hooks.on_request_start.append(ask_for_metadata)
        hooks.on_request_end.extend((notice_refusal, count))
        hooks.on_request_exception.append(count_failure)
        return hooks


async def open_session(client: KubeClient, options: WatchOptions) -> kopf.AiohttpSession:
    """A session with the credentials of ``client``. Its watches are throttled.

    kopf begins a watch that has ended again without a pause.
    """
    connection = client.connection

    class Response(_Response):
        heard = staticmethod(options.heard)

    session = connection.open_session(
        connection.tls_context(),
        connections=0,
        traces=[options.trace_config(), options.throttle.trace_config()],
        response_class=Response,
    )
    if authorization := connection.authorization():
        session.headers["Authorization"] = authorization
    return kopf.AiohttpSession(server=connection.host, aiohttp_session=session)


class _Response(aiohttp.ClientResponse):
    """An answer whose events, or items, can be parsed. ``heard``: called with a watch's path."""

    heard: Callable[[str], None]

    async def start(self, connection: Any) -> aiohttp.ClientResponse:
        """Put a filter before the events of a watch."""
        await super().start(connection)
        if "watch" in self.url.query:
            lists = "sendInitialEvents" in self.url.query
            events = _Events(self.content, self.url.path, self.heard, lists=lists)
            self.content = cast("aiohttp.StreamReader", events)
        return self

    async def json(self, **options: Any) -> Any:
        """The answer's JSON; a page of a list that is nested too deeply has no items.

        The periodic resync finds them.
        """
        try:
            return await super().json(**options)
        except RecursionError:
            log.warning("list %s: an object is nested too deeply; its page is skipped", keys.PLURAL)
            return {"items": [], "metadata": list_metadata(await self.read())}


class _Events:
    """The content of a watch: one event in each chunk.

    ``lists``: it begins with a list. If it ends before the end of that, kopf would watch from the
    version of the last object, and miss those that were to follow; so it is told to list again.
    """

    def __init__(
        self,
        content: aiohttp.StreamReader,
        path: str,
        heard: Callable[[str], None],
        *,
        lists: bool,
    ) -> None:
        self._content = content
        self._path = path
        self._heard = heard
        self._lists = lists

    def __getattr__(self, name: str) -> Any:
        """What aiohttp itself asks of it."""
        return getattr(self._content, name)

    async def iter_chunked(self, _: int) -> AsyncIterator[bytes]:
        """What kopf asks of it."""
        listing = self._lists
        try:
            async for event in parsed_events(self._content, self._path, parsed_object):
                listing = listing and not _is_end_of_list(event)
                if event["type"] != "ERROR":
                    self._heard(self._path)
                yield _line(_without_field_sets(event))
        except (aiohttp.ClientError, TimeoutError, ValueError):
            if not listing:
                raise
        if listing:
            yield _line(_LIST_AGAIN)


def _count(
    request: aiohttp.TraceRequestEndParams | aiohttp.TraceRequestExceptionParams, code: str
) -> None:
    url = request.url
    metrics.count_request(request.method, url.path, code, watch="watch" in url.query)


def _is_end_of_list(event: Object) -> bool:
    """Whether an event ends the list that a watch with ``sendInitialEvents`` begins with."""
    annotations = event["object"].get("metadata", {}).get("annotations") or {}
    return event["type"] == "BOOKMARK" and annotations.get(END_OF_LIST) == "true"


def _line(event: Object) -> bytes:
    return json.dumps(event).encode() + b"\n"


def _without_field_sets(event: Object) -> Object:
    """An event without the names of all fields, which are most of the metadata."""
    metadata = event["object"].get("metadata", {})
    for each in metadata.get("managedFields", ()):
        each.pop("fieldsV1", None)
    return event
