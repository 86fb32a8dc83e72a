"""Stands between one operator and the API server: records its requests, and makes things go wrong as planned."""

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

_LEFT_OUT: Final = ("host", "transfer-encoding", "content-length", "connection", "accept-encoding")
#: How long a request hangs before its connection is closed: in place of the client's own patience, which is longer.
HANG_SECONDS: Final = 1.0
#: How much later a request that its sender has given up is done, and how long events are held back.
LATE_SECONDS: Final = 1.0
#: How long everything is refused.
AWAY_SECONDS: Final = 3.0
_PLATFORMS: Final = "pryvplatforms"
_REASONS: Final = {409: "Conflict", 410: "Expired", 429: "TooManyRequests", 500: "InternalError"}


@dataclass
class Request:
    """A request that has arrived. ``status`` is what the API server said (0: nothing, or not yet), whatever the operator heard."""

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
        """Writes and dry runs."""
        return self.method not in ("GET", "HEAD")

    @property
    def writes(self) -> bool:
        return self.changes and not self.dry_run

    @property
    def done(self) -> bool:
        """It is a write, and has taken effect."""
        return self.writes and 200 <= self.status < 300

    @property
    def begins_pass(self) -> bool:
        return (
            self.method == "GET"
            and self.plural == _PLATFORMS
            and bool(self.name)
            and not self.partial
        )

    def counted_as(self) -> set[Counted]:
        """What it is one more of."""
        found: set[Counted] = {"request"}
        if self.writes:
            found.add("write")
        if self.changes:
            found.add("change")
        elif self.begins_pass:
            found.add("pass")
        elif not self.name:
            found.add("list")
        return found

    def __str__(self) -> str:
        return f"{self.method} {self.plural}/{self.name}{'/' + self.subresource if self.subresource else ''} → {self.status}"


class FaultProxy:
    """``async with FaultProxy(url, session, tls) as proxy:`` listens on ``proxy.url`` (HTTP: it is for this machine only)."""

    def __init__(self, target: str, session: aiohttp.ClientSession, tls: ssl.SSLContext) -> None:
        """``target`` is the API server."""
        self._target = target
        self._session = session
        self._tls = tls
        self._faults: tuple[Fault, ...] = ()
        self._kill: Callable[[], None] = lambda: None
        self._dies_next = False
        self._stale = False
        self._held_until = 0.0
        self._gone: set[str] = set()
        self._answers: dict[tuple[str, str], list[bytes]] = {}
        self._open: list[web.Request] = []
        self._late: set[asyncio.Task[None]] = set()
        self.requests: list[Request] = []
        self.counts: Counter[Counted] = Counter()
        #: Faults that have come to pass.
        self.happened: list[Fault] = []
        #: Refuses everything.
        self.down = False
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
        await asyncio.gather(*self._late, return_exceptions=True)
        self.cut()
        await self._runner.cleanup()

    def begin(self, faults: tuple[Fault, ...], kill: Callable[[], None]) -> None:
        """Count from here on, and let these faults happen. ``kill`` kills the operator."""
        self._faults = faults
        self._kill = kill
        self.requests.clear()
        self.counts.clear()
        self.happened.clear()

    def _come_back(self) -> None:
        self.down = False

    def cut(self) -> None:
        """End all watches."""
        for incoming in tuple(self._open):
            _reset(incoming)

    async def late_ones(self) -> None:
        """Wait for requests that are done late."""
        while self._late:
            await asyncio.gather(*self._late)

    async def _handle(self, incoming: web.Request) -> web.StreamResponse:
        body = await incoming.read()
        request = _request(incoming, body)
        if self.down or self._is_last(incoming):
            return _reset(incoming)
        if request.watch:
            return await self._watch(incoming)
        if "/namespaces/" not in incoming.path:
            return await self._answer(incoming, request, body, None)
        self.requests.append(request)
        kinds = self._due(request.counted_as())
        return await self._answer(incoming, request, body, kinds.pop() if kinds else None)

    def _is_last(self, incoming: web.Request) -> bool:
        """Whether the operator was to die after what it did last: this, it does no more."""
        if self._dies_next and "/namespaces/" in incoming.path:
            self._dies_next = False
            self._kill()
            return True
        return False

    def _due(self, kinds: set[Counted]) -> list[Kind]:
        """Faults that are to happen now."""
        if "pass" in kinds:
            self._stale = False
        found: list[Kind] = []
        for counted in kinds:
            self.counts[counted] += 1
            for fault in self._faults:
                if COUNTED[fault.kind] == counted and fault.at == self.counts[counted]:
                    self.happened.append(fault)
                    found.append(fault.kind)
        if "stale pass" in found:
            self._stale = True
            found.remove("stale pass")
        return found

    async def _answer(
        self, incoming: web.Request, request: Request, body: bytes, kind: Kind | None
    ) -> web.StreamResponse:
        if kind in ("409", "429", "500"):
            return _refusal(int(kind), request)
        if kind in ("killed", "reset", "hangs", "done late", "all refused for a while"):
            return await self._leave_out(incoming, request, body, kind)
        memory = self._answers.setdefault(
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
            self.happened = [
                fault for fault in self.happened if fault.kind != kind
            ]  # it has never been otherwise
        if (
            "list" in request.counted_as()
            and request.status == 200
            and (not memory or memory[-1] != answer.body)
        ):
            memory[:] = [*memory[-1:], bytes(answer.body)]  # type: ignore[arg-type]
        if kind in ("killed before the answer", "answer lost", "hangs after it was done"):
            return await self._keep_back(incoming, kind)
        self._dies_next = self._dies_next or kind == "killed after the answer"
        return answer

    async def _leave_out(
        self, incoming: web.Request, request: Request, body: bytes, kind: Kind
    ) -> web.Response:
        """What does not reach the API server, or not in time."""
        if kind == "killed":
            self._kill()
        if kind == "hangs":
            await asyncio.sleep(HANG_SECONDS)
        if kind == "all refused for a while":
            self.down = True
            self.cut()
            asyncio.get_running_loop().call_later(AWAY_SECONDS, self._come_back)
        if kind == "done late":
            task = asyncio.create_task(self._do_late(incoming, request, body))
            self._late.add(task)
            task.add_done_callback(self._late.discard)
        return _reset(incoming)

    async def _keep_back(self, incoming: web.Request, kind: Kind) -> web.Response:
        """What the API server has done, and the operator does not hear of."""
        if kind == "killed before the answer":
            self._kill()
        if kind == "hangs after it was done":
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

    async def _do_late(self, incoming: web.Request, request: Request, body: bytes) -> None:
        await asyncio.sleep(LATE_SECONDS)
        with contextlib.suppress(aiohttp.ClientError, OSError):
            await self._forward(incoming, request, body)

    async def _watch(self, incoming: web.Request) -> web.StreamResponse:
        if incoming.path in self._gone and "resourceVersion" in incoming.query:
            self._gone.discard(incoming.path)
            return web.Response(
                body=_GONE, content_type="application/json"
            )  # so does the API server: 200, and an event
        self._open.append(incoming)
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
                        if not await self._pass_on(line, incoming, outgoing):
                            return outgoing
                await outgoing.write_eof(rest)
                return outgoing
        except (aiohttp.ClientError, OSError):
            return _reset(incoming)
        finally:
            self._open.remove(incoming)

    async def _pass_on(
        self, line: bytes, incoming: web.Request, outgoing: web.StreamResponse
    ) -> bool:
        """Give an event on, if it is to be; False when the watch ends with it."""
        kinds = [] if b'"type":"BOOKMARK"' in line[:40] else self._due({"event"})
        for kind in kinds:
            match kind:
                case "event dropped":
                    return True
                case "watch delayed":
                    self._held_until = asyncio.get_running_loop().time() + LATE_SECONDS
                case "watches end":
                    self._end_others(incoming)
                    return False
                case "watches gone":
                    self._gone = {each.path for each in self._open if each is not incoming}
                    self._end_others(incoming)
                    await outgoing.write(_GONE)
                    return False
        await asyncio.sleep(max(0.0, self._held_until - asyncio.get_running_loop().time()))
        await outgoing.write(line + b"\n")
        return True

    def _end_others(self, incoming: web.Request) -> None:
        for each in tuple(self._open):
            if each is not incoming:
                _reset(each)


def _request(incoming: web.Request, body: bytes) -> Request:
    parts = incoming.path.strip("/").split("/")
    parts = parts[parts.index("namespaces") + 2 :] if "namespaces" in parts else parts[-1:]
    plural, name, subresource = [*parts, "", "", ""][:3]
    if incoming.method == "POST":
        name = json.loads(body)["metadata"].get(
            "name", ""
        )  # a ControllerRevision is JSON too, called YAML
    query = parse_qs(incoming.query_string)
    partial = "PartialObjectMetadata" in incoming.headers.get("Accept", "")
    return Request(
        incoming.method, plural, name, subresource, "dryRun" in query, "watch" in query, partial
    )


def _reset(incoming: web.Request) -> web.Response:
    """Break the connection."""
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
        "message": "planted by a test",
    }


def _without(headers: Any) -> CIMultiDict[str]:
    return CIMultiDict(
        (key, value) for key, value in headers.items() if key.lower() not in _LEFT_OUT
    )


_GONE: Final = json.dumps({"type": "ERROR", "object": _status(410)}).encode() + b"\n"
