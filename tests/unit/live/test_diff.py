"""Whether an object has to be applied again."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.kubernetes import Object
from pryv_operator.live.diff import changed_field, needs_apply, with_applied_hash
from tests.examples import examples

WANTED: Object = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {
        "name": "acme-co1-hfs",
        "namespace": "pryv",
        "labels": {"a": "b"},
        "ownerReferences": [{"uid": "1", "name": "acme"}],
    },
    "spec": {
        "replicas": 1,
        "template": {
            "spec": {
                "enableServiceLinks": False,
                "containers": [
                    {
                        "name": "hfs",
                        "image": "hfs:1",
                        "env": [{"name": "A", "value": "1"}, {"name": "EMPTY", "value": ""}],
                        "ports": [{"containerPort": 3000}],
                        "resources": {
                            "requests": {"cpu": "1000m", "memory": "1Gi"},
                            "limits": {"cpu": 2},
                        },
                        "volumeMounts": [{"name": "conf", "mountPath": "/app/conf"}],
                    }
                ],
                "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a", "b"]}],
                "volumes": [{"name": "conf", "projected": {"sources": []}}],
            }
        },
    },
}


def live(item: Object = WANTED) -> Object:
    """What the API server returns of an object: with defaults, other fields and other spellings."""
    found = copy.deepcopy(with_applied_hash(item))
    found["metadata"] |= {"uid": "x", "resourceVersion": "7", "generation": 1}
    found["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = "1"
    found["status"] = {"readyReplicas": 1}
    if item["kind"] != "Deployment":
        return found
    found["spec"]["progressDeadlineSeconds"] = 600
    pod = found["spec"]["template"]["spec"]
    pod |= {"dnsPolicy": "ClusterFirst", "restartPolicy": "Always"}
    container = pod["containers"][0]
    container["resources"] = {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "2"}}
    container["ports"][0]["protocol"] = "TCP"
    del container["env"][1]["value"]  # left out when it is empty
    del pod["volumes"][0]["projected"]["sources"]
    return found


def pod_of(item: Object) -> Any:
    return item["spec"]["template"]["spec"]


def test_defaults_and_other_spellings_are_no_difference() -> None:
    assert not needs_apply(with_applied_hash(WANTED), live())


def test_entries_of_other_clients_are_ignored() -> None:
    found = live()
    found["metadata"]["labels"]["theirs"] = "x"
    found["metadata"]["ownerReferences"].insert(0, {"uid": "2", "name": "theirs"})
    pod_of(found)["containers"].insert(0, {"name": "sidecar", "image": "sidecar:1"})
    pod_of(found)["volumes"].append({"name": "theirs", "emptyDir": {}})
    container = pod_of(found)["containers"][1]
    container["env"].insert(0, {"name": "THEIRS", "value": "x"})
    container["volumeMounts"].append({"name": "theirs", "mountPath": "/theirs"})
    pod_of(found)["hostAliases"].append({"ip": "10.0.0.2", "hostnames": ["theirs"]})
    assert not needs_apply(with_applied_hash(WANTED), found)


@pytest.mark.parametrize(
    "edit",
    {
        "scaled": lambda item: item["spec"].update(replicas=2),
        "image": lambda item: pod_of(item)["containers"][0].update(image="hfs:2"),
        "container gone": lambda item: pod_of(item)["containers"].clear(),
        "flag": lambda item: pod_of(item).update(enableServiceLinks=True),
        "flag gone": lambda item: pod_of(item).pop("enableServiceLinks"),
        "variable": lambda item: pod_of(item)["containers"][0]["env"][0].update(value="2"),
        "variable gone": lambda item: pod_of(item)["containers"][0]["env"].pop(0),
        "port": lambda item: pod_of(item)["containers"][0]["ports"].append({"containerPort": 1}),
        "quantity": lambda item: pod_of(item)["containers"][0]["resources"]["requests"].update(
            cpu="2"
        ),
        "quantity gone": lambda item: pod_of(item)["containers"][0]["resources"]["requests"].pop(
            "cpu"
        ),
        "host": lambda item: pod_of(item)["hostAliases"][0]["hostnames"].append("c"),
        "label": lambda item: item["metadata"]["labels"].update(a="c"),
        "label gone": lambda item: item["metadata"]["labels"].pop("a"),
        "owner gone": lambda item: item["metadata"]["ownerReferences"].clear(),
        "our mark gone": lambda item: item["metadata"]["annotations"].pop("pryv.io/applied"),
        "no annotations": lambda item: item["metadata"].pop("annotations"),
    }.values(),
)
def test_an_edit_of_an_applied_field_is_a_difference(edit: Any) -> None:
    found = live()
    edit(found)
    assert needs_apply(with_applied_hash(WANTED), found)


@pytest.mark.parametrize(
    ("mine", "theirs", "same"),
    [
        ("1000m", "1", True),
        ("1Gi", "1024Mi", True),
        (2, "2", True),
        ("1e3", "1k", True),
        ("1G", "1Gi", False),
        ("100m", "1", False),
    ],
)
def test_quantities_are_compared_by_value(mine: Any, theirs: str, same: bool) -> None:
    desired = with_applied_hash(
        {
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "a"},
            "spec": {"resources": {"requests": {"storage": mine}}},
        }
    )
    found = copy.deepcopy(desired)
    found["spec"]["resources"]["requests"]["storage"] = theirs
    assert needs_apply(desired, found) is not same


def test_a_field_that_is_no_longer_desired_is_a_difference() -> None:
    """All desired fields are equal; only the hash of what was last applied tells."""
    before = copy.deepcopy(WANTED)
    before["spec"]["template"]["spec"]["priorityClassName"] = "high"
    assert needs_apply(with_applied_hash(WANTED), live(before))


def test_the_hash_does_not_change_the_desired_object() -> None:
    assert "annotations" not in WANTED["metadata"]
    assert with_applied_hash(WANTED) == with_applied_hash(WANTED)
    assert {**WANTED, "metadata": WANTED["metadata"]} == WANTED


@given(st.integers(-(2**63), 2**63 - 1) | st.text(st.characters(exclude_categories=[]), max_size=3))
def test_any_value_of_a_user_can_be_hashed(value: Any) -> None:
    """Scheduling fields accept any value, such as very long numbers."""
    desired = with_applied_hash(
        {
            "kind": "Deployment",
            "metadata": {"name": "a"},
            "spec": {"template": {"tolerations": [{"tolerationSeconds": value}]}},
        }
    )
    assert not needs_apply(desired, copy.deepcopy(desired))


@given(
    st.dictionaries(st.text(max_size=5), st.text(max_size=5)),
    st.dictionaries(st.text(max_size=5), st.text(max_size=5)),
)
def test_the_data_of_a_secret_is_not_in_its_hash(
    one: dict[str, str], other: dict[str, str]
) -> None:
    def mark(data: dict[str, str]) -> Any:
        return with_applied_hash({"kind": "Secret", "metadata": {"name": "a"}, "data": data})[
            "metadata"
        ]["annotations"]

    assert mark(one) == mark(other)


def test_changed_data_of_a_secret_is_a_difference() -> None:
    desired = with_applied_hash({"kind": "Secret", "metadata": {"name": "a"}, "data": {"a": "b"}})
    found = copy.deepcopy(desired)
    found["data"] = {"a": "c"}
    assert needs_apply(desired, found)


JSON = st.recursive(
    st.sampled_from([None, True, 0, 1, "", "a", "1000m", "1"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "a", "containers", "env", "limits", "selector", "value"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=examples(300))
@given(st.dictionaries(st.sampled_from(["spec", "data", "limits"]), JSON, max_size=2), JSON)
def test_an_object_contains_itself_and_what_it_is_a_part_of(item: Object, further: Any) -> None:
    assert changed_field(item, item) is None
    assert changed_field(item, {**item, "status": further}) is None


@settings(max_examples=examples(300))
@given(JSON)
def test_a_changed_value_is_found_wherever_it_is(value: Any) -> None:
    for path, changed in changes(value):
        found = changed_field({"spec": value}, {"spec": changed})
        assert found is not None, path
        assert found.startswith("spec")


def changes(value: Any) -> Iterator[tuple[str, Any]]:
    """Copies of a value, each with one of its texts replaced."""
    if isinstance(value, str) and value:
        yield value, "other"
    elif isinstance(value, dict):
        for key, child in value.items():
            yield from ((key, {**value, key: changed}) for _, changed in changes(child))
    elif isinstance(value, list) and not any(isinstance(each, dict) for each in value):
        for index, child in enumerate(value):
            yield from (
                (str(index), [*value[:index], changed, *value[index + 1 :]])
                for _, changed in changes(child)
            )


@settings(max_examples=examples(300))
@given(JSON, JSON, st.dictionaries(st.text(max_size=3), JSON, max_size=3))
def test_digests_are_those_of_the_json_with_sorted_keys(
    template: Any, other: Any, further: dict[str, Any]
) -> None:
    """They are in annotations of live objects: other ones would have all of them applied again."""

    def digest(value: Any) -> str:
        return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]

    spec = {**further, "template": template, "é": other}
    workload = {"kind": "Deployment", "metadata": {"name": "a"}, "spec": spec, "z": other}
    annotations = with_applied_hash(workload)["metadata"]["annotations"]
    assert annotations == {keys.APPLIED: digest(workload), keys.TEMPLATE: digest(template)}
    service = {"kind": "Service", "metadata": {"annotations": {"a": "b"}}, "spec": spec}
    annotations = with_applied_hash(service)["metadata"]["annotations"]
    assert annotations == {"a": "b", keys.APPLIED: digest(service)}
    secret = {"kind": "Secret", "metadata": {}, "data": {"a": "b"}, "type": "Opaque"}
    visible = {key: value for key, value in secret.items() if key != "data"}
    assert with_applied_hash(secret)["metadata"]["annotations"] == {keys.APPLIED: digest(visible)}
