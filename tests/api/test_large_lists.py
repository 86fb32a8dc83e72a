"""Lists of large and of deeply nested objects, page by page."""

from __future__ import annotations

import pytest

from pryv_operator.kube.client import METADATA_LIST, KubeClient
from pryv_operator.kube.credentials import read_kubeconfig
from pryv_operator.kube.resources import CONFIG_MAPS, PLATFORMS
from tests.api.platforms import PlatformUser
from tests.attacks.hostile_tenant import create_deep_platform
from tests.cluster.control_plane import ControlPlane


async def test_pages_become_smaller_in_the_middle_of_a_list(
    control_plane: ControlPlane, namespace: str
) -> None:
    """The API server continues a list with another number of objects a page."""
    sizes = {f"a{each:02}": 1 for each in range(70)} | {
        f"b{each:02}": 200_000 for each in range(20)
    }
    async with KubeClient(await read_kubeconfig(control_plane.kubeconfig)) as cluster:
        for name, size in sizes.items():
            metadata = {"name": name, "namespace": namespace, "labels": {"large": "list"}}
            item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
            await cluster.create({**item, "data": {"a": "x" * size}})
        found = await cluster.list(CONFIG_MAPS, namespace, labels="large=list")
    assert {item["metadata"]["name"]: len(item["data"]["a"]) for item in found} == sizes
    assert len(found) == len(sizes)


@pytest.mark.usefixtures("chart_kubeconfig")  # for the CRD
@pytest.mark.parametrize("deep", ["lists", "maps"])
async def test_a_list_leaves_out_what_is_nested_too_deeply(
    control_plane: ControlPlane, namespace: str, deep: str
) -> None:
    """The managed fields, which are metadata, nest as deeply as maps do."""
    user = PlatformUser(control_plane, namespace)
    for name in ("a", "c", "d"):
        user.apply_platform(name, domain=f"{name}.acme.test")
    create_deep_platform(user, "b", maps=deep == "maps")
    async with KubeClient(await read_kubeconfig(control_plane.kubeconfig)) as cluster:
        whole = await cluster.list(PLATFORMS, namespace)
        metadata = await cluster.list_reduced(
            PLATFORMS, namespace, lambda item: item["metadata"]["name"], accept=METADATA_LIST
        )
    assert [item["metadata"]["name"] for item in whole] == ["a", "c", "d"]
    assert set(metadata) >= {"a", "c", "d"}
