"""Stand-ins for what a reverse proxy calls: upstreams that answer with the request, and DNS."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from aiohttp import web

from tests.readers.ports import LOOPBACK

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

T = TypeVar("T")

#: A target that ends so is answered with a redirect to the value.
REDIRECTS = {"/redirected": "https://pryv.github.io/app-web-mfa/there"}
_TYPE_A = 1
_ADDRESS = bytes(int(part) for part in LOOPBACK.split("."))


class StandIns:
    """Servers in a thread of their own. They end with the process at the latest."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._runners: list[web.AppRunner] = []
        self._transports: list[asyncio.BaseTransport] = []

    def upstream(self, path: Path, name: str, answers: Mapping[str, Any] | None = None) -> None:
        """Answer on a Unix socket; the answer is the request and the upstream's name.

        Args:
            path: of the socket.
            name: of the upstream.
            answers: target → a fixed JSON answer.
        """
        self._run(self._serve(name, answers or {}, lambda runner: web.UnixSite(runner, str(path))))

    def tls_upstream(
        self, port: int, name: str, context: ssl.SSLContext
    ) -> Sequence[Mapping[str, Any]]:
        """Answer with TLS on a port of the loopback address.

        Returns:
            The requests, as they come in.
        """
        seen: list[Mapping[str, Any]] = []
        self._run(
            self._serve(
                name,
                {},
                lambda runner: web.TCPSite(runner, LOOPBACK, port, ssl_context=context),
                seen.append,
            )
        )
        return seen

    def dns(self, port: int, hosts: frozenset[str]) -> None:
        """Answer DNS queries: these hosts are on the loopback address, there are no others."""
        transport, _ = self._run(
            self._loop.create_datagram_endpoint(lambda: _Dns(hosts), local_addr=(LOOPBACK, port))
        )
        self._transports.append(transport)

    def stop(self) -> None:
        """Stop all servers."""
        self._run(self._cleanup())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _serve(
        self,
        name: str,
        answers: Mapping[str, Any],
        site: Callable[[web.AppRunner], web.BaseSite],
        record: Callable[[Mapping[str, Any]], None] = lambda _: None,
    ) -> None:
        async def answer(request: web.Request) -> web.Response:
            if request.raw_path in answers:
                return web.json_response(answers[request.raw_path])
            for target, location in REDIRECTS.items():
                if request.raw_path.endswith(target):
                    return web.Response(status=302, headers={"Location": location})
            seen = {
                "upstream": name,
                "method": request.method,
                "target": request.raw_path,
                "headers": {key.lower(): value for key, value in request.headers.items()},
                "body": await request.text(),
            }
            record(seen)
            return web.json_response(seen)

        application = web.Application()
        application.router.add_route("*", "/{any:.*}", answer)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        self._runners.append(runner)
        await site(runner).start()

    async def _cleanup(self) -> None:
        for transport in self._transports:
            transport.close()
        for runner in self._runners:
            await runner.cleanup()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)


@contextmanager
def stand_ins() -> Iterator[StandIns]:
    """Stand-ins that are stopped at the end."""
    found = StandIns()
    try:
        yield found
    finally:
        found.stop()


class _Dns(asyncio.DatagramProtocol):
    """Answers queries for one name each (RFC 1035, section 4.1)."""

    def __init__(self, hosts: frozenset[str]) -> None:
        self._hosts = hosts

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        labels, at = [], 12
        while data[at]:
            labels.append(data[at + 1 : at + 1 + data[at]].decode())
            at += 1 + data[at]
        question = data[12 : at + 5]
        kind = int.from_bytes(data[at + 1 : at + 3])
        known = ".".join(labels).lower() in self._hosts
        has_answer = known and kind == _TYPE_A
        flags = 0x8180 if known else 0x8183  # no such name
        header = data[:2] + b"".join(
            number.to_bytes(2) for number in (flags, 1, int(has_answer), 0, 0)
        )
        record = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x1e\x00\x04" + _ADDRESS
        self._transport.sendto(header + question + (record if has_answer else b""), addr)
