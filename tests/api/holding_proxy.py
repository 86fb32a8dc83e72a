"""A proxy between an operator and the API server that records requests and can hold one of them.

While the request is held, the operator is frozen with SIGSTOP.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import ssl
import threading
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Literal, Self, TypeVar

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

from pryv_operator.api import labels_annotations as keys
from tests.cluster.control_plane import ControlPlane
from tests.cluster.waiting import wait_until

_Answer = TypeVar("_Answer")
_START_SECONDS = 30
_NOT_FORWARDED = ("host", "transfer-encoding", "content-length", "connection")


@dataclass
class Request:
    """A received request. ``status`` is the HTTP status of its response; 0: none yet."""

    method: str
    path: str
    agent: str
    status: int = 0

    @property
    def writes(self) -> bool:
        return self.method not in ("GET", "HEAD")

    @property
    def of_operator(self) -> bool:
        """Whether the operator's own client sent it. kopf's client only watches."""
        return self.agent == keys.FIELD_MANAGER


@dataclass
class Hold:
    """Freeze process ``pid`` at its ``number``-th write (from 1) to ``namespace``; hold the write.

    ``before``: the write has not reached the API server. ``after``: the API server has handled
    it, and only the response is held.
    """

    namespace: str
    number: int
    when: Literal["before", "after"]
    pid: int
    count: int = 0
    held: Request | None = None


class HoldingProxy:
    """``with HoldingProxy(control_plane) as proxy:`` listens on ``proxy.url``.

    Plain HTTP: it listens on the loopback interface only.
    """

    def __init__(self, control_plane: ControlPlane) -> None:
        self._target = control_plane.url
        self._tls = ssl.create_default_context(cafile=str(control_plane.ca_file))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._released = asyncio.Event()
        self._hold: Hold | None = None
        self.requests: list[Request] = []
        self.url = ""

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def hold(self, hold: Hold) -> None:
        """Hold the write that `hold` describes when it arrives."""
        self._released.clear()
        self._hold = hold

    def release(self) -> Request:
        """Release the held request; return it once its response has been sent."""
        assert self._hold is not None
        held, self._hold = self._hold.held, None
        assert held is not None
        self._loop.call_soon_threadsafe(self._released.set)
        wait_until(
            lambda: held.status, f"{held.method} {held.path} to be answered", seconds=30, every=0.01
        )
        return held

    def _run(self, work: Coroutine[Any, Any, _Answer]) -> _Answer:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_START_SECONDS)

    async def _start(self) -> None:
        self._session = aiohttp.ClientSession(
            auto_decompress=False, timeout=aiohttp.ClientTimeout()
        )
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _stop(self) -> None:
        self._released.set()
        await self._runner.cleanup()
        await self._session.close()
        await asyncio.sleep(0)

    async def _handle(self, incoming: web.Request) -> web.StreamResponse:
        body = await incoming.read()
        request = Request(incoming.method, incoming.path_qs, incoming.headers.get("User-Agent", ""))
        self.requests.append(request)
        when = self._freeze_at(request)
        if when == "before":
            await self._released.wait()
        headers = _without(incoming.headers)
        async with self._session.request(
            request.method,
            self._target + incoming.path_qs,
            headers=headers,
            data=body or None,
            ssl=self._tls,
        ) as answer:
            if when == "after":
                await answer.read()
                await self._released.wait()
            outgoing = web.StreamResponse(status=answer.status, headers=_without(answer.headers))
            with contextlib.suppress(ConnectionError):  # the operator has exited
                await outgoing.prepare(incoming)
                async for chunk in answer.content.iter_any():
                    await outgoing.write(chunk)
                if when == "after":
                    await outgoing.write(await answer.read())
                await outgoing.write_eof()
            request.status = answer.status
            return outgoing

    def _freeze_at(self, request: Request) -> str | None:
        hold = self._hold
        if (
            hold is None
            or hold.held
            or not request.writes
            or f"/namespaces/{hold.namespace}/" not in request.path
        ):
            return None
        hold.count += 1
        if hold.count < hold.number:
            return None
        os.kill(hold.pid, signal.SIGSTOP)
        hold.held = request
        return hold.when


def _without(headers: Any) -> CIMultiDict[str]:
    return CIMultiDict(
        (key, value) for key, value in headers.items() if key.lower() not in _NOT_FORWARDED
    )
