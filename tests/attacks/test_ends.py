"""Nobody reaches a store without password while its pod terminates, whatever is deleted."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.api.operator_process import OperatorProcess
from tests.api.platforms import PlatformUser
from tests.cluster.control_plane import ControlPlane
from tests.cluster.waiting import wait_until

STORES = ("acme-co1-mongodb", "acme-reg-redis")


def policies(user: PlatformUser) -> dict[str, dict[str, Any]]:
    return {item["metadata"]["name"]: item for item in user.list("networkpolicies")}


def store_pods(user: PlatformUser) -> dict[str, dict[str, Any]]:
    """Store → its pod."""
    return {
        store: pod
        for pod in user.list("pods")
        for store in STORES
        if pod["metadata"]["name"].startswith(f"{store}-")
    }


def install(user: PlatformUser) -> None:
    """Install a platform, and wait until each policy is owned by the pod that it protects."""
    user.apply_and_wait()

    def owned() -> bool:
        uids = {pod["metadata"]["uid"] for pod in user.list("pods")}
        owners = [
            {each["uid"] for each in item["metadata"]["ownerReferences"]}
            for item in policies(user).values()
        ]
        return all(each & uids for each in owners)

    wait_until(owned, "the pods to own their policies", seconds=60)


@contextmanager
def slow_to_terminate(user: PlatformUser) -> Iterator[None]:
    """Within it the pods of the stores do not end."""
    names = [pod["metadata"]["name"] for pod in store_pods(user).values()]
    assert len(names) == len(STORES)
    for name in names:
        user.patch("pod", name, {"metadata": {"finalizers": ["example.com/slow"]}})
    try:
        yield
    finally:
        for name in names:
            if user.find("pod", name):
                user.patch("pod", name, {"metadata": {"finalizers": None}})


def delete(user: PlatformUser, propagation: str) -> None:
    user.control_plane.api.text(
        "DELETE", user.path("pryvplatform", "acme"), {"propagationPolicy": propagation}
    )


def wait_terminating(user: PlatformUser) -> None:
    """Wait until the pods of the stores are all that is left, and only their policies with them."""
    wait_until(
        lambda: (
            len(user.list("pods")) == len(STORES)
            and all(pod["metadata"].get("deletionTimestamp") for pod in store_pods(user).values())
            and policies(user).keys() <= {*STORES}
        ),
        "the stores to be terminating",
        seconds=120,
    )


def test_policies_outlive_the_pods_of_a_deleted_platform(
    shared_platform: PlatformUser, operator: OperatorProcess
) -> None:
    """With the operator down: the garbage collector alone keeps the order."""
    user = shared_platform
    install(user)
    operator.stop()
    try:
        with slow_to_terminate(user):
            delete(user, "Background")
            wait_terminating(user)
            assert policies(user).keys() == {*STORES}
        wait_until(lambda: not policies(user), "the policies to go", seconds=60)
        assert not user.list("pods")
    finally:
        operator.start()
    user.apply_platform()
    user.adopt()


def test_pods_with_copied_labels_own_no_policy(shared_platform: PlatformUser) -> None:
    """They would be newer than the real pods, and any number of them."""
    user, store = shared_platform, STORES[0]
    install(user)
    labels = store_pods(user)[store]["metadata"]["labels"]
    names = [f"planted-{number}" for number in range(25)]
    container = {"name": "any", "image": "registry.example.com/any:1"}
    # Other controllers' labels would have them count as the StatefulSet's.
    copied = {key: text for key, text in labels.items() if "pryv" in key or "kubernetes" in key}
    user.apply(
        *(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": name, "labels": copied},
                "spec": {"containers": [container], "nodeSelector": {"no": "such"}},
            }
            for name in names
        )
    )
    try:
        before = user.get("pod", f"{store}-0")["metadata"]["uid"]
        user.delete("pod", f"{store}-0")

        def replacement() -> str | None:
            uid = (user.find("pod", f"{store}-0") or {"metadata": {"uid": before}})["metadata"][
                "uid"
            ]
            return uid if uid != before else None

        replaced = wait_until(replacement, "another pod", seconds=60)

        def owners() -> set[str]:
            return {each["uid"] for each in policies(user)[store]["metadata"]["ownerReferences"]}

        wait_until(lambda: replaced in owners(), "the new pod to own its policy", seconds=60)
        planted = {user.get("pod", name)["metadata"]["uid"] for name in names}
        assert not planted & owners()
    finally:
        for name in names:
            user.control_plane.api.delete(user.path("pods", name) + "?gracePeriodSeconds=0")


@pytest.mark.long
def test_orphaned_pods_keep_their_policies(user: PlatformUser, operator: OperatorProcess) -> None:
    install(user)
    operator.stop()
    try:
        # However often the pods are replaced.
        delete(user, "Orphan")
        wait_until(lambda: not user.find("pryvplatform", "acme"), "the platform to go", seconds=30)
        before = store_pods(user)
        for store, pod in before.items():
            user.delete("pod", pod["metadata"]["name"])
            wait_until(lambda store=store: store in store_pods(user), store, seconds=30)
        assert {*STORES} <= policies(user).keys()
    finally:
        operator.start()
    # A new platform of that name adopts them, and they go with it.
    user.apply_platform()
    user.adopt()
    install(user)
    user.delete("pryvplatform", "acme")
    wait_until(lambda: not policies(user), "the policies to go", seconds=60)


@pytest.mark.long
def test_foreground_deletion_ends_and_keeps_no_policy(
    user: PlatformUser, operator: OperatorProcess
) -> None:
    """A limit of Kubernetes that the docs report. If this fails, Kubernetes keeps the order now."""
    install(user)
    operator.stop()
    try:
        with slow_to_terminate(user):
            delete(user, "Foreground")
            wait_until(
                lambda: len(user.list("pods")) == len(STORES), "other pods to go", seconds=120
            )
            wait_until(lambda: not policies(user), "the policies to go", seconds=120)
            assert store_pods(user).keys() == {*STORES}
        wait_until(lambda: not user.find("pryvplatform", "acme"), "the platform to go", seconds=90)
        assert not user.list("pods")
    finally:
        operator.start()


@pytest.mark.long
def test_a_deleted_namespace_ends_with_the_operator_down(
    control_plane: ControlPlane, operator: OperatorProcess
) -> None:
    """Kubernetes deletes the pods of a namespace first (``OrderedNamespaceDeletion``)."""
    name = f"test-{secrets.token_hex(4)}"
    namespace = f"/api/v1/namespaces/{name}"
    control_plane.api.create("/api/v1/namespaces", {"metadata": {"name": name}})
    user = PlatformUser(control_plane, name)
    install(user)
    operator.stop()
    try:
        with slow_to_terminate(user):
            control_plane.api.delete(namespace)
            wait_until(
                lambda: len(user.list("pods")) == len(STORES), "other pods to go", seconds=60
            )
            assert {*STORES} <= policies(user).keys()
        wait_until(
            lambda: control_plane.api.find(namespace) is None, "the namespace to go", seconds=90
        )
    finally:
        operator.start()
