"""Preconditions of writes: objects that changed since they were read are not overwritten."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator
from typing import Any

import pytest

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.kubernetes import Object
from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.credentials import read_kubeconfig
from pryv_operator.kube.errors import ConflictError
from pryv_operator.kube.resources import CONFIG_MAPS, PLATFORMS, Resource, resource_of
from pryv_operator.live.apply import same_except_status
from tests.api.platforms import PlatformUser
from tests.cluster.control_plane import ControlPlane
from tests.cluster.simulated_nodes import SimulatedNodes

pytestmark = pytest.mark.cluster


@pytest.fixture
async def cluster(control_plane: ControlPlane) -> AsyncIterator[KubeClient]:
    async with KubeClient(await read_kubeconfig(control_plane.kubeconfig)) as connected:
        yield connected


def config_map(namespace: str, **data: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "a", "namespace": namespace, "labels": {"a": "b"}},
        "data": data,
    }


def pod_template(*env: Object) -> Object:
    container = {"name": "main", "image": "registry.example.com/a:1", "env": list(env)}
    return {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [container]}}


def objects(namespace: str) -> list[Object]:
    """One object of each managed kind, as the operator writes it, without defaults."""
    selector = {"matchLabels": {"app": "a"}}
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    specs: dict[tuple[str, str], Object] = {
        ("v1", "Service"): {
            "selector": {"app": "a"},
            "type": "LoadBalancer",
            "ports": [{"name": "http", "port": 80}],
        },
        ("v1", "PersistentVolumeClaim"): claim,
        ("networking.k8s.io/v1", "NetworkPolicy"): {
            "podSelector": selector,
            "ingress": [{"ports": [{"port": 80}]}],
        },
        ("policy/v1", "PodDisruptionBudget"): {"maxUnavailable": 1, "selector": selector},
        ("apps/v1", "Deployment"): {
            "selector": selector,
            "template": pod_template({"name": "A", "value": "1"}),
        },
        ("apps/v1", "StatefulSet"): {
            "selector": selector,
            "serviceName": "a",
            "template": pod_template({"name": "A", "value": "1"}),
        },
    }
    metadata = {"name": "a", "namespace": namespace, "labels": {"x": "1", "y": "2"}}
    return [
        {
            "apiVersion": version,
            "kind": kind,
            "metadata": copy.deepcopy(metadata),
            "spec": copy.deepcopy(spec),
        }
        for (version, kind), spec in specs.items()
    ]


async def there(cluster: KubeClient, item: Object) -> Object:
    found = await cluster.get(
        resource_of(item), item["metadata"]["namespace"], item["metadata"]["name"]
    )
    assert found is not None
    return {"apiVersion": item["apiVersion"], "kind": item["kind"], **found}


async def adopt_and_apply(cluster: KubeClient, item: Object) -> tuple[Object, Object]:
    """The object before and after a change; retried if a controller changes it meanwhile."""
    async with asyncio.timeout(60):
        while True:
            try:
                adopted = await cluster.upgrade_managed_fields(await there(cluster, item))
                await cluster.apply(item, adopted, dry_run=True)
                return adopted, await cluster.apply(item, adopted)
            except ConflictError:
                continue


def managers(item: Object) -> set[tuple[str, str]]:
    return {
        (entry["manager"], entry["operation"])
        for entry in item["metadata"]["managedFields"]
        if not entry.get("subresource")
    }


async def test_late_creation_overwrites_nothing(cluster: KubeClient, namespace: str) -> None:
    await cluster.create(config_map(namespace, of="another"))
    with pytest.raises(ConflictError):
        await cluster.create(config_map(namespace, of="mine"))
    assert (await there(cluster, config_map(namespace)))["data"] == {"of": "another"}


async def test_late_apply_has_no_effect(cluster: KubeClient, namespace: str) -> None:
    seen = await cluster.create(config_map(namespace, a="1"))
    moved = await cluster.apply(config_map(namespace, a="2"), seen)
    with pytest.raises(ConflictError):
        await cluster.apply(config_map(namespace, a="3"), seen)
    assert (await there(cluster, seen))["data"] == {"a": "2"}
    assert await cluster.delete(moved)
    with pytest.raises(ConflictError):
        await cluster.apply(config_map(namespace, a="3"), moved)
    assert await cluster.get(CONFIG_MAPS, namespace, "a") is None
    await cluster.create(config_map(namespace, a="4"))
    with pytest.raises(ConflictError):
        await cluster.apply(config_map(namespace, a="3"), moved)
    assert (await there(cluster, seen))["data"] == {"a": "4"}


async def test_late_deletion_has_no_effect(cluster: KubeClient, namespace: str) -> None:
    seen = await cluster.create(config_map(namespace, a="1"))
    await cluster.apply(config_map(namespace, a="2"), seen)
    assert not await cluster.delete(seen)
    assert await there(cluster, seen)


async def test_late_owner_references_are_not_set(cluster: KubeClient, namespace: str) -> None:
    seen = await cluster.create(config_map(namespace, a="1"))
    await cluster.apply(config_map(namespace, a="2"), seen)
    with pytest.raises(ConflictError):
        await cluster.patch_owner_references(seen, [])


async def test_late_adoption_has_no_effect(cluster: KubeClient, namespace: str) -> None:
    seen = await cluster.create(config_map(namespace, a="1"))
    await cluster.patch_owner_references(seen, [])
    await cluster.apply(config_map(namespace, a="2"), await there(cluster, seen))
    with pytest.raises(ConflictError):
        await cluster.upgrade_managed_fields(seen)


@pytest.mark.usefixtures("chart_kubeconfig")
async def test_late_status_has_no_effect(
    cluster: KubeClient, control_plane: ControlPlane, namespace: str
) -> None:
    user = PlatformUser(control_plane, namespace)
    user.apply_platform()
    seen = user.get("pryvplatform", "acme")
    metadata = {
        key: seen["metadata"][key] for key in ("name", "namespace", "uid", "resourceVersion")
    }
    status: Object = {
        "apiVersion": keys.API_VERSION,
        "kind": keys.KIND,
        "metadata": metadata,
        "status": {"release": "1.9.0"},
    }
    await cluster.apply_status(status)
    with pytest.raises(ConflictError):
        await cluster.apply_status({**status, "status": {"release": "1.9.1"}})
    found = await cluster.get(PLATFORMS, namespace, "acme")
    assert found is not None
    assert found["status"]["release"] == "1.9.0"
    user.delete_all()


async def test_field_no_longer_set_is_removed_from_a_created_object(
    cluster: KubeClient, namespace: str
) -> None:
    created = await cluster.create(config_map(namespace, a="1", b="2"))
    assert managers(created) == {(keys.FIELD_MANAGER, "Update")}
    kept = await cluster.apply(config_map(namespace, a="1"), created)
    assert kept["data"] == {"a": "1", "b": "2"}, "the trap: what adopt is for"
    adopted = await cluster.upgrade_managed_fields(kept)
    assert managers(adopted) == {(keys.FIELD_MANAGER, "Apply")}
    applied = await cluster.apply(config_map(namespace, a="1"), adopted)
    assert applied["data"] == {"a": "1"}
    assert await cluster.upgrade_managed_fields(applied) == applied


async def test_fields_of_other_managers_are_preserved_by_apply(
    cluster: KubeClient, control_plane: ControlPlane, namespace: str
) -> None:
    created = await cluster.create(config_map(namespace, a="1", b="2"))
    PlatformUser(control_plane, namespace).kubectl(
        "patch", "configmap", "a", "--type=merge", '--patch={"data":{"c":"3","b":"theirs"}}'
    )
    adopted = await cluster.upgrade_managed_fields(await there(cluster, created))
    applied = await cluster.apply(config_map(namespace, a="1"), adopted)
    assert applied["data"] == {"a": "1", "b": "theirs", "c": "3"}


async def test_owner_references_do_not_look_like_a_creation(
    cluster: KubeClient, namespace: str
) -> None:
    item = await cluster.upgrade_managed_fields(await cluster.create(config_map(namespace, a="1")))
    other = config_map(namespace, a="1")
    other["metadata"]["name"] = "owner"
    uid = (await cluster.create(other))["metadata"]["uid"]
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}
    await cluster.patch_owner_references(item, [owner])
    assert managers(await there(cluster, item)) == {
        (keys.FIELD_MANAGER, "Apply"),
        (keys.OWNERS_MANAGER, "Update"),
    }


@pytest.mark.parametrize(
    "kind",
    [
        "Service",
        "PersistentVolumeClaim",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "Deployment",
        "StatefulSet",
    ],
)
async def test_defaults_of_the_api_server_survive_the_first_apply(
    cluster: KubeClient, simulated_nodes: SimulatedNodes, namespace: str, kind: str
) -> None:
    """The creation owns defaults too; the first apply omits them and must not remove them."""
    (item,) = (each for each in objects(namespace) if each["kind"] == kind)
    created = await cluster.create(item)
    del item["metadata"]["labels"]["y"]
    last, applied = await adopt_and_apply(cluster, item)
    assert applied["metadata"]["labels"] == {"x": "1"}
    assert applied["spec"] == last["spec"]
    assert {key: applied["spec"][key] for key in created["spec"]} == created["spec"]
    assert managers(applied) >= {(keys.FIELD_MANAGER, "Apply")}


async def test_value_can_be_replaced_by_a_reference(cluster: KubeClient, namespace: str) -> None:
    """With both value and reference the API server would reject the object, even in a dry run."""
    (item,) = (each for each in objects(namespace) if each["kind"] == "Deployment")
    await cluster.create(item)
    reference: dict[str, Any] = {
        "name": "A",
        "valueFrom": {"configMapKeyRef": {"name": "a", "key": "a"}},
    }
    item["spec"]["template"] = pod_template(reference)
    _, applied = await adopt_and_apply(cluster, item)
    assert applied["spec"]["template"]["spec"]["containers"][0]["env"] == [reference]


async def test_dry_runs_change_nothing(cluster: KubeClient, namespace: str) -> None:
    await cluster.create(config_map(namespace, a="1"), dry_run=True)
    assert await cluster.get(CONFIG_MAPS, namespace, "a") is None
    created = await cluster.create(config_map(namespace, a="1"))
    await cluster.apply(config_map(namespace, a="2"), created, dry_run=True)
    assert (await there(cluster, created))["data"] == {"a": "1"}


async def test_status_change_is_not_a_change_of_the_object(
    cluster: KubeClient, simulated_nodes: SimulatedNodes, namespace: str
) -> None:
    (item,) = (each for each in objects(namespace) if each["kind"] == "Deployment")
    created = await cluster.create(item)
    deployments = Resource("apps", "v1", "deployments", "Deployment")
    later: Object = {}
    async with asyncio.timeout(60):
        while not later.get("status", {}).get("observedGeneration"):
            later = await cluster.get(deployments, namespace, "a") or {}
    assert later["metadata"]["resourceVersion"] != created["metadata"]["resourceVersion"]
    assert same_except_status(created, later)
    assert not same_except_status(
        created, {**later, "metadata": {**later["metadata"], "labels": {}}}
    )
    assert not same_except_status(
        created, {**later, "metadata": {**later["metadata"], "uid": "another"}}
    )
    assert not same_except_status(created, {**later, "spec": {**later["spec"], "replicas": 2}})
