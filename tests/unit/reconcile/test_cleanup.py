"""What can go, and what must not."""

from __future__ import annotations

from typing import Any

from pryv_operator.api import names
from pryv_operator.api.kubernetes import Object
from pryv_operator.live.pod_references import referenced_configuration
from pryv_operator.objects.configuration import SecretNaming, configuration_of
from pryv_operator.objects.model import File, FileMount
from pryv_operator.objects.pods import environment_path
from pryv_operator.objects.workloads import workload
from pryv_operator.reconcile.cleanup import holds_needed_pvc, undesired, undesired_configuration
from tests.unit.builders import UID, component


def item(kind: str, name: str, *, purpose: str | None = None, **metadata: Any) -> Object:
    labels = names.platform_labels("acme") | ({"pryv.io/purpose": purpose} if purpose else {})
    return {
        "kind": kind,
        "metadata": {"name": name, "labels": labels, "ownerReferences": [{"uid": UID}], **metadata},
    }


def test_workloads_services_and_policies_go_when_nothing_wants_them() -> None:
    old = [
        item(kind, "old")
        for kind in ("Service", "Deployment", "StatefulSet", "NetworkPolicy", "Certificate")
    ]
    kept = item("Service", "kept")
    assert undesired([*old, kept], [kept], blocked=(), owner=UID) == old


def test_another_kind_of_the_same_name_is_not_meant() -> None:
    assert undesired(
        [item("Deployment", "a")], [item("StatefulSet", "a")], blocked=(), owner=UID
    ) == [item("Deployment", "a")]


def test_what_is_held_back_stays_as_it_is() -> None:
    assert undesired([item("Deployment", "proxy")], [], blocked=["proxy"], owner=UID) == []


def test_data_and_keys_never_go() -> None:
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


def test_old_configuration_may_go() -> None:
    old = [item("ConfigMap", "old", purpose="config"), item("Secret", "old", purpose="config")]
    new = [item("ConfigMap", "new", purpose="config")]
    assert undesired_configuration([*old, *new], new, UID) == old


def test_what_another_controller_has_given_our_labels_is_not_ours() -> None:
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


def mounting(kind: str, name: str, *claims: str) -> Object:
    volumes = [{"name": claim, "persistentVolumeClaim": {"claimName": claim}} for claim in claims]
    return {
        **item(kind, name),
        "spec": {"template": {"spec": {"volumes": volumes, "containers": []}}},
    }


def test_what_has_a_claim_that_another_one_is_to_have_is_in_the_way() -> None:
    old = mounting("StatefulSet", "acme-co1-mongodb", "mine", "backup")
    assert holds_needed_pvc(old, [mounting("StatefulSet", "acme-co2-mongodb", "mine")])
    assert not holds_needed_pvc(
        old, [mounting("StatefulSet", "acme-co2-mongodb", "another"), item("Service", "x")]
    )
    assert not holds_needed_pvc(item("Service", "x"), [old])


def test_what_is_going_already_is_left_alone() -> None:
    going = {"deletionTimestamp": "2026-01-01T00:00:00Z"}
    assert undesired([item("Service", "a", **going)], [], blocked=(), owner=UID) == []
    assert (
        undesired_configuration([item("ConfigMap", "a", purpose="config", **going)], [], UID) == []
    )


def test_everything_a_pod_template_names_is_found() -> None:
    files = [
        File("core/conf/core.yml", "plain", secret=False),
        File("core/conf/key", "secret", secret=True),
        File(environment_path("KEY"), "secret", secret=True),
    ]
    of = component(
        "core",
        files=files,
        file_mounts=(FileMount("core/conf", "/app/conf"),),
        environment=(("KEY", "secret"),),
        secret_environment=frozenset({"KEY"}),
    )
    built = configuration_of(of, SecretNaming(b"key"))
    applied = workload(of, built, frozenset())
    wanted = {(each["kind"], each["metadata"]["name"]) for each in built.objects}
    template = applied["spec"]["template"]
    assert referenced_configuration([applied]) == wanted
    assert (
        referenced_configuration([{"kind": "ReplicaSet", "spec": {"template": template}}]) == wanted
    )
    assert (
        referenced_configuration(
            [
                {
                    "kind": "ControllerRevision",
                    "data": {"spec": {"template": {**template, "$patch": "replace"}}},
                }
            ]
        )
        == wanted
    )
    assert referenced_configuration([{"kind": "Pod", "spec": template["spec"]}]) == wanted


def test_older_forms_of_volumes_count_too() -> None:
    spec = {
        "volumes": [
            {"name": "a", "configMap": {"name": "c"}},
            {"name": "b", "secret": {"secretName": "s"}},
            {"name": "d", "emptyDir": {}},
        ],
        "initContainers": [
            {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "t", "key": "k"}}}]}
        ],
        "containers": [],
    }
    assert referenced_configuration([{"kind": "Pod", "spec": spec}]) == {
        ("ConfigMap", "c"),
        ("Secret", "s"),
        ("Secret", "t"),
    }


def test_what_has_no_template_names_nothing() -> None:
    assert (
        referenced_configuration(
            [{"kind": "ControllerRevision", "data": None}, {"kind": "ReplicaSet", "spec": {}}]
        )
        == set()
    )
