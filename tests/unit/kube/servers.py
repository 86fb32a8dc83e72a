"""A small API server for tests of watches: it serves the CRD, no objects, and scripted watches."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

#: The answer to a watch: events, then the end; None: it stays open. An event of the type CUT cuts
#: the connection instead.
Watch = Callable[[int], tuple[list[dict[str, Any]], int] | None]

SYNCED = {
    "type": "BOOKMARK",
    "object": {
        "metadata": {"resourceVersion": "1", "annotations": {"k8s.io/initial-events-end": "true"}}
    },
}

#: Group and version → resources: plural, kind, namespaced.
_SERVED = {
    "v1": [("namespaces", "Namespace", False)],
    "apiextensions.k8s.io/v1": [("customresourcedefinitions", "CustomResourceDefinition", False)],
    "pryv.io/v1alpha1": [("pryvplatforms", "PryvPlatform", True)],
}


@dataclass
class ApiServer:
    """``watch``: the number of an earlier watch → its events and HTTP status, or None."""

    watch: Watch = lambda _: None
    retry_after: str | None = None
    url: str = ""
    watches: list[float] = field(default_factory=list)
    #: Whether platforms were watched or listed → the representation that was asked for.
    asked: list[tuple[bool, str]] = field(default_factory=list)
    #: Of each watch, its options.
    options: list[Mapping[str, str]] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/pryvplatforms"):
            self.asked.append(("watch" in request.query, request.headers["Accept"]))
        if request.query.get("watch"):
            return await self._watched(request)
        if request.method in ("POST", "PUT"):
            body = await request.json()
            body["metadata"]["resourceVersion"] = "2"
            return web.json_response(body)
        return _discovered(request.path)

    async def _watched(self, request: web.Request) -> web.StreamResponse:
        self.options.append(dict(request.query))
        self.watches.append(asyncio.get_running_loop().time())
        scripted = self.watch(len(self.watches))
        events, status = scripted or ([SYNCED], 200)
        headers = {"Retry-After": self.retry_after} if self.retry_after else {}
        if status != 200:
            return web.json_response(
                {"code": status, "message": "no"}, status=status, headers=headers
            )
        response = web.StreamResponse()
        await response.prepare(request)
        for event in events:
            if event["type"] == "CUT":
                assert request.transport
                request.transport.abort()
                break
            await response.write(json.dumps(event).encode() + b"\n")
        if scripted is None:
            await asyncio.sleep(60)
        return response


def _discovered(path: str) -> web.Response:
    if "/leases/" in path:
        return web.json_response({"reason": "NotFound"}, status=404)
    if path == "/api":
        return web.json_response({"versions": ["v1"]})
    if path == "/apis":
        return web.json_response({"groups": [_group(name) for name in _SERVED if "/" in name]})
    group = path.removeprefix("/apis/").removeprefix("/api/")
    if group in _SERVED:
        return web.json_response({"resources": [_resource(*each) for each in _SERVED[group]]})
    return web.json_response({"items": [], "resources": [], "metadata": {"resourceVersion": "1"}})


def _group(name: str) -> dict[str, Any]:
    group, version = name.split("/")
    served = {"version": version, "groupVersion": name}
    return {"name": group, "versions": [served], "preferredVersion": served}


def _resource(plural: str, kind: str, namespaced: bool) -> dict[str, Any]:
    verbs = ["get", "list", "watch", "patch"]
    names = {"name": plural, "kind": kind, "singularName": kind.lower()}
    return names | {"namespaced": namespaced, "verbs": verbs}


@asynccontextmanager
async def serving(
    server: ApiServer, context: ssl.SSLContext | None = None
) -> AsyncIterator[ApiServer]:
    """Serve on a free port of the loopback; ``url`` is where."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    server.url = f"http{'s' if context else ''}://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()
