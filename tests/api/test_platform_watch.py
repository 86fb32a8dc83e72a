"""kopf's watch of platforms on a real API server: what it reports, and what it never receives."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from pryv_operator.api import labels_annotations as keys
from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.credentials import read_kubeconfig
from pryv_operator.kube.kopf_handlers import PlatformWatch
from pryv_operator.kube.kopf_session import WatchOptions
from pryv_operator.kube.resources import PLATFORMS
from tests.api.platforms import PlatformUser
from tests.attacks.hostile_tenant import create_deep_platform
from tests.cluster.control_plane import ControlPlane

STREAMING = pytest.mark.parametrize(
    "streaming", [True, False], ids=["streaming list", "list page by page"]
)
pytestmark = pytest.mark.usefixtures("chart_kubeconfig")  # for the CRD


class Reported:
    """What a watch has reported."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._more = asyncio.Event()

    def add(self, name: str) -> None:
        self.names.append(name)
        self._more.set()

    async def within(self, seconds: float, name: str) -> bool:
        """Whether a platform is reported in so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                return bool(await self.until(name))
        return False

    async def until(self, name: str) -> list[str]:
        """Wait until a platform is reported; return, and forget, what was reported until then."""
        async with asyncio.timeout(30):
            while name not in self.names:
                self._more.clear()
                await self._more.wait()
        seen, self.names = self.names, []
        return seen


@asynccontextmanager
async def watching(
    client: KubeClient, namespace: str, options: WatchOptions
) -> AsyncIterator[Reported]:
    reported = Reported()
    watch = PlatformWatch(
        client, [namespace], lambda key: reported.add(key.name), lambda *_: None, options
    )
    running = asyncio.create_task(watch.run(asyncio.Event()))
    try:
        yield reported
    finally:
        watch.stop_watching()
        await running


@STREAMING
async def test_what_a_reconciliation_depends_on_is_reported(
    control_plane: ControlPlane, namespace: str, streaming: bool
) -> None:
    user = PlatformUser(control_plane, namespace)
    user.apply_platform("acme")
    async with (
        KubeClient(await read_kubeconfig(control_plane.kubeconfig)) as client,
        watching(client, namespace, WatchOptions(streaming=streaming)) as reported,
    ):
        await reported.until("acme")

        user.apply_platform("acme", variables={"PLATFORM_NAME": "New"})
        await reported.until("acme")

        user.annotate("pryvplatform", "acme", **{keys.RECONCILE: "1"})
        await reported.until("acme")

        resource = await client.get(PLATFORMS, namespace, "acme")
        assert resource
        status = {"conditions": [], "revision": 1}
        named = {key: resource[key] for key in ("apiVersion", "kind")}
        metadata = {key: resource["metadata"][key] for key in ("name", "namespace", "uid")}
        await client.apply_status({**named, "metadata": metadata, "status": status})
        await client.apply_status({**named, "metadata": metadata, "status": {"revision": 2}})
        user.annotate("pryvplatform", "acme", **{"example.com/note": "of no interest"})
        user.apply_platform("zeta", domain="zeta.acme.test")
        assert "acme" not in await reported.until("zeta")

        user.patch("pryvplatform", "acme", {"status": None}, subresource="status")
        await reported.until("acme")

        user.delete("pryvplatform", "acme")
        await reported.until("acme")


@STREAMING
async def test_an_object_that_is_nested_too_deeply_ends_no_watch(
    control_plane: ControlPlane, namespace: str, streaming: bool
) -> None:
    """The names of its fields, which are metadata, nest as deeply as its maps."""
    user = PlatformUser(control_plane, namespace)
    create_deep_platform(user, "deep", maps=True)
    async with (
        KubeClient(await read_kubeconfig(control_plane.kubeconfig)) as client,
        watching(client, namespace, WatchOptions(streaming=streaming)) as reported,
    ):
        async with asyncio.timeout(60):  # what is in one page with it is not reported
            for number in itertools.count():
                user.apply_platform("acme", variables={"PLATFORM_NAME": f"Name {number}"})
                if await reported.within(1, "acme"):
                    break
        create_deep_platform(user, "deeper", maps=True)
        user.apply_platform("acme", variables={"PLATFORM_NAME": "New"})
        await reported.until("acme")
