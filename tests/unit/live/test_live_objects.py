"""Which live objects are the operator's, and whose data are read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.api import names
from pryv_operator.api.kubernetes import Object
from pryv_operator.kube.client import METADATA_LIST, KubeClient
from pryv_operator.kube.errors import TooLargeError, UnreadableError
from pryv_operator.kube.resources import PODS, Resource
from pryv_operator.live import live_objects
from pryv_operator.live.live_objects import list_live_objects, list_referenced_configuration
from pryv_operator.live.reduce import is_written_by_operator
from tests.unit.builders import UID, platform


class ConfigMaps:
    """An API server with ConfigMaps that carry a platform's labels; it counts what is read."""

    def __init__(self, count: int, *, added_later: int = 0) -> None:
        self.names = [f"acme-{number:03}" for number in range(count)]
        self.added_later = added_later
        self.read: set[str] = set()

    list_reduced = KubeClient.list_reduced
    list_versioned = KubeClient.list_versioned

    async def list_page(
        self, resource: Resource, *_: Any, accept: str = "", limit: int = 500, **__: Any
    ) -> Object:
        if resource.kind != "ConfigMap":
            return {"items": [], "metadata": {}}
        metadata = {
            name: {"name": name, "labels": names.platform_labels("acme")} for name in self.names
        }
        if accept == METADATA_LIST:
            self.names += [f"acme-later-{number:03}" for number in range(self.added_later)]
            return {"items": [{"metadata": each} for each in metadata.values()], "metadata": {}}
        shown = list(metadata)[:limit]
        self.read |= {*shown}
        more = {"continue": "more"} if len(shown) < len(metadata) else {}
        return {
            "items": [{"metadata": metadata[name], "data": {"a": "b"}} for name in shown],
            "metadata": more,
        }

    async def get(self, resource: Resource, _: str, name: str) -> Object:
        self.read.add(name)
        return {"kind": resource.kind, "metadata": {"name": name}, "data": {"a": "b"}}


@given(count=st.integers(0, 150), own=st.integers(0, 40), later=st.sampled_from([0, 200]))
async def test_planted_config_maps_cost_no_data(count: int, own: int, later: int) -> None:
    """``later``: added between the list of metadata and the one of data."""
    client: Any = ConfigMaps(count, added_later=later)
    needed = {*client.names[:own]}
    live = await list_live_objects(client, platform(), lambda _, name: name in needed)
    assert {name for _, name in live.objects} >= {*client.names[:count]}
    assert all("data" in item for (_, name), item in live.objects.items() if name in needed)
    assert len(client.read - needed) <= 20 + len(needed), "beyond that, only what is needed"
    assert count <= len(needed) + 20 or later or client.read == needed


class Server:
    """An API server that cuts its answers off as the transport does; it counts what it sent."""

    unremembered = KubeClient.unremembered
    list_reduced = KubeClient.list_reduced
    list_versioned = KubeClient.list_versioned

    def __init__(self, kind: str, *items: Object) -> None:
        self.kind = kind
        self.items = {item["metadata"]["name"]: item for item in items}
        self.requests: list[str] = []
        self.largest = 0
        self.data: set[str] = set()

    async def list_page(
        self,
        resource: Resource,
        *_: Any,
        limit: int = 500,
        token: str | None = None,
        accept: str = "",
        max_bytes: int | None = None,
        **__: Any,
    ) -> Object:
        items = list(self.items.values()) if resource.kind == self.kind else []
        start = int(token or 0)
        shown = items[start : start + limit]
        if accept == METADATA_LIST:
            shown = [{"metadata": item["metadata"]} for item in shown]
        if resource.kind == self.kind:
            self.requests.append(f"list {limit}")
        size = sum(len(json.dumps(item)) for item in shown)
        if max_bytes is not None and size > max_bytes:
            raise TooLargeError(0, "TooLarge", "too large")
        self.largest = max(self.largest, size)
        if accept != METADATA_LIST:
            self.data |= {item["metadata"]["name"] for item in shown}
        more = {"continue": str(start + limit)} if start + limit < len(items) else {}
        return {"items": shown, "metadata": more}

    async def get(self, resource: Resource, _: str, name: str) -> Object:
        assert resource.kind == self.kind
        self.requests.append(f"get {name}")
        self.data.add(name)
        return {"kind": self.kind, **self.items[name]}


OURS = [{"manager": "pryv-operator", "operation": "Apply"}]
MIB = 1 << 20


def labelled(name: str, *, ours: bool = False, size: int = 0, **metadata: Any) -> Object:
    """An object with a platform's labels. ``size``: of its spec."""
    managed = {"managedFields": OURS} if ours else {}
    return {
        "metadata": {"name": name, "labels": names.platform_labels("acme"), **managed, **metadata},
        "spec": {"template": {"spec": {"hostname": "x" * size}}},
    }


async def read(client: Any) -> dict[str, Object]:
    """Name → what is read of each of a platform's objects."""
    live = await list_live_objects(client, platform(), lambda *_: False)
    return {name: item for (_, name), item in live.objects.items()}


async def test_a_platform_at_rest_is_read_with_one_list_of_each_kind() -> None:
    server = Server("Deployment", *(labelled(f"d{each}", ours=True, size=99) for each in range(40)))
    assert len(await read(server)) == 40
    assert server.requests == ["list 500"]


@pytest.mark.parametrize("kind", ["Service", "PersistentVolumeClaim", "Deployment", "Certificate"])
async def test_of_large_objects_of_others_no_data_are_read(kind: str) -> None:
    planted = [labelled(f"planted{each}", size=MIB) for each in range(30)]
    server = Server(kind, labelled("ours", ours=True, size=10), *planted)
    found = await read(server)
    assert server.data == {"ours"}
    assert "spec" in found["ours"]
    assert not any("spec" in item for name, item in found.items() if name != "ours")
    assert server.largest < 2 * MIB


async def test_a_large_platform_is_read_in_pages() -> None:
    server = Server("Deployment", *(labelled(f"d{n}", ours=True, size=9000) for n in range(300)))
    assert all("spec" in item for item in (await read(server)).values())
    assert len(server.requests) < 12
    assert server.largest < 2 * MIB


@pytest.mark.parametrize("others", [0, 60])
async def test_objects_that_look_like_ours_have_a_limit_together(others: int) -> None:
    forged = [labelled(f"d{each}", ours=True, size=MIB) for each in range(40)]
    foreign = [labelled(f"x{each}") for each in range(others)]
    server = Server("Deployment", *forged, *foreign)
    with pytest.raises(UnreadableError, match=r'Deployment objects .* platform "acme" have more'):
        await read(server)
    assert len(server.data & {item["metadata"]["name"] for item in forged}) <= 24


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret", "Deployment"])
async def test_the_number_of_kept_objects_of_others_has_a_limit(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Those of the operator are found among any number."""
    planted = [labelled(f"a{each:05}") for each in range(3000)]
    server = Server(kind, *planted, labelled("ours", ours=True), labelled("z"))
    found = await read(server)
    assert len(found) == 2001
    assert "ours" in found
    (record,) = caplog.records
    assert f"pryv/acme: {kind}: more than 2000 objects" in record.message


@pytest.mark.parametrize(("size", "fits"), [(200_000, True), (250_000, False)])
async def test_the_revision_history_has_a_limit(size: int, *, fits: bool) -> None:
    """Annotations describe a revision, and others may create any number of them."""
    annotations = {"pryv.io/templates": "x" * size, "other": "y" * size}
    revisions = [labelled(f"r{each}", annotations=annotations) for each in range(150)]
    client: Any = Server("ControllerRevision", *revisions)
    if fits:
        assert len(await live_objects.list_revision_metadata(client, platform())) == 150
        return
    with pytest.raises(UnreadableError, match=r"ControllerRevision objects .* have more than"):
        await live_objects.list_revision_metadata(client, platform())


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret", "Deployment"])
@pytest.mark.parametrize("ours", [True, False])
async def test_large_metadata_are_read_in_small_pages_and_not_kept(
    kind: str, *, ours: bool
) -> None:
    annotations = {"a": "x" * MIB, "pryv.io/applied": "0" * 9999}
    owners = [{"kind": "Pod", "name": "x" * 9999, "uid": "y" * 9999}] * 2
    if kind == "Deployment":
        ours = False
    server = Server(
        kind,
        *(
            labelled(f"x{n}", ours=ours, annotations=annotations, ownerReferences=owners)
            for n in range(30)
        ),
    )
    found = await read(server)
    assert len(found) == 30
    assert len(json.dumps([*found.values()])) < 150_000
    assert server.largest < 2 * MIB


async def test_of_pods_only_what_health_needs_is_kept() -> None:
    spec = {"containers": [{"name": "a", "image": "b", "env": [{"name": "A", "value": "x" * MIB}]}]}
    pods = [{**labelled(f"p{n}"), "spec": spec} for n in range(9)]
    client: Any = Server("Pod", *pods)
    found = await live_objects.list_pods(client, platform())
    assert len(json.dumps(found)) < 9_000
    assert found[0]["spec"]["containers"] == [{"name": "a", "image": "b"}]
    assert client.largest < 2 * MIB


async def test_of_events_only_what_explains_is_kept() -> None:
    involved = {"kind": "Pod", "name": "x" * 9999, "uid": "u", "fieldPath": "y" * 9999}
    more = {"involvedObject": involved, "reason": "z" * 9999, "message": "m" * MIB}
    client: Any = Server("Event", *({**labelled(f"e{n}"), **more} for n in range(9)))
    found = await live_objects.list_warning_events(client, platform())
    assert len(found) == 9
    assert len(json.dumps(found)) < 40_000
    assert client.largest < 2 * MIB


async def test_of_pod_templates_only_references_to_candidates_are_kept() -> None:
    volumes = [{"configMap": {"name": f"c{each}"}} for each in range(9)]
    client: Any = Server(PODS.kind, {**labelled("p"), "spec": {"volumes": volumes}})
    candidates = {("ConfigMap", "c1"), ("ConfigMap", "other"), ("Secret", "c2")}
    assert await list_referenced_configuration(client, platform(), candidates) == {
        ("ConfigMap", "c1")
    }


@pytest.mark.parametrize(
    ("entry", "written"),
    [
        ({"manager": "pryv-operator", "operation": "Update"}, True),
        ({"manager": "pryv-operator", "operation": "Apply"}, True),
        ({"manager": "pryv-operator", "operation": "Apply", "subresource": "status"}, False),
        ({"manager": "pryv-operator-owners", "operation": "Update"}, False),
        ({"manager": "backup-tool", "operation": "Update"}, False),
    ],
)
def test_managed_fields_show_who_has_written_an_object(entry: Object, *, written: bool) -> None:
    copied = {
        "labels": names.platform_labels("acme"),
        "annotations": {"pryv.io/applied": "0123456789abcdef"},
        "ownerReferences": [platform().owner_reference()],
    }
    assert is_written_by_operator({**copied, "managedFields": [entry]}) is written
    assert not is_written_by_operator(copied)


@pytest.mark.parametrize(
    ("change", "counts"),
    [
        ({}, True),
        ({"ownerReferences": []}, False),
        ({"ownerReferences": [{"uid": "another"}]}, False),
        ({"ownerReferences": [{"uid": UID}, {"uid": "another"}]}, False),
        ({"managedFields": [{"manager": "kubectl", "operation": "Update"}]}, False),
    ],
)
async def test_of_trials_only_the_operators_count(change: dict[str, Any], *, counts: bool) -> None:
    trial = labelled("p", ours=True, ownerReferences=[{"uid": UID, "controller": True}])
    pod = {**trial, "metadata": trial["metadata"] | change, "spec": {"containers": []}}
    client: Any = Server("Pod", pod)
    assert bool(await live_objects.list_trial_pods(client, platform())) == counts
