"""The client when something else than an API server answers: a proxy, a cut connection."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from pryv_operator.kube.client import METADATA, KubeClient
from pryv_operator.kube.connection import Connection
from pryv_operator.kube.errors import TooDeepError, TooLargeError, UnavailableError
from pryv_operator.kube.resources import CONFIG_MAPS
from pryv_operator.kube.watch_events import WatchEvent

EVENT = b'{"type": "ADDED", "object": {"metadata": {"name": "a"}}}\n'


@asynccontextmanager
async def answering(
    handle: Callable[[web.Request], Awaitable[web.Response]],
) -> AsyncIterator[KubeClient]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        async with KubeClient(Connection(host=f"http://127.0.0.1:{port}")) as client:
            yield client
    finally:
        await runner.cleanup()


def server_that_answers(body: bytes) -> AbstractAsyncContextManager[KubeClient]:
    async def handle(request: web.Request) -> web.Response:
        return web.Response(body=body)

    return answering(handle)


@pytest.mark.parametrize(
    "body",
    [b"<html>log in first</html>", b"", b"\xff\xfe", b'{"metadata": ', b"[]", b"null", b'"a"'],
    ids=["html", "empty", "binary", "cut", "list", "null", "text"],
)
async def test_an_answer_that_is_not_json_is_retryable(body: bytes) -> None:
    """Nor a JSON object."""
    async with server_that_answers(body) as client:
        with pytest.raises(UnavailableError, match="the answer is not valid JSON"):
            await client.get(CONFIG_MAPS, "n", "a")


async def test_a_watch_that_is_cut_in_the_middle_of_a_line_is_retryable() -> None:
    async with server_that_answers(EVENT + EVENT[:20]) as client:
        events = client.watch(CONFIG_MAPS, "n", {}, accept=METADATA)
        assert isinstance(event := await anext(events), WatchEvent)
        assert event.type == "ADDED"
        with pytest.raises(UnavailableError, match=r"watch .*configmaps: a line is not valid JSON"):
            await anext(events)


@pytest.mark.parametrize("line", [b"[]\n", b"null\n", b"7\n"])
async def test_a_line_of_a_watch_that_is_no_object_is_retryable(line: bytes) -> None:
    """Any other exception would end the process."""
    async with server_that_answers(EVENT + line) as client:
        events = client.watch(CONFIG_MAPS, "n", {}, accept=METADATA)
        assert isinstance(await anext(events), WatchEvent)
        with pytest.raises(UnavailableError):
            await anext(events)


async def test_an_error_that_is_nested_too_deeply_is_an_error_like_any_other() -> None:
    async def handle(_: web.Request) -> web.Response:
        return web.Response(status=503, body=b"[" * 1_000_000)

    async with answering(handle) as client:
        with pytest.raises(UnavailableError, match="503"):
            await client.get(CONFIG_MAPS, "n", "a")


async def test_a_deeply_nested_object_does_not_end_a_watch() -> None:
    head = b'{"type": "ADDED", "object": {"metadata": {"managedFields": '
    deep = head + b"[" * 1_000_000 + b"\n"
    async with server_that_answers(EVENT + deep + EVENT) as client:
        events = client.watch(CONFIG_MAPS, "n", {}, accept=METADATA)
        assert [each.metadata.name async for each in events if isinstance(each, WatchEvent)] == [
            "a",
            "a",
        ]


async def test_a_deeply_nested_object_is_an_error_of_its_own() -> None:
    async with server_that_answers(b"[" * 1_000_000) as client:
        with pytest.raises(TooDeepError, match="configmaps/a: an object is nested too deeply"):
            await client.get(CONFIG_MAPS, "n", "a")


@pytest.mark.parametrize(
    ("size", "names"), [(6_000_000, ["a", "long", "a"]), (17_000_000, ["a", "a"])]
)
async def test_an_event_of_any_size_does_not_end_a_watch(size: int, names: list[str]) -> None:
    """The API server escapes characters: an object of 1 MB can be a line of 6 MB."""
    owner = b'"ownerReferences": [{"name": "' + b"\\u003c" * (size // 6) + b'"}]'
    long = b'{"type": "ADDED", "object": {"metadata": {"name": "long", ' + owner + b"}}}\n"
    async with server_that_answers(EVENT + long + EVENT) as client:
        events = client.watch(CONFIG_MAPS, "n", {}, accept=METADATA)
        assert [
            each.metadata.name async for each in events if isinstance(each, WatchEvent)
        ] == names


async def test_watches_take_no_connection_of_requests() -> None:
    """An operator of four namespaces has 36 watches, and 32 connections for requests."""
    watching = asyncio.Event()
    watches = 0

    async def handle(request: web.Request) -> web.Response:
        nonlocal watches
        if "watch" in request.query:
            watches += 1
            if watches == 40:
                watching.set()
            await asyncio.sleep(60)
        return web.json_response({"metadata": {"name": "a"}})

    async def follow(client: KubeClient) -> None:
        async for _ in client.watch(CONFIG_MAPS, "n", {}, accept=METADATA):
            pass

    async with answering(handle) as client:
        followers = [asyncio.create_task(follow(client)) for _ in range(40)]
        async with asyncio.timeout(30):
            await watching.wait()
            assert await client.get(CONFIG_MAPS, "n", "a")
        for each in followers:
            each.cancel()
        await asyncio.gather(*followers, return_exceptions=True)


async def test_of_a_large_answer_only_its_beginning_is_read() -> None:
    async with server_that_answers(b'{"items": []' + b" " * 9_000_000) as client:
        with pytest.raises(TooLargeError, match="exceeds 1000 bytes"):
            await client.list_page(CONFIG_MAPS, "n", max_bytes=1000)
    async with server_that_answers(b'{"items": null, "metadata": {}}') as client:
        assert await client.list_page(CONFIG_MAPS, "n", max_bytes=1000) == {
            "items": [],
            "metadata": {},
        }


async def test_after_a_deeply_nested_object_pages_are_large_again() -> None:
    """Else one object would make each list thousands of requests."""
    names = [f"o{number:04}" for number in range(1200)]
    limits: list[int] = []

    async def handle(request: web.Request) -> web.Response:
        first, limit = int(request.query.get("continue", 0)), int(request.query["limit"])
        limits.append(limit)
        page = range(first, min(first + limit, len(names)))
        items = [
            "[" * 100_000 if each == 600 else json.dumps({"metadata": {"name": names[each]}})
            for each in page
        ]
        more = {"continue": str(page.stop)} if page.stop < len(names) else {}
        body = f'{{"metadata":{json.dumps(more)},"items":[{",".join(items)}]}}'
        return web.Response(text=body)

    async with answering(handle) as client:
        found = await client.list_reduced(CONFIG_MAPS, "n", lambda item: item["metadata"]["name"])
    assert found == [*names[:600], *names[601:]]
    assert limits[-1] == limits[0]
    assert len(limits) < 30


async def test_of_an_answer_that_is_not_read_little_is_held() -> None:
    """As of a list that is streamed faster than its objects can be looked at."""
    async with server_that_answers(EVENT * 200_000) as client:
        events = client.watch(CONFIG_MAPS, "n", {}, accept=METADATA)
        await anext(events)
        session = client._transport._session(limited=False)
        assert isinstance(session.connector, aiohttp.TCPConnector)
        (protocol,) = session.connector._acquired
        for _ in range(100):
            await asyncio.sleep(0.001)
        received = protocol._payload.total_bytes
        assert 0 < received < 2_000_000
        assert received < len(EVENT) * 200_000
