"""A proxy between an operator and the API server: records requests and injects planned faults."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Self
from urllib.parse import parse_qs

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

from tests.faults.faults import COUNTED, Counted, Fault, Kind

_NOT_FORWARDED: Final = (
    "host",
    "transfer-encoding",
    "content-length",
    "connection",
    "accept-encoding",
)
#: How long a request hangs before its connection is reset; shorter than the client's timeout.
HANG_SECONDS: Final = 1.0
#: Delay of a request that is applied after its connection was reset, and of watch events.
DELAY_SECONDS: Final = 1.0
#: How long all requests are refused.
OUTAGE_SECONDS: Final = 3.0
_PLATFORMS: Final = "pryvplatforms"
_REASONS: Final = {409: "Conflict", 410: "Expired", 429: "TooManyRequests", 500: "InternalError"}


@dataclass
class Request:
    """A received request.

    ``status`` is the API server's HTTP status, even if the operator never received it; 0 without
    a response.
    """

    method: str
    plural: str
    name: str
    subresource: str
    dry_run: bool
    watch: bool
    partial: bool = False
    status: int = 0

    @property
    def changes(self) -> bool:
        """Whether it is a write or a dry run of one."""
        return self.method not in ("GET", "HEAD")

    @property
    def writes(self) -> bool:
        return self.changes and not self.dry_run

    @property
    def took_effect(self) -> bool:
        """Whether it is a write that the API server has accepted."""
        return self.writes and 200 <= self.status < 300

    @property
    def starts_reconciliation(self) -> bool:
        return (
            self.method == "GET"
            and self.plural == _PLATFORMS
            and bool(self.name)
            and not self.partial
        )

    def counted_as(self) -> set[Counted]:
        """The counters that this request increases."""
        found: set[Counted] = {"request"}
        if self.writes:
            found.add("write")
        if self.changes:
            found.add("change")
        elif self.starts_reconciliation:
            found.add("reconciliation")
        elif not self.name:
            found.add("list")
        return found

    def __str__(self) -> str:
        path = "/".join(filter(None, (self.plural, self.name, self.subresource)))
        return f"{self.method} {path} → {self.status}"


class FaultProxy:
    """``async with FaultProxy(url, session, tls) as proxy:`` listens on ``proxy.url``.

    Plain HTTP: it listens on the loopback interface only.
    """

    def __init__(self, target: str, session: aiohttp.ClientSession, tls: ssl.SSLContext) -> None:
        """``target`` is the URL of the API server."""
        self._target = target
        self._session = session
        self._tls = tls
        self._faults: tuple[Fault, ...] = ()
        self._kill: Callable[[], None] = lambda: None
        self._kill_before_next = False
        self._stale = False
        self._events_held_until = 0.0
        self._expired_watches: set[str] = set()
        self._older_responses: dict[tuple[str, str], list[bytes]] = {}
        self._watches: list[web.Request] = []
        self._delayed: set[asyncio.Task[None]] = set()
        self.requests: list[Request] = []
        self.counts: Counter[Counted] = Counter()
        #: Faults that have happened.
        self.injected: list[Fault] = []
        #: Whether all connections are reset, as during an outage.
        self.refuses_all = False
        self.url = ""

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*self._delayed, return_exceptions=True)
        self.cut()
        await self._runner.cleanup()

    def plan(self, faults: tuple[Fault, ...], kill: Callable[[], None]) -> None:
        """Reset all counters and inject these faults from now on. ``kill`` kills the operator."""
        self._faults = faults
        self._kill = kill
        self.requests.clear()
        self.counts.clear()
        self.injected.clear()

    def _end_outage(self) -> None:
        self.refuses_all = False

    def cut(self) -> None:
        """Reset the connections of all watches."""
        for incoming in tuple(self._watches):
            _reset(incoming)

    async def wait_delayed(self) -> None:
        """Wait until delayed requests have been sent to the API server."""
        while self._delayed:
            await asyncio.gather(*self._delayed)

    async def _handle(self, incoming: web.Request) -> web.StreamResponse:
        body = await incoming.read()
        request = _request(incoming, body)
        if self.refuses_all or self._kills_before(incoming):
            return _reset(incoming)
        if request.watch:
            return await self._watch(incoming)
        if "/namespaces/" not in incoming.path:
            return await self._answer(incoming, request, body, None)
        self.requests.append(request)
        kinds = self._faults_due(request.counted_as())
        return await self._answer(incoming, request, body, kinds.pop() if kinds else None)

    def _kills_before(self, incoming: web.Request) -> bool:
        """Kill the operator before this request, if a fault after the previous one asks for it."""
        if self._kill_before_next and "/namespaces/" in incoming.path:
            self._kill_before_next = False
            self._kill()
            return True
        return False

    def _faults_due(self, kinds: set[Counted]) -> list[Kind]:
        """Increase the counters; return the kinds of faults that happen at this point."""
        if "reconciliation" in kinds:
            self._stale = False
        found: list[Kind] = []
        for counted in kinds:
            self.counts[counted] += 1
            for fault in self._faults:
                if COUNTED[fault.kind] == counted and fault.at == self.counts[counted]:
                    self.injected.append(fault)
                    found.append(fault.kind)
        if "stale reconciliation" in found:
            self._stale = True
            found.remove("stale reconciliation")
        return found

    async def _answer(
        self, incoming: web.Request, request: Request, body: bytes, kind: Kind | None
    ) -> web.StreamResponse:
        if kind in ("409", "429", "500"):
            return _refusal(int(kind), request)
        if kind in ("killed", "reset", "hangs", "applied late", "all requests refused"):
            return await self._withhold(incoming, request, body, kind)
        memory = self._older_responses.setdefault(
            (incoming.path_qs, incoming.headers.get("Accept", "")), []
        )
        try:
            answer = await self._forward(incoming, request, body)
        except (aiohttp.ClientError, OSError):
            return _reset(incoming)
        if kind == "stale list" or (self._stale and request.method == "GET" and not request.name):
            older = next((each for each in memory if each != answer.body), None)
            if older is not None:
                return web.Response(body=older, content_type="application/json")
            # There is no older response: the fault did not happen.
            self.injected = [fault for fault in self.injected if fault.kind != kind]
        if (
            "list" in request.counted_as()
            and request.status == 200
            and (not memory or memory[-1] != answer.body)
        ):
            memory[:] = [*memory[-1:], bytes(answer.body)]  # type: ignore[arg-type]
        if kind in ("killed before the response", "response lost", "hangs after it was applied"):
            return await self._lose_response(incoming, kind)
        self._kill_before_next = self._kill_before_next or kind == "killed after the response"
        return answer

    async def _withhold(
        self, incoming: web.Request, request: Request, body: bytes, kind: Kind
    ) -> web.Response:
        """Inject a fault in which the request does not reach the API server, or too late."""
        if kind == "killed":
            self._kill()
        if kind == "hangs":
            await asyncio.sleep(HANG_SECONDS)
        if kind == "all requests refused":
            self.refuses_all = True
            self.cut()
            asyncio.get_running_loop().call_later(OUTAGE_SECONDS, self._end_outage)
        if kind == "applied late":
            task = asyncio.create_task(self._forward_delayed(incoming, request, body))
            self._delayed.add(task)
            task.add_done_callback(self._delayed.discard)
        return _reset(incoming)

    async def _lose_response(self, incoming: web.Request, kind: Kind) -> web.Response:
        """Inject a fault in which the API server handles the request but no response arrives."""
        if kind == "killed before the response":
            self._kill()
        if kind == "hangs after it was applied":
            await asyncio.sleep(HANG_SECONDS)
        return _reset(incoming)

    async def _forward(self, incoming: web.Request, request: Request, body: bytes) -> web.Response:
        async with self._session.request(
            incoming.method,
            self._target + incoming.path_qs,
            headers=_without(incoming.headers),
            data=body or None,
            ssl=self._tls,
        ) as answer:
            request.status = answer.status
            return web.Response(
                status=answer.status, headers=_without(answer.headers), body=await answer.read()
            )

    async def _forward_delayed(self, incoming: web.Request, request: Request, body: bytes) -> None:
        await asyncio.sleep(DELAY_SECONDS)
        with contextlib.suppress(aiohttp.ClientError, OSError):
            await self._forward(incoming, request, body)

    async def _watch(self, incoming: web.Request) -> web.StreamResponse:
        if incoming.path in self._expired_watches and "resourceVersion" in incoming.query:
            self._expired_watches.discard(incoming.path)
            # As the API server does it: status 200, and an ERROR event.
            return web.Response(body=_GONE, content_type="application/json")
        self._watches.append(incoming)
        try:
            async with self._session.get(
                self._target + incoming.path_qs,
                headers=_without(incoming.headers),
                ssl=self._tls,
                timeout=aiohttp.ClientTimeout(total=None),
            ) as answer:
                outgoing = web.StreamResponse(
                    status=answer.status, headers=_without(answer.headers)
                )
                await outgoing.prepare(incoming)
                rest = b""
                async for chunk in answer.content.iter_any():
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        if not await self._forward_event(line, incoming, outgoing):
                            return outgoing
                await outgoing.write_eof(rest)
                return outgoing
        except (aiohttp.ClientError, OSError):
            return _reset(incoming)
        finally:
            self._watches.remove(incoming)

    async def _forward_event(
        self, line: bytes, incoming: web.Request, outgoing: web.StreamResponse
    ) -> bool:
        """Forward an event unless a fault prevents it; return False if the watch ends with it."""
        kinds = [] if b'"type":"BOOKMARK"' in line[:40] else self._faults_due({"event"})
        for kind in kinds:
            match kind:
                case "event dropped":
                    return True
                case "watches delayed":
                    self._events_held_until = asyncio.get_running_loop().time() + DELAY_SECONDS
                case "watches end":
                    self._end_other_watches(incoming)
                    return False
                case "watches expired":
                    self._expired_watches = {
                        each.path for each in self._watches if each is not incoming
                    }
                    self._end_other_watches(incoming)
                    await outgoing.write(_GONE)
                    return False
        await asyncio.sleep(max(0.0, self._events_held_until - asyncio.get_running_loop().time()))
        await outgoing.write(line + b"\n")
        return True

    def _end_other_watches(self, incoming: web.Request) -> None:
        for each in tuple(self._watches):
            if each is not incoming:
                _reset(each)


def _request(incoming: web.Request, body: bytes) -> Request:
    parts = incoming.path.strip("/").split("/")
    parts = parts[parts.index("namespaces") + 2 :] if "namespaces" in parts else parts[-1:]
    plural, name, subresource = [*parts, "", "", ""][:3]
    if incoming.method == "POST":
        # A ControllerRevision is sent as YAML, but is written as JSON too.
        name = json.loads(body)["metadata"].get("name", "")
    query = parse_qs(incoming.query_string)
    partial = "PartialObjectMetadata" in incoming.headers.get("Accept", "")
    return Request(
        incoming.method, plural, name, subresource, "dryRun" in query, "watch" in query, partial
    )


def _reset(incoming: web.Request) -> web.Response:
    """Reset the connection (TCP RST)."""
    transport = incoming.transport
    if transport is not None:
        connection: socket.socket | None = transport.get_extra_info("socket")
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response(status=500)


def _refusal(code: int, request: Request) -> web.Response:
    status = _status(code)
    if code == 409 and request.method == "POST":
        status["reason"] = "AlreadyExists"
    return web.json_response(
        status, status=code, headers={"Retry-After": "1"} if code == 429 else None
    )


def _status(code: int) -> dict[str, Any]:
    reason = _REASONS[code]
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": "injected by a test",
    }


def _without(headers: Any) -> CIMultiDict[str]:
    return CIMultiDict(
        (key, value) for key, value in headers.items() if key.lower() not in _NOT_FORWARDED
    )


_GONE: Final = json.dumps({"type": "ERROR", "object": _status(410)}).encode() + b"\n"
