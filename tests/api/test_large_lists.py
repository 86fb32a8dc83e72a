"""Lists of large objects: the API server continues a list with another number of objects a page."""

from __future__ import annotations

from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.credentials import read_kubeconfig
from pryv_operator.kube.resources import CONFIG_MAPS
from tests.cluster.control_plane import ControlPlane


async def test_pages_become_smaller_in_the_middle_of_a_list(
    control_plane: ControlPlane, namespace: str
) -> None:
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
