"""Gives Services of type LoadBalancer an address, as a cloud does."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Any, Final

from tests.cluster.api_client import ApiClient, ApiError

_SECONDS: Final = 0.5
_FIRST: Final = 11


class LoadBalancers:
    """`with LoadBalancers(api):` gives each Service an address of 203.0.113.0/24 (RFC 5737)."""

    def __init__(self, api: ApiClient) -> None:
        self._api = api
        self._addresses: dict[str, str] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> LoadBalancers:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(_SECONDS):
            try:
                for service in self._api.get("/api/v1/services")["items"]:
                    self._give(service)
            except (ApiError, OSError):
                continue  # changed or gone meanwhile

    def _give(self, service: dict[str, Any]) -> None:
        waits = not service["status"].get("loadBalancer", {}).get("ingress")
        if service["spec"]["type"] != "LoadBalancer" or not waits:
            return
        metadata = service["metadata"]
        address = self._addresses.setdefault(
            metadata["uid"], f"203.0.113.{_FIRST + len(self._addresses)}"
        )
        path = f"/api/v1/namespaces/{metadata['namespace']}/services/{metadata['name']}/status"
        self._api.patch(path, {"status": {"loadBalancer": {"ingress": [{"ip": address}]}}})
