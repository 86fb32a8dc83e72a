"""A very small API client for the test cluster and for tests as its users.

It shares no code with the operator's client.
"""

from __future__ import annotations

import http.client
import json
import ssl
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

JSON = "application/json"
APPLY_PATCH = "application/apply-patch+yaml"
MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"

#: The API server ends a request after 60 s; on a busy machine some take most of that.
_TIMEOUT_SECONDS = 90


class ApiError(RuntimeError):
    """An error response of the API server; `status` is the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


@dataclass(frozen=True)
class ApiClient:
    """Keeps one connection per thread, reopened if the server has closed it. Ignores proxies."""

    url: str
    token: str = field(repr=False)
    ca_file: Path
    timeout_seconds: float = _TIMEOUT_SECONDS
    _kept: threading.local = field(default_factory=threading.local, init=False, repr=False)

    def text(
        self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None
    ) -> str:
        """Send a request; return the body of the response.

        Raises:
            ApiError: the status is 300 or above.
            OSError: there is no response.
        """
        status, text = self.answer(method, path, body, headers=headers)
        if status >= 300:
            raise ApiError(status, f"{method} {path}: {text[:2000]}")
        return text

    def answer(
        self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None
    ) -> tuple[int, str]:
        """Send a request; return status and body. A `body` of type str is sent unchanged.

        Raises:
            OSError: there is no response.
        """
        sent = {"Authorization": f"Bearer {self.token}", "Content-Type": JSON, **(headers or {})}
        payload = None if body is None else body if isinstance(body, str) else json.dumps(body)
        try:
            return self._exchange(method, path, payload, sent)
        except http.client.HTTPException as error:
            raise ConnectionError(f"{method} {path}: {error}") from error

    def get(self, path: str) -> Any:
        return json.loads(self.text("GET", path))

    def find(self, path: str) -> Any | None:
        """Like `get`, but None if the object does not exist."""
        try:
            return self.get(path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def create(self, path: str, body: Any) -> Any:
        return json.loads(self.text("POST", path, body))

    def patch(self, path: str, body: Any, content_type: str = MERGE_PATCH) -> Any:
        return json.loads(self.text("PATCH", path, body, headers={"Content-Type": content_type}))

    def delete(self, path: str) -> None:
        self.text("DELETE", path)

    def _exchange(
        self, method: str, path: str, body: str | None, headers: Mapping[str, str]
    ) -> tuple[int, str]:
        """Status and body; reconnects once if the kept connection was closed while idle."""
        kept: http.client.HTTPSConnection | None = getattr(self._kept, "connection", None)
        self._kept.connection = None
        if kept is not None:
            try:
                return self._ask(kept, method, path, body, headers)
            except (ConnectionError, ssl.SSLError):
                kept.close()
        return self._ask(self._connect(), method, path, body, headers)

    def _ask(
        self,
        connection: http.client.HTTPSConnection,
        method: str,
        path: str,
        body: str | None,
        headers: Mapping[str, str],
    ) -> tuple[int, str]:
        try:
            connection.request(
                method, path, body=None if body is None else body.encode(), headers=dict(headers)
            )
            response = connection.getresponse()
            text = response.read().decode()
        except BaseException:
            connection.close()
            raise
        self._kept.connection = connection
        return response.status, text

    def _connect(self) -> http.client.HTTPSConnection:
        address = urlsplit(self.url)
        context = ssl.create_default_context(cafile=str(self.ca_file))
        return http.client.HTTPSConnection(
            address.hostname or "", address.port, timeout=self.timeout_seconds, context=context
        )
