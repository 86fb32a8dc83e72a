"""A policy is owned by the pods that it protects, and references of others are left alone."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.api.kubernetes import Object
from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.errors import ConflictError
from pryv_operator.live.live_objects import LiveObjects
from pryv_operator.reconcile.policy_owners import (
    _MAX_PODS,
    controlled_pods,
    ensure_policy_owners,
    owners_to_write,
)
from tests.unit.builders import platform, state

PLATFORM = platform()
(POLICY,) = (
    item
    for item in state().objects
    if (item["kind"], item["metadata"]["name"]) == ("NetworkPolicy", "acme-co1-mongodb")
)
LABELS = POLICY["spec"]["podSelector"]["matchLabels"]
OTHERS = {"apiVersion": "v1", "kind": "ConfigMap", "name": "theirs", "uid": "theirs"}
STORE = {"kind": "StatefulSet", "metadata": {"name": "acme-co1-mongodb", "uid": "store"}}


def pod(name: str, controller: str = "store", **labels: str) -> Object:
    return {
        "metadata": {
            "name": name,
            "uid": name,
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {**LABELS, **labels},
            "ownerReferences": [{"uid": controller, "controller": True}],
        }
    }


def owned_by(*references: Object) -> Object:
    return {**POLICY, "metadata": {**POLICY["metadata"], "ownerReferences": [*references]}}


def uids(owners: list[Object] | None) -> list[str]:
    return [each["uid"] for each in owners or ()]


@given(
    pods=st.sets(st.sampled_from(["a", "b", "c", "planted"])),
    recorded=st.sets(st.sampled_from(["a", "b", "gone"])),
    exists=st.booleans(),
)
def test_owners_are_written_once_and_hold_all_pods(
    pods: set[str], recorded: set[str], exists: bool
) -> None:
    """Those that the workload controls, and those that it has controlled."""
    own = PLATFORM.owner_reference()
    before = [own, OTHERS, *({"kind": "Pod", "name": each, "uid": each} for each in recorded)]
    live = [pod(each) for each in sorted(pods)]
    workload = STORE if exists else None
    controlled = pods - {"planted"} if exists else set()
    needed = controlled | ({"store"} if exists else set())
    after = owners_to_write(owned_by(*before), workload, live, controlled)
    if not pods:
        assert after is None, "it protects nothing yet"
        return
    if needed <= recorded:
        assert after is None
        return
    assert after is not None
    assert after[:2] == [own, OTHERS]
    assert set(uids(after[2:])) == needed | pods & recorded, "what is gone goes with the write"
    assert sum(bool(each.get("controller")) for each in after) == 1
    assert not any(each.get("blockOwnerDeletion") for each in after)
    assert owners_to_write(owned_by(*after), workload, live, controlled) is None


def test_pods_with_copied_labels_are_not_controlled() -> None:
    pods = [
        pod("acme-co1-mongodb-0"),
        pod("acme-co1-mongodb-1", controller="other"),
        pod("acme-co1-mongodb-x"),
        pod("debug"),
        {"metadata": {"name": "acme-co1-mongodb-3", "uid": "none"}},
    ]
    assert controlled_pods(STORE, pods, []) == {"acme-co1-mongodb-0"}


def test_pods_of_a_deployment_are_controlled_by_its_replica_sets() -> None:
    deployment = {"kind": "Deployment", "metadata": {"name": "acme-co1-hfs", "uid": "hfs"}}
    sets = [pod("new", "hfs"), pod("old", "hfs"), pod("planted", "other")]
    pods = [pod(each, each) for each in ("new", "old", "planted", "hfs")]
    assert controlled_pods(deployment, pods, sets) == {"new", "old"}


def test_only_pods_that_it_selects_own_a_policy() -> None:
    others = pod("b", **{"pryv.io/component": "core"})
    assert uids(owners_to_write(POLICY, None, [pod("a"), others], {"a", "b"}))[1:] == ["a"]


def test_pods_as_owners_are_bounded() -> None:
    """Of a workload with more, those that have been owners stay."""
    pods = [pod(f"{number:03}") for number in range(3 * _MAX_PODS)]
    controlled = {each["metadata"]["uid"] for each in pods}
    own, recorded = PLATFORM.owner_reference(), {"kind": "Pod", "name": "059", "uid": "059"}
    owners = owners_to_write(owned_by(own, recorded), STORE, pods, controlled)
    assert owners is not None
    assert "059" in uids(owners)
    assert len(owners) == _MAX_PODS + 2
    assert owners_to_write(owned_by(*owners), STORE, pods, controlled) is None


def test_owners_with_copied_labels_of_earlier_versions_displace_none() -> None:
    planted = [pod(f"planted-{number}") for number in range(_MAX_PODS)]
    before = [
        {"kind": "Pod", "name": "", "uid": uid} for uid in uids([p["metadata"] for p in planted])
    ]
    owners = owners_to_write(owned_by(*before), STORE, [*planted, pod("z")], {"z"})
    assert "z" in uids(owners)


def test_a_policy_without_owners_gets_none() -> None:
    """It would be deleted with its pods: the platform comes first, by the next apply."""
    assert owners_to_write(owned_by(), STORE, [pod("a")], {"a"}) is None


class Server:
    """An API server with pods, whose policies change all the time."""

    def __init__(self, *pods: Object) -> None:
        self._pods = pods
        self.tried: list[str] = []

    list_reduced = KubeClient.list_reduced
    list_versioned = KubeClient.list_versioned

    async def list_page(self, *_: Any, **__: Any) -> Object:
        return {"items": [*self._pods], "metadata": {}}

    async def patch_owner_references(self, item: Object, _: Any) -> None:
        self.tried.append(item["metadata"]["name"])
        raise ConflictError(409, "Conflict", "changed")


async def test_a_policy_that_has_changed_is_left_to_the_next_reconciliation() -> None:
    server: Any = Server(pod("a"))
    seen = {**STORE, "status": {"observedGeneration": 1}}
    await ensure_policy_owners(server, PLATFORM, LiveObjects({}).with_objects([POLICY, seen]))
    assert server.tried == ["acme-co1-mongodb"]
    await ensure_policy_owners(server, PLATFORM, LiveObjects({}))
    assert server.tried == ["acme-co1-mongodb"]


async def test_a_workload_is_added_together_with_its_first_pods() -> None:
    """Its controller has not seen it, so that it has none yet: nothing is read or written."""
    server: Any = Server()
    server.list_page = None
    await ensure_policy_owners(server, PLATFORM, LiveObjects({}).with_objects([POLICY, STORE]))
    assert server.tried == []
