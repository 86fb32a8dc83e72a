"""A node drain: of the pods of a component with two replicas, one is evicted at a time."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.platforms import MANAGED, POLL_SECONDS, Object, PlatformUser
from tests.cluster.api_client import ApiError
from tests.cluster.simulated_nodes import BEHAVIOUR
from tests.cluster.waiting import wait_until

pytestmark = pytest.mark.cluster

NAME = "acme-reg-register"
SECONDS = 60


def roles(replicas: int) -> Object:
    return {
        "reg-master": {"components": {"register": {"replicas": replicas}}},
        "core": {},
        "static": {},
    }


@pytest.fixture
def doubled(shared_platform: PlatformUser) -> PlatformUser:
    """A platform with two pods of register, of which one may be evicted."""
    shared_platform.apply_and_wait(roles=roles(2))
    wait_allowed(shared_platform, 1)
    return shared_platform


def wait_allowed(user: PlatformUser, count: int) -> None:
    def allowed() -> bool:
        found = user.find("pdb", NAME) or {}
        status = found.get("status", {})
        current = status.get("observedGeneration") == found.get("metadata", {}).get("generation")
        return bool(current and status.get("disruptionsAllowed") == count)

    wait_until(allowed, f"{count} evictions to be allowed", seconds=SECONDS, every=POLL_SECONDS)


def pods_of_register(user: PlatformUser) -> list[str]:
    labels = f"{MANAGED},pryv.io/instance=reg,pryv.io/component=register"
    return sorted(
        item["metadata"]["name"]
        for item in user.list("pods", labels)
        if not item["metadata"].get("deletionTimestamp")
    )


def evict(user: PlatformUser, pod: str) -> None:
    """As ``kubectl drain`` does. Raises ApiError if a budget does not allow it."""
    user.control_plane.api.create(
        f"{user.path('pod', pod)}/eviction",
        {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod}},
    )


def everything(user: PlatformUser) -> tuple[dict[str, str], list[str], Any]:
    """What an additional budget must not change: pods, and the revision."""
    revision = user.get("pryvplatform", "acme")["status"]["revision"]
    return user.pods(), pods_of_register(user), revision


def test_the_second_pod_is_evicted_once_the_first_is_replaced(doubled: PlatformUser) -> None:
    first, second = pods_of_register(doubled)
    doubled.annotate("pod", first, **{BEHAVIOUR: "never-ready"})
    wait_allowed(doubled, 0)
    with pytest.raises(ApiError, match="disruption budget") as refused:
        evict(doubled, second)
    assert refused.value.status == 429
    evict(doubled, first)  # it serves nobody, so it does not block the drain
    wait_until(
        lambda: len(pods_of_register(doubled)) == 2 and first not in pods_of_register(doubled),
        "another pod in its place",
        seconds=SECONDS,
    )
    wait_allowed(doubled, 1)
    evict(doubled, second)
    wait_allowed(doubled, 1)


@pytest.mark.parametrize(
    "different", [{"roles": roles(1)}, {"roles": roles(2), "stopped": True}], ids=["one", "stopped"]
)
def test_a_budget_is_removed_with_the_second_pod(
    doubled: PlatformUser, different: dict[str, Any]
) -> None:
    doubled.apply_platform(**different)
    wait_until(lambda: not doubled.list("pdb"), "the budget to go", seconds=SECONDS)
    doubled.apply_and_wait(roles=roles(1))
    (alone,) = pods_of_register(doubled)
    evict(doubled, alone)


def test_an_upgrade_adds_budgets_and_restarts_nothing(doubled: PlatformUser) -> None:
    """An earlier version has left none."""
    doubled.wait_steady()
    before = everything(doubled)
    uid = doubled.get("pdb", NAME)["metadata"]["uid"]
    doubled.delete("pdb", NAME)
    wait_until(
        lambda: (doubled.find("pdb", NAME) or {"metadata": {"uid": uid}})["metadata"]["uid"] != uid,
        "the budget to be recreated",
        seconds=SECONDS,
    )
    doubled.wait_steady()
    assert everything(doubled) == before


@pytest.mark.parametrize(
    "edit",
    [
        {"maxUnavailable": 2},
        {"maxUnavailable": None, "minAvailable": 2},
        {"selector": {"matchLabels": {"x": "y"}}},
        {"unhealthyPodEvictionPolicy": None},
    ],
    ids=lambda edit: next(iter(edit)),
)
def test_edits_of_a_budget_are_reverted(doubled: PlatformUser, edit: Object) -> None:
    before = doubled.get("pdb", NAME)["spec"]
    doubled.patch("pdb", NAME, {"spec": edit})
    wait_until(
        lambda: doubled.get("pdb", NAME)["spec"] == before, "the budget's spec", seconds=SECONDS
    )
    doubled.wait_steady()
