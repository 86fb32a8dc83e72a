"""A reconciliation's client reads what has moved, and knows what it has written itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.kubernetes import Object
from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.credentials import read_kubeconfig
from pryv_operator.kube.metrics import REGISTRY
from pryv_operator.kube.resources import CONFIG_MAPS, SECRETS, SERVICES
from pryv_operator.kube.work_queue import Key
from pryv_operator.live import live_objects
from pryv_operator.reconcile import cleanup
from pryv_operator.reconcile.followed import Followed
from pryv_operator.reconcile.memory import Memory
from pryv_operator.reconcile.platform_client import PlatformClient
from tests.cluster.control_plane import ControlPlane
from tests.unit import builders

LABELS = {keys.MANAGED_BY: keys.FIELD_MANAGER, keys.PLATFORM: "acme"}
SELECTOR = ",".join(f"{key}={value}" for key, value in LABELS.items())


def requests() -> float:
    """Requests of this process, without watches."""
    return sum(
        sample.value
        for family in REGISTRY.collect()
        for sample in family.samples
        if sample.name == "pryv_operator_api_requests_total" and sample.labels["verb"] != "watch"
    )


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while True:
            if holds():
                return
            await asyncio.sleep(0.02)


class Lab:
    """A namespace whose objects are followed, and clients for reconciliations."""

    def __init__(self, client: KubeClient, namespace: str) -> None:
        self.client = client
        self.key = Key(namespace, "acme")
        self.followed = Followed(client, [namespace], lambda _: None)
        self.memory = Memory(self.followed)
        self.tasks = [asyncio.create_task(each.run()) for each in self.followed.reflectors]

    def reconciliation(self) -> PlatformClient:
        return self.memory.client(self.client, self.key)

    async def services(self, client: PlatformClient, labels: str = SELECTOR) -> set[str]:
        page = await client.list_page(SERVICES, self.key.namespace, labels=labels)
        return {item["metadata"]["name"] for item in page["items"]}

    async def seen_by_watches(self, client: PlatformClient) -> None:
        await until(lambda: self.followed.own(SERVICES, self.key) == client.seen.own["services"])

    def service(self, name: str, **labels: str) -> Object:
        metadata = {
            "name": name,
            "namespace": self.key.namespace,
            "labels": {**LABELS, **labels},
        }
        spec = {"ports": [{"port": 1}], "clusterIP": "None"}
        return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


@asynccontextmanager
async def lab(control_plane: ControlPlane, namespace: str) -> AsyncIterator[Lab]:
    async with KubeClient(await read_kubeconfig(control_plane.kubeconfig)) as client:
        opened = Lab(client, namespace)
        try:
            async with asyncio.timeout(20):
                for each in opened.followed.reflectors:
                    await each.synced.wait()
            yield opened
        finally:
            for task in opened.tasks:
                task.cancel()
            await asyncio.gather(*opened.tasks, return_exceptions=True)


async def test_what_has_not_moved_is_not_read_again(
    control_plane: ControlPlane, namespace: str
) -> None:
    async with lab(control_plane, namespace) as opened:
        await opened.client.create(opened.service("one"))
        first = opened.reconciliation()
        assert await opened.services(first) == {"one"}
        await opened.seen_by_watches(first)
        before = requests()
        again = opened.reconciliation()
        assert await opened.services(again) == {"one"}
        assert requests() == before
        assert again.seen.own == first.seen.own
        # What others do is seen.
        await opened.client.create(opened.service("two"))
        await until(lambda: opened.followed.own(SERVICES, opened.key) != first.seen.own["services"])
        assert await opened.services(opened.reconciliation()) == {"one", "two"}
        assert requests() == before + 2


async def test_what_it_writes_is_known_without_reading(
    control_plane: ControlPlane, namespace: str
) -> None:
    async with lab(control_plane, namespace) as opened:
        client = opened.reconciliation()
        assert await opened.services(client) == set()
        created = await client.create(opened.service("one"))
        await client.create(opened.service("two"))
        patched = await client.patch_labels(created, {"x": "y"})
        await client.create(opened.service("dry"), dry_run=True)
        await opened.seen_by_watches(client)
        before = requests()
        later = opened.reconciliation()
        page = await later.list_page(SERVICES, namespace, labels=SELECTOR)
        assert {item["metadata"]["name"] for item in page["items"]} == {"one", "two"}
        assert patched in page["items"]
        assert requests() == before
        assert await later.delete(patched)
        await opened.seen_by_watches(later)
        assert await opened.services(opened.reconciliation()) == {"two"}
        assert requests() == before + 1


async def test_lists_of_a_part(control_plane: ControlPlane, namespace: str) -> None:
    """Where the list of one part holds all there is, the other part is empty."""
    with_part, without = f"{SELECTOR},part=a", f"{SELECTOR},part!=a"
    async with lab(control_plane, namespace) as opened:
        await opened.client.create(opened.service("one"))
        client = opened.reconciliation()
        assert await opened.services(client, without) == {"one"}
        await opened.seen_by_watches(client)
        before = requests()
        assert await opened.services(client, with_part) == set()
        assert requests() == before
        await opened.client.create(opened.service("two", part="a"))
        await until(
            lambda: opened.followed.own(SERVICES, opened.key) != client.seen.own["services"]
        )
        assert await opened.services(opened.reconciliation(), with_part) == {"two"}
        assert await opened.services(opened.reconciliation(), without) == {"one"}


async def test_what_is_not_followed_is_noticed(control_plane: ControlPlane, namespace: str) -> None:
    async with lab(control_plane, namespace) as opened:
        client = opened.reconciliation()
        await client.get(SECRETS, namespace, "missing")
        await opened.services(client)
        assert client.seen.complete
        assert client.seen.others == {("secrets", "missing"): 0}
        await client.list_page(SERVICES, namespace, labels="other=label")
        assert not client.seen.complete


async def test_a_few_configmaps_are_read_in_one_request(
    control_plane: ControlPlane, namespace: str
) -> None:
    """Where metadata are asked for first, and then the content."""
    async with lab(control_plane, namespace) as opened:
        metadata = {"name": "a", "namespace": namespace, "labels": LABELS}
        item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"k": "v"}}
        await opened.client.create(item)
        await until(lambda: opened.followed.count(CONFIG_MAPS, opened.key) == 1)
        client, before = opened.reconciliation(), requests()
        found: list[Any] = []
        for accept in ("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", None):
            options: dict[str, Any] = {"accept": accept} if accept else {}
            page = await client.list_page(CONFIG_MAPS, namespace, labels=SELECTOR, **options)
            found += page["items"]
        assert [each["metadata"]["name"] for each in found] == ["a", "a"]
        assert found[1]["data"] == {"k": "v"}
        assert requests() == before + 1


def moved(client: PlatformClient) -> bool:
    return client.seen.moved


async def test_what_moves_during_a_reconciliation_is_noticed(
    control_plane: ControlPlane, namespace: str
) -> None:
    """It may have acted on the first of two reads already, and its next one is not requested."""
    async with lab(control_plane, namespace) as opened:
        created = await opened.client.create(opened.service("one"))
        client = opened.reconciliation()
        await opened.services(client)
        await opened.services(client)
        first = dict(client.seen.own)
        assert not moved(client)
        await opened.client.patch_labels(created, {"edited": "by-others"})
        await until(lambda: opened.followed.own(SERVICES, opened.key) != first["services"])
        await opened.services(client)
        assert moved(client)
        assert client.seen.own == first, "not at rest as it is now"


async def test_what_it_has_written_has_not_moved(
    control_plane: ControlPlane, namespace: str
) -> None:
    async with lab(control_plane, namespace) as opened:
        client = opened.reconciliation()
        await opened.services(client)
        created = await client.create(opened.service("one"))
        assert await opened.services(client) == {"one"}, "read again, or remembered"
        await client.delete(created)
        assert await opened.services(client) == set()
        assert not client.seen.moved


async def test_what_decides_a_deletion_is_read(control_plane: ControlPlane, namespace: str) -> None:
    async with lab(control_plane, namespace) as opened:
        client = opened.reconciliation()
        await opened.services(client)
        await opened.seen_by_watches(client)
        before = requests()
        await client.unremembered().list_page(SERVICES, namespace, labels=SELECTOR)
        assert requests() == before + 1
        assert not client.seen.complete


async def test_pods_that_a_policy_may_protect_are_read(
    control_plane: ControlPlane, namespace: str
) -> None:
    """The watch is late: it shows none, and none are remembered."""
    async with lab(control_plane, namespace) as opened:
        platform = replace(builders.platform(), namespace=namespace)
        assert await live_objects.list_pods(opened.reconciliation(), platform) == []
        for each in opened.tasks:
            each.cancel()
        container = {"name": "store", "image": "docker.io/pryvio/store:1"}
        await opened.client.create(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "store", "namespace": namespace, "labels": LABELS},
                "spec": {"containers": [container]},
            }
        )
        later = opened.reconciliation()
        assert await live_objects.list_pods(later, platform) == []
        found = await cleanup.read_pods(later, platform)
        assert [each["metadata"]["name"] for each in found] == ["store"]
