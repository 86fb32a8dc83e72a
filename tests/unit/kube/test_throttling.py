"""A busy API server pauses all requests but those for the Lease, from a real HTTP server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.connection import Connection
from pryv_operator.kube.errors import UnavailableError
from pryv_operator.kube.metrics import REGISTRY
from pryv_operator.kube.rate_limit import Rate
from pryv_operator.kube.resources import PODS
from pryv_operator.kube.transport import Sender

_BUSY = "/api/v1/namespaces/busy/pods/a"


class Server:
    """Refuses requests for one pod. ``seen``: the paths of all requests."""

    def __init__(self, answer: web.Response) -> None:
        self._answer = answer
        self.seen: list[str] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request.path)
        if request.path == _BUSY:
            return self._answer
        return web.json_response({"metadata": {}, "items": []})


@asynccontextmanager
async def client_of(server: Server, sender: Sender | None = None) -> AsyncIterator[KubeClient]:
    app = web.Application()
    app.router.add_get("/{path:.*}", server.handle)
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


async def test_a_retry_after_pauses_all_requests_but_those_for_the_lease() -> None:
    # As the API server answers by its priority and fairness: no JSON.
    text = "Too many requests, please try again later."
    server = Server(web.Response(status=429, headers={"Retry-After": "20"}, text=text))
    async with client_of(server) as client:
        with pytest.raises(UnavailableError) as raised:
            await client.get(PODS, "busy", "a")
        assert raised.value.retry_after == 20
        paused = asyncio.create_task(client.get(PODS, "other", "b"))
        await client.read_lease("system", "pryv-operator")
        assert server.seen[1:] == [
            "/apis/coordination.k8s.io/v1/namespaces/system/leases/pryv-operator"
        ]
        assert not paused.done()
        paused.cancel()


@pytest.mark.parametrize(
    ("status", "headers", "message"),
    [
        (429, {}, "please try again later"),
        (503, {"Retry-After": "20"}, "the server is not ready"),
        (429, {"Retry-After": "20"}, 'admission webhook "a.example.com" denied the request: busy'),
    ],
    ids=["without-retry-after", "unavailable", "of-a-webhook"],
)
async def test_what_pauses_only_the_reconciliation(
    status: int, headers: dict[str, str], message: str
) -> None:
    """A webhook that some namespaces are configured with does not stop the others."""
    body = {"kind": "Status", "message": message, "code": status}
    server = Server(web.json_response(body, status=status, headers=headers))
    async with client_of(server) as client:
        with pytest.raises(UnavailableError):
            await client.get(PODS, "busy", "a")
        await asyncio.wait_for(client.get(PODS, "other", "b"), 10)
    assert len(server.seen) == 2


async def test_the_rate_is_respected_and_measured() -> None:
    def measured() -> float:
        name = "rest_client_rate_limiter_duration_seconds_count"
        return REGISTRY.get_sample_value(name) or 0.0

    before = measured()
    server = Server(web.Response())
    async with client_of(server, Sender(rate=Rate(per_second=0.001, burst=2))) as client:
        await client.get(PODS, "a", "b")
        await client.get(PODS, "a", "b")
        too_many = asyncio.create_task(client.get(PODS, "a", "b"))
        await client.read_lease("system", "pryv-operator")
        assert len(server.seen) == 3
        assert not too_many.done()
        too_many.cancel()
    assert measured() - before == 2
