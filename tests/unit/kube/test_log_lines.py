"""Logs of containers are read line by line, from a real HTTP server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.connection import Connection
from pryv_operator.kube.errors import RejectedError, UnavailableError
from pryv_operator.kube.resources import PODS
from pryv_operator.kube.transport import Sender

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def client_of(handler: Handler, sender: Sender | None = None) -> AsyncIterator[KubeClient]:
    app = web.Application()
    app.router.add_get("/{path:.*}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    connection = Connection(f"http://127.0.0.1:{runner.addresses[0][1]}")
    try:
        async with KubeClient(connection, sender=sender) as client:
            yield client
    finally:
        await runner.cleanup()


def answering(*chunks: bytes) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for chunk in chunks:
            await response.write(chunk)
            await asyncio.sleep(0)
        return response

    return handler


@pytest.mark.parametrize(
    ("chunks", "lines"),
    [
        ((), []),
        ((b"one\ntwo\n",), [b"one", b"two"]),
        ((b"on", b"e\nt", b"wo"), [b"one", b"two"]),
        ((b"\n\nx\n",), [b"", b"", b"x"]),
        ((b"x" * 3_000_000 + b"\n",), [b"x" * 3_000_000]),
        ((b"\xff\xfe\n",), [b"\xff\xfe"]),
    ],
)
async def test_lines_are_whole_whatever_the_chunks(
    chunks: tuple[bytes, ...], lines: list[bytes]
) -> None:
    async with client_of(answering(*chunks)) as client:
        assert [line async for line in client.pod_log("pryv", "pod", {})] == lines


async def test_a_line_is_read_before_the_answer_ends() -> None:
    ended = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"first\n")
        await ended.wait()
        return response

    async with client_of(handler) as client:
        lines = client.pod_log("pryv", "pod", {"follow": "true"})
        assert await asyncio.wait_for(anext(lines), 5) == b"first"
        ended.set()
        assert [line async for line in lines] == []


async def test_request_names_the_container_and_the_sender() -> None:
    seen: list[web.Request] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.append(request)
        return web.Response()

    headers = (
        ("Impersonate-User", "jane"),
        ("Impersonate-Group", "a"),
        ("Impersonate-Group", "b"),
    )
    async with client_of(handler, Sender("kubectl-pryv", headers)) as client:
        query = {"container": "hfs", "tailLines": 10, "sinceSeconds": None}
        assert [line async for line in client.pod_log("pryv", "acme-co1-hfs-1", query)] == []
    (request,) = seen
    assert request.path == "/api/v1/namespaces/pryv/pods/acme-co1-hfs-1/log"
    assert dict(request.query) == {"container": "hfs", "tailLines": "10"}
    assert request.headers["User-Agent"] == "kubectl-pryv"
    assert request.headers["Impersonate-User"] == "jane"
    assert request.headers.getall("Impersonate-Group") == ["a", "b"]


async def test_errors_of_the_api_server_are_raised() -> None:
    async def refusing(_: web.Request) -> web.StreamResponse:
        status = {"kind": "Status", "message": "container is waiting to start", "code": 400}
        return web.json_response(status, status=400)

    async with client_of(refusing) as client:
        with pytest.raises(RejectedError, match="waiting to start"):
            await anext(client.pod_log("pryv", "pod", {}))


async def test_a_request_ends_after_its_timeout() -> None:
    async def silent(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(1)
        return web.Response()

    async with client_of(silent, Sender(timeout_seconds=0.2)) as client:
        with pytest.raises(UnavailableError, match="Timeout"):
            await client.get(PODS, "pryv", "pod")
