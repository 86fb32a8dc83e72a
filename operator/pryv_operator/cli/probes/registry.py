"""Asks registries whether they have an image: a HEAD of its manifest, as a pull begins.

Source: the OCI Distribution Specification, and its token authentication. Nothing of an answer but
its status is reported. A login goes to the registry, and to the server that it names for tokens.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from pryv_operator.checks.services import RegistryAnswer
from pryv_operator.cli.probes.routes import Routes

_DOCKER_HUB: Final = "docker.io"
_DOCKER_HUB_HOST: Final = "registry-1.docker.io"
_MANIFESTS: Final = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
_PARAMETER: Final = re.compile(r'(\w+)="([^"]*)"')
#: Registries that container engines ask by HTTP.
_LOCAL: Final = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True)
class Reference:
    """An image's registry, repository, and tag or digest."""

    registry: str
    repository: str
    version: str

    @property
    def url(self) -> str:
        """The URL of its manifest."""
        host = _DOCKER_HUB_HOST if self.registry == _DOCKER_HUB else self.registry
        local = host.rsplit(":", 1)[0] in _LOCAL or host in _LOCAL
        scheme = "http" if local else "https"
        return f"{scheme}://{host}/v2/{self.repository}/manifests/{self.version}"


def parse_reference(image: str) -> Reference:
    """An image as container engines read it: without a registry it is of Docker Hub."""
    name, _, digest = image.partition("@")
    first, slash, rest = name.partition("/")
    has_registry = bool(slash) and ("." in first or ":" in first or first == "localhost")
    registry, path = (first, rest) if has_registry else (_DOCKER_HUB, name)
    repository, colon, tag = path.rpartition(":")
    if not colon:
        repository, tag = path, "latest"
    if registry == _DOCKER_HUB and "/" not in repository:
        repository = f"library/{repository}"
    return Reference(registry, repository, digest or tag)


@dataclass(frozen=True)
class RegistryProbe:
    """Asks registries."""

    context: ssl.SSLContext
    routes: Routes
    timeout: float

    async def ask(self, reference: Reference, login: str | None) -> RegistryAnswer:
        """Whether the registry has the image. ``login``: base64 of USER:PASSWORD."""
        timeout = aiohttp.ClientTimeout(total=self.timeout)
        connector = aiohttp.TCPConnector(ssl=self.context)
        try:
            async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
                return await self._ask(session, reference, login)
        except TimeoutError:
            return RegistryAnswer(error=f"no answer within {self.timeout:g} s")
        except aiohttp.ClientConnectorCertificateError:
            return RegistryAnswer(error="its certificate is not trusted")
        except aiohttp.ClientError as error:
            cause = getattr(error, "os_error", None)
            reason = (getattr(cause, "strerror", None) or type(error).__name__).lower()
            return RegistryAnswer(error=reason)
        except (ValueError, asyncio.IncompleteReadError):
            return RegistryAnswer(error="not a valid answer")

    async def _ask(
        self, session: aiohttp.ClientSession, reference: Reference, login: str | None
    ) -> RegistryAnswer:
        status, challenge = await self._head(session, reference.url, None)
        if status != 401:
            return RegistryAnswer(status)
        scheme, _, rest = challenge.partition(" ")
        if scheme.lower() == "basic" and login:
            status, _ = await self._head(session, reference.url, f"Basic {login}")
            return RegistryAnswer(status, logged_in=True)
        if scheme.lower() != "bearer":
            return RegistryAnswer(status)
        parameters = dict(_PARAMETER.findall(rest))
        token = await self._token(session, reference, parameters, login)
        if isinstance(token, int):
            return RegistryAnswer(token, logged_in=bool(login))
        status, _ = await self._head(session, reference.url, f"Bearer {token}")
        return RegistryAnswer(status, logged_in=bool(login))

    async def _head(
        self, session: aiohttp.ClientSession, url: str, authorization: str | None
    ) -> tuple[int, str]:
        headers = {"Accept": _MANIFESTS}
        if authorization:
            headers["Authorization"] = authorization
        async with session.head(url, headers=headers, allow_redirects=False) as response:
            status = 200 if response.status in (301, 302, 307, 308) else response.status
            return status, response.headers.get("WWW-Authenticate", "")

    async def _token(
        self,
        session: aiohttp.ClientSession,
        reference: Reference,
        parameters: dict[str, str],
        login: str | None,
    ) -> str | int:
        """A token for pulling the image, or the status with which it is refused."""
        realm = parameters.get("realm", "")
        if not self._may_ask(realm, reference):
            return 401
        query = {
            "service": parameters.get("service", ""),
            "scope": f"repository:{reference.repository}:pull",
        }
        headers = {"Authorization": f"Basic {login}"} if login else {}
        async with session.get(
            realm, params=query, headers=headers, allow_redirects=False
        ) as response:
            if response.status != 200:
                return response.status
            found = await response.json(content_type=None)
        token = found.get("token") or found.get("access_token") if isinstance(found, dict) else None
        return str(token) if token else 401

    def _may_ask(self, realm: str, reference: Reference) -> bool:
        """Whether a login may go to the server that issues tokens: by TLS, or on this machine."""
        parts = urlsplit(realm)
        return parts.scheme == "https" or (
            parts.scheme == "http"
            and reference.url.startswith("http:")
            and parts.hostname in _LOCAL
        )
