"""What others' servers can do to the connections: redirect them, hold them, fill the memory."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from pryv_operator.kube.client import METADATA, KubeClient
from pryv_operator.kube.connection import Connection
from pryv_operator.kube.errors import RejectedError, TooLargeError
from pryv_operator.kube.resources import CONFIG_MAPS, SECRETS

Handle = Callable[[web.Request], Awaitable[web.StreamResponse]]
MIB = 1 << 20


@asynccontextmanager
async def served(handle: Handle) -> AsyncIterator[str]:
    """The URL of a server."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_nothing_follows_a_redirect(status: int) -> None:
    """The body of a write may be a Secret."""
    received: list[str] = []

    async def elsewhere(request: web.Request) -> web.Response:
        received.append(request.method)
        return web.json_response({"metadata": {"name": "a", "resourceVersion": "1"}, "items": []})

    async with served(elsewhere) as other:

        async def redirect(_: web.Request) -> web.Response:
            return web.Response(status=status, headers={"Location": f"{other}/"})

        async with served(redirect) as url, KubeClient(Connection(url)) as client:
            secret = {"apiVersion": "v1", "kind": "Secret", "data": {"k": "djQyMTc="}}
            metadata = {"name": "a", "namespace": "n"}
            with pytest.raises(RejectedError, match=str(status)):
                await client.create({**secret, "metadata": metadata})
            with pytest.raises(RejectedError, match=str(status)):
                await client.get(SECRETS, "n", "a")
            with pytest.raises(RejectedError, match=str(status)):
                await anext(client.watch(CONFIG_MAPS, "n", {}, accept=METADATA))
    assert not received


async def test_requests_that_are_not_answered_hold_up_neither_the_lease_nor_other_tenants() -> None:
    """A webhook that some namespaces are configured with may take its time for each object."""
    answer = asyncio.Event()
    held: list[str] = []

    async def create(client: KubeClient) -> None:
        metadata = {"name": "a", "namespace": "slow"}
        await client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})

    async def handle(request: web.Request) -> web.Response:
        if "/slow/" in request.path:
            held.append(request.path)
            await answer.wait()
        return web.json_response({"metadata": {"name": "a"}})

    async with served(handle) as url, KubeClient(Connection(url)) as client:
        # Half of the workers, each with as many requests as a reconciliation sends at a time.
        slow = [asyncio.create_task(create(client)) for _ in range(32)]
        async with asyncio.timeout(10):
            while len(held) < len(slow):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            await client.get(SECRETS, "other", "a")
        more = [asyncio.create_task(create(client)) for _ in range(99)]
        await asyncio.sleep(0.1)
        async with asyncio.timeout(10):
            await client.read_lease("system", "pryv-operator")
        answer.set()
        await asyncio.gather(*slow, *more)


async def test_what_may_be_too_large_is_not_sent_compressed() -> None:
    """Of an answer that compresses well, each piece would be many MiB before it is counted."""
    body = b'{"metadata": {}, "items": [{"data": "' + b"a" * (64 * MIB) + b'"}]}'
    compressed = gzip.compress(body, 1)
    del body

    async def handle(request: web.Request) -> web.StreamResponse:
        headers = {"Content-Type": "application/json"}
        if "gzip" in request.headers["Accept-Encoding"]:
            return web.Response(body=compressed, headers={**headers, "Content-Encoding": "gzip"})
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        for _ in range(64):
            await response.write(b"a" * MIB)
        return response

    async with served(handle) as url, KubeClient(Connection(url)) as client:
        tracemalloc.start()
        try:
            with pytest.raises(TooLargeError):
                await client.list_page(CONFIG_MAPS, "n", max_bytes=MIB)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 8 * MIB
