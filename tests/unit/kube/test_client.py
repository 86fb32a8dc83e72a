"""The client when something else than an API server answers: a proxy, a cut connection."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from kubernetes.aio.client import Configuration

from pryv_operator.kube.client import METADATA, KubeClient
from pryv_operator.kube.errors import UnavailableError
from pryv_operator.kube.resources import CONFIG_MAPS

EVENT = b'{"type": "ADDED", "object": {"metadata": {"name": "a"}}}\n'


@asynccontextmanager
async def server_that_answers(body: bytes) -> AsyncIterator[KubeClient]:
    async def handle(request: web.Request) -> web.Response:
        return web.Response(body=body)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        async with KubeClient(Configuration(host=f"http://127.0.0.1:{port}")) as client:
            yield client
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("body", [b"<html>log in first</html>", b"", b"\xff\xfe", b'{"metadata": '])
async def test_an_answer_that_is_not_json_is_retryable(body: bytes) -> None:
    async with server_that_answers(body) as client:
        with pytest.raises(UnavailableError, match="the answer is not valid JSON"):
            await client.get(CONFIG_MAPS, "n", "a")


async def test_a_watch_that_is_cut_in_the_middle_of_a_line_is_retryable() -> None:
    async with server_that_answers(EVENT + EVENT[:20]) as client:
        events = client.watch(CONFIG_MAPS, "n", {}, accept=METADATA)
        assert (await anext(events))["type"] == "ADDED"
        with pytest.raises(UnavailableError, match=r"watch .*configmaps: a line is not valid JSON"):
            await anext(events)
