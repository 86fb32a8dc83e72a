"""No write is sent once leadership has ended, even if it has waited for a connection."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from pryv_operator.api.kubernetes import Object
from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.connection import Connection
from pryv_operator.kube.errors import NotLeaderError
from pryv_operator.kube.leadership import Leadership, ShardedLeadership
from pryv_operator.kube.resources import CONFIG_MAPS
from pryv_operator.kube.shards import Shards
from pryv_operator.kube.transport import Sender
from tests.unit.kube.certificates import self_signed

ITEM: Object = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "a", "namespace": "n", "uid": "u", "resourceVersion": "1"},
}
WRITES: dict[str, Callable[[KubeClient], Awaitable[Any]]] = {
    "create": lambda client: client.create(ITEM),
    "apply": lambda client: client.apply(ITEM, ITEM),
    "status": lambda client: client.apply_status(ITEM),
    "owners": lambda client: client.patch_owner_references(ITEM, []),
    "delete": lambda client: client.delete(ITEM),
    "own": lambda client: client.write_own(ITEM, shard=0),
}
READS: dict[str, Callable[[KubeClient], Awaitable[Any]]] = {
    "get": lambda client: client.get(CONFIG_MAPS, "n", "a"),
    "lease": lambda client: client.replace_lease({**ITEM, "kind": "Lease"}),
}


class Elected:
    """A leader whose time can be made to pass."""

    def __init__(self) -> None:
        self.now = 0.0
        self.leadership = Leadership(10, lambda: self.now)
        self.leadership.renewed(0)

    def let_time_pass(self) -> None:
        self.now = 10.0


@asynccontextmanager
async def api_server(
    context: ssl.SSLContext | None = None,
) -> AsyncIterator[tuple[web.TCPSite, list[str], asyncio.Event]]:
    """A server that records requests, and answers once the event is set."""
    asked: list[str] = []
    answer = asyncio.Event()

    async def handle(request: web.Request) -> web.Response:
        asked.append(f"{request.method} {request.path}")
        await answer.wait()
        return web.json_response({"metadata": {"resourceVersion": "1"}})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    try:
        await site.start()
        yield site, asked, answer
    finally:
        answer.set()
        await runner.cleanup()


def configuration(site: web.TCPSite, scheme: str = "http") -> Connection:
    assert site._server is not None
    sockets = site._server.sockets  # type: ignore[attr-defined]
    return Connection(f"{scheme}://127.0.0.1:{sockets[0].getsockname()[1]}", verify=False)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while True:
            if true():
                return
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("name", [*WRITES, *READS])
async def test_a_former_leader_sends_nothing(name: str) -> None:
    elected = Elected()
    async with (
        api_server() as (site, asked, answer),
        KubeClient(configuration(site), elected.leadership) as client,
    ):
        answer.set()
        await (WRITES | READS)[name](client)
        assert len(asked) == 1
        elected.let_time_pass()
        with pytest.raises(NotLeaderError):
            await (WRITES | READS)[name](client)
        assert len(asked) == 1


@pytest.mark.parametrize("name", [*WRITES, *READS])
async def test_a_standby_only_reads(name: str) -> None:
    async with (
        api_server() as (site, asked, answer),
        KubeClient(configuration(site), Leadership(10)) as client,
    ):
        answer.set()
        if name in WRITES:
            with pytest.raises(NotLeaderError):
                await WRITES[name](client)
        else:
            await READS[name](client)
        assert len(asked) == (name in READS)


@pytest.mark.parametrize("step", [1, 2, 3])
@pytest.mark.parametrize("name", WRITES)
async def test_leadership_is_checked_directly_before_the_bytes_are_sent(
    name: str, step: int
) -> None:
    """The lease ends before the first, the second or the third check.

    The second is made when there is a connection, the third when the writing task has begun.
    """
    asked_for = 0

    def clock() -> float:
        nonlocal asked_for
        asked_for += 1
        return 0.0 if asked_for < step else 10.0

    leadership = Leadership(10, clock)
    leadership.renewed(0)
    async with (
        api_server() as (site, asked, answer),
        KubeClient(configuration(site), leadership) as client,
    ):
        answer.set()
        with pytest.raises(NotLeaderError):
            await WRITES[name](client)
        assert not asked
        assert asked_for >= step


@pytest.mark.parametrize("name", [*WRITES, "get"])
async def test_a_request_that_waited_for_a_connection_of_the_pool_is_not_sent(name: str) -> None:
    elected = Elected()
    async with (
        api_server() as (site, asked, answer),
        KubeClient(configuration(site), elected.leadership) as client,
    ):
        size = Sender().connections
        others = [asyncio.create_task(client.get(CONFIG_MAPS, "n", "a")) for _ in range(size)]
        await until(lambda: len(asked) == size)
        waiting = asyncio.ensure_future((WRITES | READS)[name](client))
        connector: Any = client._transport._session(limited=True).connector
        await until(lambda: any(connector._waiters.values()))
        elected.let_time_pass()
        answer.set()
        with pytest.raises(NotLeaderError):
            await waiting
        await asyncio.gather(*others)
        assert len(asked) == size


@pytest.mark.parametrize("name", [*WRITES, *READS])
async def test_a_request_that_waited_for_its_connection_to_be_made_is_not_sent(
    name: str, tmp_path: Path
) -> None:
    elected = Elected()
    async with api_server(self_signed(tmp_path)) as (site, asked, answer):
        listening = site._server
        assert isinstance(listening, asyncio.Server)
        answer.set()
        asyncio.get_running_loop().remove_reader(
            listening.sockets[0].fileno()
        )  # the kernel still takes connections
        async with KubeClient(configuration(site, "https"), elected.leadership) as client:
            waiting = asyncio.ensure_future((WRITES | READS)[name](client))
            await until(
                lambda: any(
                    each.connector and each.connector._acquired
                    for each in client._transport._opened.values()
                )
            )
            elected.let_time_pass()
            listening._serving = False  # type: ignore[attr-defined]
            await listening.start_serving()
            with pytest.raises(NotLeaderError):
                await waiting
        assert not asked


@pytest.mark.parametrize("name", WRITES)
async def test_only_what_is_in_a_shard_that_is_led_is_sent(name: str) -> None:
    """The namespace of the objects is in shard 0 of two."""
    shards = Shards(2)
    assert shards.of("n") == 0
    for led in (0, 1):
        leadership = ShardedLeadership(shards, 10, lambda: 0.0)
        leadership.stand_for_number().renewed(0)
        leadership.stand_for(led).renewed(0)
        async with (
            api_server() as (site, asked, answer),
            KubeClient(configuration(site), leadership) as client,
        ):
            answer.set()
            if led:
                with pytest.raises(NotLeaderError):
                    await WRITES[name](client)
            else:
                await WRITES[name](client)
            await READS["get"](client)
            assert len(asked) == 2 - led
