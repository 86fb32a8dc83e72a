"""What the watch of platforms reports, whatever kopf makes of the events."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web

from pryv_operator.kube import kopf_session
from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.connection import Connection
from pryv_operator.kube.kopf_handlers import PlatformWatch
from pryv_operator.kube.reflector import Reflector
from pryv_operator.kube.resources import CONFIG_MAPS
from pryv_operator.kube.work_queue import Key
from tests.unit.kube.servers import SYNCED, ApiServer, serving
from tests.unit.kube.test_watches import ENDS, until


def event(kind: str, version: int, uid: str) -> dict[str, Any]:
    metadata = {"name": "a", "namespace": "n", "uid": uid, "resourceVersion": str(version)}
    return {"type": kind, "object": {"metadata": metadata}}


async def test_a_platform_that_was_recreated_at_once_is_followed() -> None:
    """Kopf handles the events of two uids at the same time, so the deletion can come last."""
    events = [SYNCED, event("ADDED", 1, "old")]
    events += [event("MODIFIED", number, "old") for number in range(2, 40)]
    events += [event("DELETED", 40, "old"), event("ADDED", 41, "new")]
    known: dict[Key, str | None] = {}
    server = ApiServer(lambda number: (events, 200) if number == 1 else None)
    async with serving(server), KubeClient(Connection(host=server.url)) as client:
        watch = PlatformWatch(client, [], lambda *_: None, known.__setitem__)
        await until(lambda: len(server.watches) > 1, watch.run(asyncio.Event()))
    assert known == {Key("n", "a"): "41"}


async def test_a_token_that_was_replaced_is_used_for_the_next_watch() -> None:
    used: list[str | None] = []

    class Server(ApiServer):
        async def handle(self, request: web.Request) -> web.StreamResponse:
            if "watch" in request.query:
                used.append(request.headers.get("Authorization"))
                if len(used) > 1 and used[-1] == "Bearer 1":
                    return web.json_response({"code": 401}, status=401)
            return await super().handle(request)

    token = "Bearer 1"
    server = Server(lambda number: ([SYNCED], 200) if number == 1 else None)
    async with (
        serving(server),
        KubeClient(Connection(server.url, authorization=lambda: token)) as client,
    ):
        watch = PlatformWatch(client, [], lambda *_: None, lambda *_: None)

        def replaced() -> bool:
            nonlocal token
            if used:
                token = "Bearer 2"
            return "Bearer 2" in used

        await until(replaced, watch.run(asyncio.Event()))


async def test_a_silent_watch_is_not_current(monkeypatch: pytest.MonkeyPatch) -> None:
    silence = 1000.0
    monkeypatch.setattr(kopf_session, "SILENCE_SECONDS", silence)

    def script(number: int) -> tuple[list[dict[str, Any]], int] | None:
        return ([SYNCED], 200) if number == 1 else None

    async with serving(ApiServer(script)) as server, KubeClient(Connection(server.url)) as client:
        watch = PlatformWatch(client, [], lambda *_: None, lambda *_: None)
        assert not watch.is_current()
        await until(watch.is_current, watch.run(asyncio.Event()))
        assert watch.is_current()
        monkeypatch.setattr(kopf_session, "SILENCE_SECONDS", 0.0)
        assert not watch.is_current()


@pytest.mark.parametrize("end", ["403", "500", "500 in the stream", "429 in the stream"])
async def test_a_watch_that_is_refused_is_not_heard(end: str) -> None:
    """Or it would count as current for as long as it is tried again."""
    async with (
        serving(ApiServer(ENDS[end])) as server,
        KubeClient(Connection(server.url)) as client,
    ):
        watch = PlatformWatch(client, [], lambda *_: None, lambda *_: None)
        await until(lambda: len(server.watches) > 1, watch.run(asyncio.Event()))
        assert not watch.is_current()
        reflector = Reflector(client, CONFIG_MAPS, None, lambda _: None)
        reflector.synced.set()  # by an earlier watch
        seen = len(server.watches)
        await until(lambda: len(server.watches) > seen, reflector.run())
        assert not reflector.is_current()
