"""ConfigMaps and Secrets that pod templates refer to."""

from __future__ import annotations

from pryv_operator.live.pod_references import referenced_configuration
from pryv_operator.objects.configuration import SecretNaming, configuration_of
from pryv_operator.objects.model import File, FileMount
from pryv_operator.objects.pods import environment_path
from pryv_operator.objects.workloads import workload
from tests.unit.builders import component


def test_all_references_of_a_pod_template_are_found() -> None:
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


def test_volumes_that_are_not_projected_count_too() -> None:
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


def test_an_object_without_a_template_refers_to_nothing() -> None:
    assert (
        referenced_configuration(
            [{"kind": "ControllerRevision", "data": None}, {"kind": "ReplicaSet", "spec": {}}]
        )
        == set()
    )
