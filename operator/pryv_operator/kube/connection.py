"""Where the API server is, how its certificate is checked, and how this process authenticates.

A request to one needs nothing of the Kubernetes client library, whose import takes 22 MiB and half
a second: see ``credentials`` for where connections come from.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import os
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from yarl import URL

from pryv_operator.kube.aiohttp_alone import aiohttp, get_env_proxy_for_url

log = logging.getLogger(__name__)

#: Kubernetes replaces the token in a pod's file before it expires; client-go reads it as often.
_TOKEN_SECONDS: Final = 60.0
#: Of an answer that is not read as fast as it comes, aiohttp holds twice as much: a list of 100,000
#: objects, streamed to ten watches, would be 40 MiB with the 2 MiB that the client library sets.
_BUFFER_BYTES: Final = 128 << 10

#: A file in PEM format, or its content.
Pem: TypeAlias = Path | bytes
#: Returns the header Authorization of a request; None: without.
Authorization: TypeAlias = Callable[[], str | None]


class CredentialsError(Exception):
    """Unusable credentials. The message never quotes them."""


def anonymous() -> None:
    """Requests carry no Authorization."""


@dataclass(frozen=True)
class Connection:
    """An API server, and the credentials for it.

    ``authority`` None: the authorities that the system trusts. ``server_name``: the name in its
    certificate, if it is not that of ``host``. ``proxy`` None: that of the environment, if any.
    """

    host: str
    authority: Pem | None = field(default=None, repr=False)
    certificate: Pem | None = field(default=None, repr=False)
    key: Pem | None = field(default=None, repr=False)
    verify: bool = True
    server_name: str | None = None
    proxy: str | None = field(default=None, repr=False)  # may hold a password
    authorization: Authorization = field(default=anonymous, repr=False)

    def tls_context(self) -> ssl.SSLContext | bool:
        """How TLS is spoken with it; True: it is not.

        Raises:
            CredentialsError: a file does not exist.
            OSError: a file cannot be read, or holds no certificate or key (``ssl.SSLError``).
        """
        if not self.host.startswith("https"):
            return True
        with contextlib.ExitStack() as files:
            authority, certificate, key = (
                files.enter_context(_as_file(each))
                for each in (self.authority, self.certificate, self.key)
            )
            context = ssl.create_default_context(cafile=authority)
            if certificate:
                context.load_cert_chain(certificate, keyfile=key)
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def open_session(
        self,
        tls: ssl.SSLContext | bool,
        *,
        connections: int,
        traces: Sequence[aiohttp.TraceConfig],
        response_class: type[aiohttp.ClientResponse] = aiohttp.ClientResponse,
    ) -> aiohttp.ClientSession:
        """A session for requests. ``connections``: at a time; 0: no limit.

        aiohttp would look for proxies and passwords in the environment for each request, each time
        in another thread (``trust_env``). It is one host, so the proxy is looked for once.
        Passwords in ``~/.netrc`` are for other clients, and cookies are not sent.
        """
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections, ssl=tls),
            proxy=self.proxy or _proxy_of_environment(self.host),
            trace_configs=list(traces),
            response_class=response_class,
            read_bufsize=_BUFFER_BYTES,
            cookie_jar=aiohttp.DummyCookieJar(),
        )


@contextlib.contextmanager
def _as_file(pem: Pem | None) -> Iterator[Path | None]:
    """A file with it, as OpenSSL loads certificates and keys from files only."""
    if isinstance(pem, bytes):
        with tempfile.TemporaryDirectory() as folder:  # readable for this user only
            file = Path(folder, "pem")
            file.write_bytes(pem)
            yield file
    elif pem is None or pem.is_file():
        yield pem
    else:
        raise CredentialsError(f"{pem}: file not found")


class TokenFile:
    """The Authorization with the token in a file, which is read again every minute."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """Reads the token.

        Raises:
            CredentialsError: the file is empty.
            OSError: it cannot be read.
        """
        self._path = path
        self._clock = clock
        self._read_at = clock()
        self._read()

    def __call__(self) -> str:
        """The value of the header."""
        if self._clock() - self._read_at >= _TOKEN_SECONDS:
            try:
                self._read()
            except (CredentialsError, OSError, UnicodeDecodeError) as error:
                log.warning(
                    "%s: the token cannot be read again (%s); the last one is used",
                    self._path,
                    type(error).__name__,
                )
                self._read_at = self._clock()
        return self._header

    def _read(self) -> None:
        token = self._path.read_text().strip()
        if not token:
            raise CredentialsError(f"{self._path}: the file is empty; it must hold a token")
        self._header = f"Bearer {token}"
        self._read_at = self._clock()


def _proxy_of_environment(host: str) -> URL | None:
    """The proxy for an address (``HTTPS_PROXY``, ``NO_PROXY``, …), with its user and password."""
    url = URL(host)
    if _is_in_network_without_proxy(url.host or ""):
        return None
    try:
        proxy, auth = get_env_proxy_for_url(url)
    except LookupError:
        return None
    return proxy.with_user(auth.login).with_password(auth.password) if auth else proxy


def _is_in_network_without_proxy(host: str) -> bool:
    """Whether ``NO_PROXY`` has a network (CIDR) with an IP address, as client-go reads it.

    In a pod the API server is an IP address. Python compares names and single addresses only.
    """
    excluded = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    with contextlib.suppress(ValueError):
        address = ipaddress.ip_address(host)
        return any(address in network for network in _networks(excluded))
    return False


def _networks(texts: str) -> Iterator[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    for each in texts.split(","):
        with contextlib.suppress(ValueError):
            yield ipaddress.ip_network(each.strip(), strict=False)
