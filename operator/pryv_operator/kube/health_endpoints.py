"""``/healthz``, ``/readyz`` and ``/metrics``: about the work, not about whether the loop turns."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from pryv_operator.kube.metrics import REGISTRY

#: What is wrong, in a few words; None when all is well.
Check = Callable[[], str | None]


@asynccontextmanager
async def serving(host: str, port: int, *, healthy: Check, ready: Check) -> AsyncIterator[int]:
    """Serve for as long as the context lasts; gives the port that was taken."""

    def answer(check: Check) -> Callable[[web.Request], web.Response]:
        def handler(_: web.Request) -> web.Response:
            trouble = check()
            return web.Response(text=f"{trouble or 'ok'}\n", status=503 if trouble else 200)

        return handler

    def wrap(handler: Callable[[web.Request], web.Response]) -> Callable[[web.Request], object]:
        async def respond(request: web.Request) -> web.Response:
            return handler(request)

        return respond

    def metrics(_: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(REGISTRY), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    app = web.Application()
    for path, handler in (
        ("/healthz", answer(healthy)),
        ("/readyz", answer(ready)),
        ("/metrics", metrics),
    ):
        app.router.add_get(path, wrap(handler))  # type: ignore[arg-type]
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    try:
        await site.start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()
