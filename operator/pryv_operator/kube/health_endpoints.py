"""``/healthz``, ``/readyz``, ``/metrics``: whether work gets done, not whether the loop turns."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from pryv_operator.kube.metrics import exposition

#: Returns what is wrong, in a few words; None when nothing is.
Check = Callable[[], str | None]


@asynccontextmanager
async def serving(
    host: str, port: int, *, healthy: Check, ready: Check, with_metrics: bool = True
) -> AsyncIterator[int]:
    """Serve while the context lasts; yields the port (``port`` 0: a free one)."""

    def check_response(check: Check) -> web.Response:
        problem = check()
        return web.Response(text=f"{problem or 'ok'}\n", status=503 if problem else 200)

    async def healthz(_: web.Request) -> web.Response:
        return check_response(healthy)

    async def readyz(_: web.Request) -> web.Response:
        return check_response(ready)

    async def metrics(_: web.Request) -> web.Response:
        return metrics_response()

    app = web.Application()
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    if with_metrics:
        app.router.add_get("/metrics", metrics)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    try:
        await site.start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


def metrics_response() -> web.Response:
    """All metrics, as Prometheus reads them."""
    return web.Response(body=exposition(), headers={"Content-Type": CONTENT_TYPE_LATEST})
