"""The reflector reports all changes and keeps only metadata."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from pryv_operator.api.kubernetes import Object
from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.credentials import read_kubeconfig
from pryv_operator.kube.errors import RejectedError
from pryv_operator.kube.reflector import Change, Reflector
from pryv_operator.kube.resources import CONFIG_MAPS
from tests.cluster.control_plane import ControlPlane

KEPT = frozenset({"kept"})


def config_map(namespace: str, name: str, **labels: str) -> Object:
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata,
        "data": {"a": "b" * 1000},
    }


class _Following:
    """Records what a reflector reports."""

    def __init__(self, reflector: Reflector, changes: list[Change]) -> None:
        self.reflector = reflector
        self.changes = changes

    async def hears(self, name: str, *, deleted: bool = False) -> Change:
        async with asyncio.timeout(20):
            while True:
                for moved in self.changes:
                    if (moved.name, moved.deleted) == (name, deleted):
                        return moved
                await asyncio.sleep(0.02)


@asynccontextmanager
async def following(
    cluster: KubeClient, namespace: str, **options: Any
) -> AsyncIterator[_Following]:
    changes: list[Change] = []
    reflector = Reflector(
        cluster, CONFIG_MAPS, namespace, changes.append, keep_labels=KEPT, **options
    )
    task = asyncio.create_task(reflector.run())
    try:
        async with asyncio.timeout(20):
            await reflector.synced.wait()
        yield _Following(reflector, changes)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def without_streaming_lists(cluster: KubeClient) -> None:
    """Let a client see an older API server."""
    watch = cluster.watch

    def older_server(resource: Any, where: Any, query: Any, *, accept: str) -> Any:
        if "sendInitialEvents" in query:
            raise RejectedError(
                422,
                "Invalid",
                "sendInitialEvents is forbidden for watch "
                "unless the WatchList feature gate is enabled",
            )
        return watch(resource, where, query, accept=accept)

    cluster.watch = older_server  # type: ignore[method-assign]


@pytest.mark.parametrize("streaming", [True, False], ids=["streaming list", "list page by page"])
async def test_existing_added_changed_and_deleted_objects_are_reported(
    control_plane: ControlPlane, namespace: str, streaming: bool
) -> None:
    async with KubeClient(await read_kubeconfig(control_plane.kubeconfig)) as cluster:
        if not streaming:
            without_streaming_lists(cluster)
        await cluster.create(config_map(namespace, "there", kept="1", dropped="2"))
        async with following(cluster, namespace) as follower:
            assert (await follower.hears("there")).labels == (("kept", "1"),)
            made = await cluster.create(config_map(namespace, "new"))
            await follower.hears("new")
            await cluster.delete(made)
            await follower.hears("new", deleted=True)


async def test_a_page_of_large_metadata_is_read_in_smaller_ones(
    control_plane: ControlPlane, namespace: str
) -> None:
    """Everyone who may create objects can fill their annotations."""
    async with KubeClient(await read_kubeconfig(control_plane.kubeconfig)) as cluster:
        without_streaming_lists(cluster)
        names = [f"large-{number:02}" for number in range(14)]
        for name in names:
            item = config_map(namespace, name)
            item["metadata"]["annotations"] = {"a": "x" * 200_000}
            await cluster.create(item)
        pages: list[int] = []
        list_page = cluster.list_page

        async def measured(*arguments: Any, **options: Any) -> Object:
            page = await list_page(*arguments, **options)
            pages.append(len(json.dumps(page)))
            return page

        cluster.list_page = measured  # type: ignore[method-assign]
        async with following(cluster, namespace) as follower:
            reported = {each.name for each in follower.changes}
            assert set(names) <= reported
            assert len(pages) > 1
            assert max(pages) < 2.1 * 2**20
            # The watch goes on from the version of the list.
            await cluster.create(config_map(namespace, "new"))
            await follower.hears("new")


async def test_removed_label_is_reported_with_the_former_labels(
    control_plane: ControlPlane, namespace: str
) -> None:
    """Without the former labels, its owner would not be reconciled to restore them."""
    async with KubeClient(await read_kubeconfig(control_plane.kubeconfig)) as cluster:
        await cluster.create(config_map(namespace, "mine", kept="acme"))
        async with following(cluster, namespace) as follower:
            await follower.hears("mine")
            control_plane.kubectl(
                "label", f"--namespace={namespace}", "configmap", "mine", "kept=zzz", "--overwrite"
            )
            assert (await follower.hears("mine", deleted=True)).labels == (("kept", "acme"),)


async def test_objects_deleted_during_an_interruption_are_reported(
    control_plane: ControlPlane, namespace: str
) -> None:
    """After 410 Gone, objects are listed again and compared."""
    async with KubeClient(await read_kubeconfig(control_plane.kubeconfig)) as cluster:
        made = await cluster.create(config_map(namespace, "lost", kept="yes"))
        async with following(cluster, namespace) as follower:
            await follower.hears("lost")
            changes, reflector = follower.changes, follower.reflector
        await cluster.delete(made)
        reflector._version = "1"  # long compacted, or never seen by this server
        task = asyncio.create_task(reflector.run())
        try:
            deleted = await _Following(reflector, changes).hears("lost", deleted=True)
            assert deleted.labels == (("kept", "yes"),)
        finally:
            task.cancel()


async def test_selector_limits_what_is_reported(
    control_plane: ControlPlane, namespace: str
) -> None:
    async with KubeClient(await read_kubeconfig(control_plane.kubeconfig)) as cluster:
        await cluster.create(config_map(namespace, "other"))
        async with following(cluster, namespace, selector="kept=1") as follower:
            await cluster.create(config_map(namespace, "mine", kept="1"))
            await follower.hears("mine")
            assert not [moved for moved in follower.changes if moved.name != "mine"]
