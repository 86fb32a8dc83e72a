"""Connects to TCP ports, shakes hands by TLS, and reads a document by HTTPS."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from pryv_operator.checks.certificates import Served
from pryv_operator.checks.services import HttpAnswer
from pryv_operator.cli.probes.routes import Routes

#: Of a document at most so many bytes are read.
_BYTES: Final = 256 * 1024


class AuthorityError(Exception):
    """A file of authorities that cannot be used."""


def trusting_context(authorities: Path | None) -> ssl.SSLContext:
    """A TLS context that trusts the system's authorities, and those in a PEM file.

    Raises:
        AuthorityError: the file cannot be used.
    """
    context = ssl.create_default_context()
    if authorities:
        try:
            context.load_verify_locations(cafile=str(authorities))
        except ssl.SSLError:
            raise AuthorityError(f"--ca-file: {authorities}: holds no certificate (PEM)") from None
        except OSError as error:
            raise AuthorityError(f"--ca-file: {authorities}: {error.strerror}") from None
    return context


def unverified_context() -> ssl.SSLContext:
    """A TLS context that accepts any certificate: whether it is trusted is a check of its own."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@dataclass(frozen=True)
class WebProbe:
    """Connects as clients do. ``context``: whom it trusts."""

    context: ssl.SSLContext
    routes: Routes
    timeout: float

    async def connect(self, address: str, port: int) -> str:
        """Why a TCP port does not accept a connection; empty: it does."""
        host, real_port = self.routes.target(address, port)
        try:
            async with asyncio.timeout(self.timeout):
                _, writer = await asyncio.open_connection(host, real_port)
        except TimeoutError:
            return f"no answer within {self.timeout:g} s"
        except OSError as error:
            return _reason(error)
        writer.close()
        return ""

    async def handshake(self, address: str, host: str, port: int = 443) -> Served:
        """The certificate that a server presents for a host name, and whether it is trusted."""
        served = await self._handshake(address, host, port, self.context)
        if served.certificate is not None or not served.untrusted:
            return served
        shown = await self._handshake(address, host, port, unverified_context())
        return Served(shown.certificate, served.untrusted, shown.error)

    async def _handshake(
        self, address: str, host: str, port: int, context: ssl.SSLContext
    ) -> Served:
        target, real_port = self.routes.target(address, port)
        try:
            async with asyncio.timeout(self.timeout):
                _, writer = await asyncio.open_connection(
                    target, real_port, ssl=context, server_hostname=host
                )
        except ssl.SSLCertVerificationError as error:
            return Served(untrusted=error.verify_message or "not trusted")
        except ssl.SSLError as error:
            return Served(error=f"TLS: {(error.reason or 'failed').lower().replace('_', ' ')}")
        except TimeoutError:
            return Served(error=f"no answer within {self.timeout:g} s")
        except (OSError, EOFError) as error:
            return Served(error=_reason(error))
        connection = writer.get_extra_info("ssl_object")
        certificate = connection.getpeercert(binary_form=True)
        writer.close()
        return Served(certificate)

    async def get(self, address: str, host: str, path: str, port: int = 443) -> HttpAnswer:
        """A document by HTTPS, from an address; whether the certificate is trusted is no matter."""
        resolver = _FixedResolver(*self.routes.target(address, port))
        connector = aiohttp.TCPConnector(resolver=resolver, ssl=unverified_context())
        timeout = aiohttp.ClientTimeout(total=self.timeout)
        try:
            async with (
                aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
                session.get(f"https://{host}{path}", allow_redirects=False) as response,
            ):
                body = await response.content.read(_BYTES)
                while chunk := await response.content.read(_BYTES - len(body)):
                    body += chunk
                return HttpAnswer(response.status, body)
        except TimeoutError:
            return HttpAnswer(error=f"no answer within {self.timeout:g} s")
        except aiohttp.ClientError as error:
            cause = getattr(error, "os_error", None)
            return HttpAnswer(error=_reason(cause) if cause else type(error).__name__)


class _FixedResolver(AbstractResolver):
    """Resolves every name to one address and port."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        """The one address."""
        del port
        return [
            ResolveResult(
                hostname=host, host=self._host, port=self._port, family=family, proto=0, flags=0
            )
        ]

    async def close(self) -> None:
        """Nothing to close."""


def _reason(error: BaseException) -> str:
    """Why a connection failed, in the system's words, without addresses."""
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    text = getattr(error, "strerror", None) or str(error)
    return text.lower() or type(error).__name__
