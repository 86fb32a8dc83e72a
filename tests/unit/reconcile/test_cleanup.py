"""Which objects may be deleted, and which never are."""

from __future__ import annotations

from typing import Any

from pryv_operator.api import names
from pryv_operator.api.kubernetes import Object
from pryv_operator.reconcile.cleanup import (
    holders_of_needed_pvcs,
    needed_policies,
    undesired,
    undesired_configuration,
)
from tests.unit.builders import UID


def item(kind: str, name: str, *, purpose: str | None = None, **metadata: Any) -> Object:
    labels = names.platform_labels("acme") | ({"pryv.io/purpose": purpose} if purpose else {})
    return {
        "kind": kind,
        "metadata": {"name": name, "labels": labels, "ownerReferences": [{"uid": UID}], **metadata},
    }


def test_undesired_workloads_services_policies_and_budgets_are_deleted() -> None:
    old = [
        item(kind, "old")
        for kind in (
            "Service",
            "Deployment",
            "StatefulSet",
            "NetworkPolicy",
            "PodDisruptionBudget",
            "Certificate",
        )
    ]
    kept = item("Service", "kept")
    assert undesired([*old, kept], [kept], blocked=(), owner=UID) == old


def test_a_policy_goes_after_the_pods_it_protects() -> None:
    """Unless the policy alone is not desired any more (``networkPolicy: false``)."""
    policy = item("NetworkPolicy", "acme-co2-redis")
    policy["spec"] = {"podSelector": {"matchLabels": {"pryv.io/component": "redis"}}}
    pod = item("Pod", "p")
    pod["metadata"]["labels"]["pryv.io/component"] = "redis"
    workload = item("StatefulSet", "acme-co2-redis")
    assert needed_policies([policy], [pod], [])
    assert not needed_policies([policy], [pod], [workload])
    assert not needed_policies([policy], [item("Pod", "another")], [])


def test_an_object_of_another_kind_with_the_same_name_is_undesired() -> None:
    assert undesired(
        [item("Deployment", "a")], [item("StatefulSet", "a")], blocked=(), owner=UID
    ) == [item("Deployment", "a")]


def test_blocked_workloads_are_left_alone() -> None:
    assert undesired([item("Deployment", "proxy")], [], blocked=["proxy"], owner=UID) == []


def test_data_and_keys_are_never_deleted() -> None:
    kept = [
        item("PersistentVolumeClaim", "acme-co2-core-data"),
        item("Secret", "acme-generated-core-system-key", purpose="generated"),
        item("Secret", "acme-hash-key", purpose="hash-key"),
        item("Secret", "acme-private-ca-1", purpose="authority"),
        item("Secret", "acme-private-tls-1", purpose="certificate"),
    ]
    assert (
        undesired(kept, [], blocked=(), owner=UID) == undesired_configuration(kept, [], UID) == []
    )


def test_undesired_configuration_may_be_deleted() -> None:
    old = [item("ConfigMap", "old", purpose="config"), item("Secret", "old", purpose="config")]
    new = [item("ConfigMap", "new", purpose="config")]
    assert undesired_configuration([*old, *new], new, UID) == old


def test_an_object_of_another_controller_with_our_labels_is_not_ours() -> None:
    theirs = {"ownerReferences": [{"uid": "another", "controller": True}]}
    for metadata in (
        theirs,
        {"ownerReferences": []},
        theirs | {"annotations": {"pryv.io/applied": "copied"}},
    ):
        assert undesired([item("Service", "a", **metadata)], [], blocked=(), owner=UID) == []
        assert (
            undesired_configuration([item("ConfigMap", "a", purpose="config", **metadata)], [], UID)
            == []
        )
    orphan = item("Service", "a", ownerReferences=[], annotations={"pryv.io/applied": "by us"})
    assert undesired([orphan], [], blocked=(), owner=UID) == [orphan]


def mounting(kind: str, name: str, *pvcs: str) -> Object:
    volumes = [{"name": pvc, "persistentVolumeClaim": {"claimName": pvc}} for pvc in pvcs]
    return {
        **item(kind, name),
        "spec": {"template": {"spec": {"volumes": volumes, "containers": []}}},
    }


def test_an_undesired_workload_may_hold_a_pvc_that_a_desired_one_needs() -> None:
    old = mounting("StatefulSet", "acme-co1-mongodb", "mine", "backup")
    doomed = [old, item("Service", "x")]
    assert holders_of_needed_pvcs(doomed, [mounting("StatefulSet", "new", "mine")]) == [old]
    others = [mounting("StatefulSet", "new", "another"), item("Service", "x")]
    assert holders_of_needed_pvcs(doomed, others) == []


def test_objects_being_deleted_are_left_alone() -> None:
    going = {"deletionTimestamp": "2026-01-01T00:00:00Z"}
    assert undesired([item("Service", "a", **going)], [], blocked=(), owner=UID) == []
    assert (
        undesired_configuration([item("ConfigMap", "a", purpose="config", **going)], [], UID) == []
    )
