"""``/metrics`` over HTTPS, for clients that the API server admits."""

from __future__ import annotations

import asyncio
import os
import ssl
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Final

from aiohttp import web

from pryv_operator.kube.health_endpoints import metrics_response
from pryv_operator.kube.metrics_access import MetricsAccess

_CERTIFICATE: Final = "pryv_operator.kube.own_certificate"


@asynccontextmanager
async def serving_metrics(host: str, port: int, access: MetricsAccess) -> AsyncIterator[int]:
    """Serve while the context lasts; yields the port (``port`` 0: a free one)."""

    async def metrics(request: web.Request) -> web.Response:
        decision = await access.decide(request.headers.get("Authorization", ""))
        if decision is HTTPStatus.OK:
            return metrics_response()
        headers = {"WWW-Authenticate": "Bearer"} if decision is HTTPStatus.UNAUTHORIZED else {}
        return web.Response(text=f"{decision.phrase}\n", status=decision, headers=headers)

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, host, port, ssl_context=await _tls())
    try:
        await site.start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


async def _tls() -> ssl.SSLContext:
    """TLS with a certificate of this process; a process of its own makes it.

    Else each operator that only waits would load what makes certificates.
    """
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", _CERTIFICATE),
        stdin=DEVNULL,
        stdout=PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    pem, _ = await program.communicate()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    with tempfile.TemporaryDirectory() as folder:  # ssl reads files only
        file = Path(folder) / "tls.pem"
        file.touch(mode=0o600)
        file.write_bytes(pem)
        context.load_cert_chain(file)
    return context
