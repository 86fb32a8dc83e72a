"""How long to wait before a watch is begun again: a busy loop of watches harms the API server."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from pryv_operator.kube.aiohttp_alone import aiohttp

FIRST_BACKOFF: Final = 1.0
_LONGEST_BACKOFF: Final = 30.0
#: A watch that ended sooner has failed, however it ended: the next one waits.
_HEALTHY_SECONDS: Final = 10.0


class WatchBackoff:
    """The back-off of one watch, which grows as long as the watch ends at once."""

    def __init__(self) -> None:
        """Starts with the shortest back-off."""
        self._next = FIRST_BACKOFF

    def after(self, lasted: float) -> float:
        """Seconds to wait before the next watch. ``lasted``: seconds that the last one lasted."""
        if lasted >= _HEALTHY_SECONDS:
            self._next = FIRST_BACKOFF
            return 0.0
        pause = self._next
        self._next = min(_LONGEST_BACKOFF, pause * 2)
        return pause


class WatchThrottle:
    """Delays watches of an aiohttp session whose user begins them again without a pause."""

    def __init__(self) -> None:
        """No watch has been seen."""
        self._began: dict[str, float] = {}
        self._backoffs: dict[str, WatchBackoff] = {}

    def trace_config(self) -> aiohttp.TraceConfig:
        """The hook of a session: aiohttp waits for it before it sends a request."""
        hooks = aiohttp.TraceConfig()
        hooks.on_request_start.append(self._on_request_start)
        return hooks

    async def _on_request_start(
        self, _: aiohttp.ClientSession, __: Any, request: aiohttp.TraceRequestStartParams
    ) -> None:
        if "watch" not in request.url.query:
            return
        path, loop = request.url.path, asyncio.get_running_loop()
        if path in self._began:
            backoff = self._backoffs.setdefault(path, WatchBackoff())
            await asyncio.sleep(backoff.after(loop.time() - self._began[path]))
        self._began[path] = loop.time()
