"""``spec.deletionPolicy`` adds or removes the platform's own owner reference, and no other one."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.api.kubernetes import Object
from pryv_operator.live.live_objects import LiveObjects
from pryv_operator.live.reduce import is_written_by_operator
from pryv_operator.reconcile.retention import adopt_pvcs, owners_of_data
from tests.unit.builders import platform

RETAINING, DELETING = platform(deletionPolicy="Retain"), platform(deletionPolicy="Delete")
OWN = DELETING.owner_reference()
EARLIER = {**OWN, "uid": "an earlier platform of this name"}

KINDS = st.sampled_from(
    [("backup.example/v1", "Backup"), ("v1", "ConfigMap"), ("apps/v1", "Deployment")]
)


@st.composite
def references_of_others(draw: st.DrawFn) -> list[Object]:
    found: list[Object] = []
    for number in range(draw(st.integers(0, 3))):
        version, kind = draw(KINDS)
        reference = {"apiVersion": version, "kind": kind, "name": "acme", "uid": f"o{number}"}
        if draw(st.booleans()):
            reference["controller"] = draw(st.booleans()) and not any(
                each.get("controller") for each in found
            )
        found.append(reference)
    return found


@given(
    others=references_of_others(),
    own=st.sampled_from([[], [OWN], [EARLIER], [{**OWN, "controller": False}]]),
    first=st.booleans(),
)
def test_references_of_others_are_never_touched(
    others: list[Object], own: list[Object], first: bool
) -> None:
    before = [*own, *others] if first else [*others, *own]
    assert owners_of_data(before, RETAINING) == others
    after = owners_of_data(before, DELETING)
    assert [each for each in after if each["uid"] != OWN["uid"]] == others
    assert [each["uid"] for each in after].count(OWN["uid"]) == 1
    assert sum(bool(each.get("controller")) for each in after) <= 1
    assert owners_of_data(after, DELETING) == after  # and nothing is written a second time


def test_another_platform_is_another_owner() -> None:
    theirs = {**OWN, "name": "other", "uid": "theirs"}
    assert owners_of_data([theirs], RETAINING) == [theirs]


class Patches:
    """An API server that records who has patched what."""

    def __init__(self) -> None:
        self.patched: list[str] = []

    async def patch_annotations(self, item: Object, annotations: Object) -> Object:
        self.patched.append(item["metadata"]["name"])
        managed = [*item["metadata"]["managedFields"], {"manager": "pryv-operator"}]
        metadata = {**item["metadata"], "annotations": annotations, "managedFields": managed}
        return {**item, "metadata": metadata}


async def test_restored_pvcs_are_marked_once_by_an_adoption() -> None:
    client: Any = Patches()
    live = LiveObjects({
        (kind, name): {
            "kind": kind,
            "metadata": {"name": name, "managedFields": [{"manager": manager}]},
        }
        for kind, name, manager in (
            ("PersistentVolumeClaim", "restored", "backup-tool"),
            ("PersistentVolumeClaim", "ours", "pryv-operator"),
            ("Service", "restored", "backup-tool"),
        )
    })  # fmt: skip
    adopted = await adopt_pvcs(client, live, "1")
    assert client.patched == ["restored"]
    restored = adopted.get("PersistentVolumeClaim", "restored")
    assert restored is not None
    assert is_written_by_operator(restored["metadata"])
    await adopt_pvcs(client, adopted, "1")
    assert client.patched == ["restored"]
