"""HTTP requests to the API server, each checked against the leadership before it is sent."""

from __future__ import annotations

import datetime as dt
import json
import logging
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

from multidict import CIMultiDict

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.kubernetes import Object
from pryv_operator.kube import metrics
from pryv_operator.kube.aiohttp_alone import aiohttp
from pryv_operator.kube.connection import Connection
from pryv_operator.kube.errors import (
    ApiError,
    TooDeepError,
    TooLargeError,
    UnavailableError,
    error_from_status,
    retry_after_of,
)
from pryv_operator.kube.leadership import WriteGuard
from pryv_operator.kube.rate_limit import UNLIMITED, Rate, RateLimiter
from pryv_operator.kube.read_meter import count_read
from pryv_operator.kube.request_labels import namespace_of
from pryv_operator.kube.watch_events import ErrorEvent, WatchEvent, read_event

log = logging.getLogger(__name__)

JSON: Final = "application/json"
APPLY: Final = "application/apply-patch+yaml"

_TIMEOUT: Final = aiohttp.ClientTimeout(total=30, connect=5)
#: The server ends a watch after ``WATCH_SECONDS``; longer silence means a dead connection.
_WATCH_TIMEOUT: Final = aiohttp.ClientTimeout(total=None, connect=5, sock_read=330)
WATCH_SECONDS: Final = 300
#: A container may be silent for as long as it likes.
_LOG_TIMEOUT: Final = aiohttp.ClientTimeout(total=None, connect=5)

#: Raises when a request must not be sent. A context variable, as the tasks that aiohttp makes for a
#: request inherit it.
_CHECK: Final[ContextVar[Callable[[], None] | None]] = ContextVar("check", default=None)

#: In messages about what a webhook has refused.
_WEBHOOK: Final = "admission webhook"

#: An object of etcd's 1.5 MiB fits, also if each character is escaped (six bytes for one).
_LONGEST_LINE: Final = 16 * 1024 * 1024


@dataclass(frozen=True)
class Request:
    """A request.

    ``write``: only the leader may send it. ``max_bytes``: of the answer; None: no limit.
    ``of_lease``: it is counted apart from the others. ``shard``: whose leader may send it; None:
    that of its namespace.
    """

    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Object | str | None = field(default=None, repr=False)
    accept: str = JSON
    content_type: str = JSON
    write: bool = False
    max_bytes: int | None = None
    of_lease: bool = False
    shard: int | None = None

    def __str__(self) -> str:
        """As in messages."""
        return f"{self.method} {self.path}"


def _parsed(text: bytes | bytearray, what: str) -> Object:
    """The JSON object in an answer.

    Raises:
        ValueError: it is not valid JSON, or no object.
        TooDeepError: it is nested more deeply than the parser can follow.
    """
    try:
        return parsed_object(text)
    except RecursionError:
        message = f"{what}: an object is nested too deeply to be read; delete it"
        raise TooDeepError(message, list_metadata(bytes(text))) from None


def parsed_object(text: bytes | bytearray) -> Object:
    """A JSON object.

    Raises:
        ValueError: it is not valid JSON, or no object.
        RecursionError: it is nested too deeply.
    """
    parsed: Any = json.loads(text)
    if not isinstance(parsed, dict):
        raise ValueError  # noqa: TRY004 - as for what is no JSON
    return parsed


def list_metadata(text: bytes) -> Object:
    """The metadata of a list whose items cannot be parsed; empty if it is not one.

    They come before the items, or after those of custom resources.
    """
    head, items, _ = text.partition(b',"items":[')
    field = b'"metadata":{'
    whole = head + b"}" if field in head else b"{" + text[text.rfind(field) :]
    try:
        found: Object = json.loads(whole)["metadata"] if items else {}
    except (ValueError, KeyError, RecursionError):
        return {}
    return found


Event = TypeVar("Event")


async def parsed_events(
    content: aiohttp.StreamReader, path: str, parse: Callable[[bytes], Event]
) -> AsyncIterator[Event]:
    """The events of a watch of ``path``. ``parse``: turns a line into an event.

    Those that are too long, or nested too deeply, are skipped: whoever may write one object must
    not end the watch of all others.

    Raises:
        ValueError: a line is not valid JSON.
    """
    async for line in _lines(content):
        try:
            event = parse(line)
        except RecursionError:
            log.warning(
                "watch %s: an object is nested too deeply to be read; delete it; "
                "its event is skipped",
                path,
            )
            continue
        yield event


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """The lines of an answer without those that are too long to be worth their memory.

    Without the limit of aiohttp, which is lower than what one object can need.
    """
    pending: list[bytes] = []
    size = 0
    async for chunk in content.iter_any():
        for index, piece in enumerate(chunk.split(b"\n")):
            if index:  # a line ends before this piece
                if size <= _LONGEST_LINE:
                    yield b"".join(pending)
                else:
                    log.warning("watch: an event of %d bytes is skipped", size)
                pending, size = [], 0
            size += len(piece)
            if piece and size <= _LONGEST_LINE:
                pending.append(piece)
            elif size > _LONGEST_LINE:
                pending.clear()
    if pending:
        yield b"".join(pending)


@dataclass(frozen=True)
class Sender:
    """Who sends requests: the user agent, further headers, and how long an answer may take.

    ``timeout_seconds`` None: 30 s; 0: no limit. Watches have none but that of silence.
    ``connections``: at a time, besides those of watches, logs and the Lease; 0: no limit. There is
    one for each request that the workers send at a time, as a webhook may hold those of a tenant.
    ``rate``: of all requests but watches, logs and those for the Lease.
    """

    user_agent: str = keys.FIELD_MANAGER
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    timeout_seconds: float | None = None
    connections: int = 64
    rate: Rate = UNLIMITED

    @property
    def timeout(self) -> aiohttp.ClientTimeout:
        """The timeout of a request."""
        if self.timeout_seconds is None:
            return _TIMEOUT
        return aiohttp.ClientTimeout(total=self.timeout_seconds or None, connect=5)


class Transport:
    """Connections to one API server."""

    def __init__(
        self, connection: Connection, leadership: WriteGuard, sender: Sender | None = None
    ) -> None:
        """Reads certificates and keys. The first request opens a connection.

        Raises:
            CredentialsError, OSError: a file of the credentials cannot be used.
        """
        self._leadership = leadership
        self._sender = sender or Sender()
        self._limiter = RateLimiter(self._sender.rate)
        self._connection = connection
        self._host = connection.host
        self._tls = connection.tls_context()
        #: Whether its connections are limited → the session.
        self._opened: dict[bool, aiohttp.ClientSession] = {}

    def _session(self, *, limited: bool) -> aiohttp.ClientSession:
        """Watches and logs would take the connections that requests wait for: they have others.

        So do requests for the Lease, which must not wait.
        """
        if limited not in self._opened:
            self._opened[limited] = self._connection.open_session(
                self._tls,
                connections=self._sender.connections if limited else 0,
                traces=[_checking()],
            )
        return self._opened[limited]

    async def close(self) -> None:
        """Close all connections."""
        for each in self._opened.values():
            await each.close()

    async def send(self, request: Request) -> Object:
        """Send a request; return the answer's JSON.

        Raises:
            TooLargeError: the answer is larger than the request accepts.
            TooDeepError: the answer is nested too deeply.
            ApiError: it was not sent, not answered, or answered with an error.
        """
        if not request.of_lease:
            waited = await self._limiter.wait(namespace_of(request.path))
            metrics.RATE_LIMITER_SECONDS.observe(waited)
        response = await self._send(request, self._sender.timeout)
        try:
            if response.status >= 300:
                raise await self._refusal(response)
            return _parsed(await _read_body(response, request), str(request))
        except (aiohttp.ClientError, TimeoutError) as error:
            raise UnavailableError(
                0, "ConnectionLost", f"{request}: {type(error).__name__}"
            ) from None
        except ValueError:
            raise UnavailableError(
                0, "NoKubernetes", f"{request}: the answer is not valid JSON"
            ) from None
        finally:
            response.release()

    async def stream(self, request: Request) -> AsyncIterator[WatchEvent | ErrorEvent]:
        """Send a request and yield its events until the server ends the answer.

        Raises:
            ApiError: it was not sent, answered with an error, or the connection broke.
        """
        response = await self._send(request, _WATCH_TIMEOUT, endless=True)
        try:
            if response.status != 200:
                raise await self._refusal(response)
            async for event in parsed_events(response.content, request.path, read_event):
                yield event
        except (aiohttp.ClientError, TimeoutError) as error:
            raise UnavailableError(
                0, "ConnectionLost", f"watch {request.path}: {type(error).__name__}"
            ) from None
        except ValueError:  # cut in the middle of a line by something in between
            raise UnavailableError(
                0, "ConnectionLost", f"watch {request.path}: a line is not valid JSON"
            ) from None
        finally:
            response.close()

    async def lines(self, request: Request) -> AsyncIterator[bytes]:
        """Send a request and yield the lines of its answer, which is a text, until its end.

        Raises:
            ApiError: it was not sent, answered with an error, or the connection broke.
        """
        response = await self._send(request, _LOG_TIMEOUT, endless=True)
        try:
            if response.status != 200:
                raise await self._refusal(response)
            async for line in _lines(response.content):
                yield line
        except (aiohttp.ClientError, TimeoutError) as error:
            raise UnavailableError(
                0, "ConnectionLost", f"{request}: {type(error).__name__}"
            ) from None
        finally:
            response.close()

    def _check_of(self, request: Request) -> Callable[[], None]:
        """What raises when the request must not be sent."""
        if not request.write:
            return self._leadership.check_any
        if request.shard is not None:
            return partial(self._leadership.check_shard, request.shard)
        return partial(self._leadership.check_write, namespace_of(request.path))

    async def _refusal(self, response: aiohttp.ClientResponse) -> ApiError:
        """The error that an answer stands for. A server that is too busy is left alone for a while.

        Not so if an admission webhook is: it does not speak for the server.
        """
        error = await _error_of(response)
        of_server = error.status == 429 and _WEBHOOK not in error.message
        if of_server and error.retry_after:
            self._limiter.pause(error.retry_after)
        return error

    async def _send(
        self, request: Request, limit: aiohttp.ClientTimeout, *, endless: bool = False
    ) -> aiohttp.ClientResponse:
        check = self._check_of(request)
        headers: CIMultiDict[str] = CIMultiDict(self._sender.headers)
        headers["Accept"] = request.accept
        if request.max_bytes is not None:  # compressed, little could become much in one piece
            headers["Accept-Encoding"] = "identity"
        headers["Content-Type"] = request.content_type
        headers["User-Agent"] = self._sender.user_agent
        if authorization := self._connection.authorization():
            headers["Authorization"] = authorization
        query = {key: value for key, value in request.query.items() if value is not None}
        url = self._host + request.path + (f"?{urlencode(query)}" if query else "")
        check()
        token = _CHECK.set(check)
        sent = time.perf_counter()
        try:
            response = await self._session(limited=not (endless or request.of_lease)).request(
                request.method,
                url,
                headers=headers,
                data=_payload(request.body),
                allow_redirects=False,  # the body may be a Secret
                timeout=limit,
                server_hostname=self._connection.server_name,
            )
        except ssl.SSLError as error:
            _count(request, metrics.NO_ANSWER)
            raise UnavailableError(0, "TLSError", f"{self._host}: {tls_failure(error)}") from None
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            check()  # aiohttp reports an exception of its writing task as a lost connection
            _count(request, metrics.NO_ANSWER)
            raise UnavailableError(
                0, "NoConnection", f"{request}: {type(error).__name__}"
            ) from None
        finally:
            _CHECK.reset(token)
        _count(request, str(response.status), time.perf_counter() - sent)
        return response


def _payload(body: Object | str | None) -> bytes | None:
    """The bytes of a request's body."""
    if body is None:
        return None
    return (body if isinstance(body, str) else json.dumps(body)).encode()


def _count(request: Request, code: str, seconds: float | None = None) -> None:
    """Count a request. ``seconds``: until it was answered."""
    if request.of_lease:
        metrics.LEASE_REQUESTS.labels(request.method, code).inc()
        return
    verb = metrics.count_request(
        request.method,
        request.path,
        code,
        watch="watch" in request.query,
        apply=request.content_type == APPLY,
    )
    if seconds is not None and verb != "watch":
        metrics.REQUEST_SECONDS.labels(verb).observe(seconds)


def tls_failure(error: ssl.SSLError) -> str:
    """Why a TLS handshake failed, and what to do.

    aiohttp's own exceptions are SSLErrors that were never initialised as such: they lack
    ``reason``, and hold the original one (``certificate_error``, ``os_error``).
    """
    cause = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
    if why := getattr(cause, "verify_message", None):
        return (
            f"the API server's certificate is not trusted: {why}; "
            "check the address and certificate-authority of the credentials"
        )
    why = getattr(cause, "reason", None) or type(cause).__name__
    return f"the TLS handshake failed: {why}; check the address and the credentials"


def _checking() -> aiohttp.TraceConfig:
    """Hooks that check once more when aiohttp has a connection, for which it may have waited.

    aiohttp holds the headers back until the first chunk of the body, which a task of its own may
    write; it calls the hook and writes both to the socket without giving up control in between.
    Without a body, the same holds for the headers' hook.
    """

    async def check(*_: object) -> None:
        if may_send := _CHECK.get():
            may_send()

    hooks = aiohttp.TraceConfig()
    hooks.on_request_headers_sent.append(check)
    hooks.on_request_chunk_sent.append(check)
    return hooks


async def _read_body(response: aiohttp.ClientResponse, request: Request) -> bytes | bytearray:
    if request.max_bytes is None:
        whole = await response.read()
        count_read(len(whole))
        return whole
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > request.max_bytes:
            response.close()  # the rest is not sent
            raise TooLargeError(
                0, "TooLarge", f"{request}: the answer exceeds {request.max_bytes} bytes"
            )
    count_read(len(body))
    return body


async def _error_of(response: aiohttp.ClientResponse) -> ApiError:
    """The error that an answer stands for."""
    try:
        status: Any = json.loads(await response.read())
    except (ValueError, RecursionError):
        status = None
    if not isinstance(status, dict):
        status = {}
    header = response.headers.get("Retry-After", "")
    return error_from_status(
        response.status,
        str(status.get("reason") or response.reason or "Unknown"),
        str(status.get("message") or "no message"),
        parse_retry_after(header) or retry_after_of(status),
    )


def parse_retry_after(header: str) -> float | None:
    """Seconds of a Retry-After header, which holds seconds or a date (RFC 9110, 10.2.3)."""
    if header.isascii() and header.isdigit():
        return float(header)
    try:
        date = parsedate_to_datetime(header)
    except ValueError:
        return None
    now = dt.datetime.now(date.tzinfo)
    return max(0.0, (date - now).total_seconds())
