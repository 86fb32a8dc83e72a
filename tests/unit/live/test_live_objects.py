"""Which live objects are the operator's, and whose data are read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.api import names
from pryv_operator.api.kubernetes import Object
from pryv_operator.kube.client import METADATA_LIST
from pryv_operator.kube.resources import Resource
from pryv_operator.live.live_objects import is_written_by_operator, list_live_objects
from tests.unit.builders import platform


class ConfigMaps:
    """An API server with ConfigMaps that carry a platform's labels; it counts what is read."""

    def __init__(self, count: int, *, added_later: int = 0) -> None:
        self.names = [f"acme-{number:03}" for number in range(count)]
        self.added_later = added_later
        self.read: set[str] = set()

    async def list(self, *_: Any, **__: Any) -> list[Object]:
        return []

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
