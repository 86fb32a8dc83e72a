"""Runs a command with the user's own credentials, and describes what the API server refuses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from pryv_operator.api.kubernetes import Object
from pryv_operator.cli.connection import connect
from pryv_operator.cli.exit_codes import exit_on_error
from pryv_operator.cli.shared_options import ConnectionOptions
from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.errors import ApiError, NotFoundError, RejectedError
from pryv_operator.kube.resources import PLATFORMS

T = TypeVar("T")


class ClusterError(Exception):
    """What the cluster refuses or lacks. The message is for the user."""


@dataclass(frozen=True)
class Cluster:
    """A cluster, and the namespace to use in it."""

    client: KubeClient
    namespace: str

    async def read_platform(self, name: str) -> Object:
        """The PryvPlatform of that name.

        Raises:
            ClusterError: it, or the CRD, does not exist.
        """
        resource = await self.client.get(PLATFORMS, self.namespace, name)
        if resource is not None:
            return resource
        try:
            others = sorted(
                item["metadata"]["name"] for item in await self.list_platforms(self.namespace)
            )
        except RejectedError:
            others = []
        existing = f"; existing: {', '.join(others)}" if others else ""
        raise ClusterError(
            f'PryvPlatform "{name}": not found in namespace "{self.namespace}"{existing}'
        )

    async def list_platforms(self, namespace: str | None) -> list[Object]:
        """All PryvPlatforms of a namespace; None: of all of them.

        Raises:
            ClusterError: the CRD does not exist.
        """
        try:
            return await self.client.list(PLATFORMS, namespace)
        except NotFoundError:
            raise ClusterError(
                "PryvPlatform: unknown to this cluster; install the CRD of the operator"
            ) from None


@asynccontextmanager
async def connected(options: ConnectionOptions) -> AsyncIterator[Cluster]:
    """The cluster that the options name; its errors are described for the user."""
    async with connect(options) as (client, namespace):
        try:
            yield Cluster(client, namespace)
        except ApiError as error:
            raise ClusterError(_description(error, client.connection.host)) from None


def run(options: ConnectionOptions, command: Callable[[Cluster], Awaitable[T]]) -> T:
    """The result of a command; expected errors end the process with their exit code."""

    async def connect_and_run() -> T:
        async with connected(options) as cluster:
            return await command(cluster)

    with exit_on_error():
        return asyncio.run(connect_and_run())


def _description(error: ApiError, host: str) -> str:
    if not error.status:
        return f"API server {host}: cannot be reached: {error.message}"
    if error.status == 401:
        return f"API server {host}: does not accept these credentials: {error.message}"
    return f"rejected by the API server: {error.message}"
