"""How soon a change is looked at: pods that come up do not cost a reconciliation each."""

from __future__ import annotations

from typing import Any

import pytest

from pryv_operator.kube.reflector import Change
from pryv_operator.kube.resources import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    NETWORK_POLICIES,
    PODS,
    PVCS,
    SERVICES,
    STATEFUL_SETS,
    Resource,
)
from pryv_operator.kube.work_queue import Key
from pryv_operator.reconcile.wake import (
    CHANGED_SECONDS,
    DELETED_SECONDS,
    PROGRESS_SECONDS,
    Progress,
    is_shown_ready,
)

ACME = Key("pryv", "acme")


def change(resource: Resource, name: str = "x", **fields: Any) -> Change:
    given = {"deleted": False, "labels": (), "generation": 1, "generation_before": 1, **fields}
    return Change(resource, "pryv", name, **given)


def deployment(name: str, shown: str, **fields: Any) -> Change:
    return change(DEPLOYMENTS, name, shown=shown, **fields)


def test_the_last_workload_that_becomes_ready_is_looked_at_soon() -> None:
    progress = Progress()
    created = [
        deployment("a", "0/1 0 0", generation_before=0),
        deployment("b", "0/1 0 0", generation_before=0),
        change(STATEFUL_SETS, "a", shown="0/1", generation_before=0),
    ]
    assert [progress.wake_after(ACME, each) for each in created] == [CHANGED_SECONDS] * 3
    coming_up = [
        deployment("a", "0/1 1 0"),
        deployment("b", "0/1 1 0"),
        deployment("a", "1/1 1 1"),
        change(STATEFUL_SETS, "a", shown="1/1"),
    ]
    assert [progress.wake_after(ACME, each) for each in coming_up] == [PROGRESS_SECONDS] * 4
    assert progress.wake_after(ACME, deployment("b", "1/1 1 1")) == CHANGED_SECONDS
    assert progress.wake_after(ACME, deployment("b", "1/1 1 1")) == PROGRESS_SECONDS
    assert progress.wake_after(ACME, deployment("b", "0/1 1 0")) == PROGRESS_SECONDS


def test_the_longer_pods_take_the_less_often_they_are_looked_at() -> None:
    now = 0.0
    progress = Progress(lambda: now)
    progress.wake_after(ACME, deployment("a", "0/1 0 0", generation_before=0))
    progress.wake_after(ACME, change(STATEFUL_SETS, "a", shown="0/1", generation_before=0))
    delays = []
    for moment in (1.0, 5.0, 8.0, 14.0, 60.0):
        now = moment
        delays.append(progress.wake_after(ACME, change(PODS, shown="0/1 Pending")))
        assert progress.wake_after(ACME, deployment("a", "0/1 1 0")) == delays[-1]
    assert delays == [5.0, 5.0, 8.0, 14.0, 15.0]
    failing = change(PODS, shown="0/1 Error", shown_before="0/1 Running")
    assert progress.wake_after(ACME, failing) == CHANGED_SECONDS
    assert progress.wake_after(ACME, deployment("a", "1/1 1 1")) == 15.0
    assert progress.wake_after(ACME, change(STATEFUL_SETS, "a", shown="1/1")) == CHANGED_SECONDS
    assert progress.wake_after(ACME, change(PODS, shown="1/1 Running")) == PROGRESS_SECONDS
    assert not progress._since


def test_platforms_do_not_wait_for_each_other() -> None:
    progress = Progress()
    progress.wake_after(Key("pryv", "other"), deployment("a", "0/1 0 0"))
    progress.wake_after(ACME, deployment("a", "0/1 0 0"))
    assert progress.wake_after(ACME, deployment("a", "1/1 1 1")) == CHANGED_SECONDS


def test_what_is_deleted_is_not_waited_for() -> None:
    progress = Progress()
    progress.wake_after(ACME, deployment("a", "0/1 0 0"))
    progress.wake_after(ACME, deployment("b", "0/1 0 0"))
    assert progress.wake_after(ACME, deployment("b", "", deleted=True)) == DELETED_SECONDS
    assert progress.wake_after(ACME, deployment("a", "1/1 1 1")) == CHANGED_SECONDS
    assert not progress._unready


def test_edits_are_looked_at_soon() -> None:
    for resource in (DEPLOYMENTS, STATEFUL_SETS, NETWORK_POLICIES, DISRUPTION_BUDGETS):
        edited = change(resource, shown="1/1", generation=2)
        assert Progress().wake_after(ACME, edited) == CHANGED_SECONDS, resource
    for resource in (SERVICES, CONFIG_MAPS):  # nothing counts their edits
        assert Progress().wake_after(ACME, change(resource)) == CHANGED_SECONDS, resource


@pytest.mark.parametrize("resource", [PVCS, DISRUPTION_BUDGETS, NETWORK_POLICIES, PODS])
def test_what_moves_while_pods_come_up_waits(resource: Resource) -> None:
    assert Progress().wake_after(ACME, change(resource)) == PROGRESS_SECONDS


@pytest.mark.parametrize("resource", [PVCS, SERVICES, CONFIG_MAPS, NETWORK_POLICIES])
def test_what_is_deleted_is_restored_at_once(resource: Resource) -> None:
    assert Progress().wake_after(ACME, change(resource, deleted=True)) == DELETED_SECONDS


@pytest.mark.parametrize(
    "status", ["CrashLoopBackOff", "ErrImagePull", "Error", "OOMKilled", "Init:Error", "Evicted"]
)
def test_a_pod_that_fails_is_looked_at_soon_and_once(status: str) -> None:
    failing = change(PODS, shown=f"0/1 {status}", shown_before="0/1 Running")
    assert Progress().wake_after(ACME, failing) == CHANGED_SECONDS
    again = change(PODS, shown=f"0/1 {status}", shown_before=f"0/1 {status}")
    assert Progress().wake_after(ACME, again) == PROGRESS_SECONDS


@pytest.mark.parametrize(
    "status",
    ["Pending", "ContainerCreating", "PodInitializing", "Init:0/2", "Running", "Completed"],
)
def test_a_pod_that_comes_up_waits(status: str) -> None:
    coming_up = change(PODS, shown=f"0/1 {status}", shown_before="0/1 Pending ")
    assert Progress().wake_after(ACME, coming_up) == PROGRESS_SECONDS


@pytest.mark.parametrize(
    ("shown", "ready"),
    [
        ("1/1 1 1", True),
        ("2/2 2 2", True),
        ("0/0 0 0", True),
        ("1/1", True),
        ("", True),
        ("0/1 1 0", False),
        ("1/1 0 1", False),
        ("2/1 1 1", False),
        ("1/2 2 1", False),
        ("0/1", False),
    ],
)
def test_readiness_as_it_is_shown(shown: str, ready: bool) -> None:
    assert is_shown_ready(shown) is ready
