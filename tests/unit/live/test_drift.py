"""Drift of applied objects: what has changed, and who has changed it."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from pryv_operator.api.kubernetes import Object
from pryv_operator.live.diff import needs_apply, with_applied_hash
from pryv_operator.live.drift import find_drift, tolerating
from pryv_operator.live.live_objects import LiveObjects

DESIRED: Object = {
    "kind": "Deployment",
    "metadata": {"name": "a", "labels": {"app": "a"}},
    "spec": {
        "replicas": 1,
        "template": {"spec": {"containers": [{"name": "main", "image": "a:1", "args": ["x"]}]}},
    },
}


def live(**changes: Any) -> Object:
    item = copy.deepcopy(with_applied_hash(DESIRED))
    item["metadata"]["managedFields"] = [
        {"manager": "pryv-operator", "operation": "Apply", "time": "2026-01-01T00:00:09Z"},
        {"manager": "an-older-tool", "operation": "Update", "time": "2026-01-01T00:00:01Z"},
        {"manager": "other-tool", "operation": "Update", "time": "2026-01-01T00:00:02Z"},
        {
            "manager": "kube-controller-manager",
            "operation": "Update",
            "subresource": "status",
            "time": "2026-01-01T00:00:08Z",
        },
    ]
    return item | changes


def changed(path: str, value: Any) -> Object:
    item = live()
    *above, last = path.split("/")
    at: Any = item
    for step in above:
        at = at[int(step) if step.isdigit() else step]
    if value is None:
        del at[last]
    else:
        at[last] = value
    return item


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("spec/replicas", 3, "spec.replicas"),
        ("metadata/labels/app", None, "metadata.labels.app"),
        (
            "spec/template/spec/containers/0/image",
            "evil:1",
            "spec.template.spec.containers[main].image",
        ),
        (
            "spec/template/spec/containers/0/args",
            ["x", "y"],
            "spec.template.spec.containers[main].args",
        ),
        (
            "spec/template/spec/containers/0/args",
            ["y"],
            "spec.template.spec.containers[main].args[0]",
        ),
        ("spec/template/spec/containers/0/name", "b", "spec.template.spec.containers[main]"),
    ],
)
def test_the_changed_field_and_its_manager_are_named(path: str, value: Any, field: str) -> None:
    found = LiveObjects({("Deployment", "a"): changed(path, value)})
    (drift,) = find_drift([DESIRED], found)
    assert drift.field == field
    assert drift.manager == "other-tool"
    tolerated = tolerating(found, [DESIRED], [drift]).get("Deployment", "a")
    assert tolerated
    assert not needs_apply(with_applied_hash(DESIRED), tolerated)


def test_what_was_not_applied_yet_is_no_drift() -> None:
    other = {**DESIRED, "spec": {**DESIRED["spec"], "replicas": 2}}
    found = LiveObjects({("Deployment", "a"): live()})
    assert not find_drift([other], found)
    assert not find_drift([DESIRED], found)
    assert not find_drift([DESIRED], LiveObjects({}))


def test_a_change_without_a_trace_is_of_another_client() -> None:
    item = changed("spec/replicas", 3)
    item["metadata"].pop("managedFields")
    (drift,) = find_drift([DESIRED], LiveObjects({("Deployment", "a"): item}))
    assert drift.manager == "another client"
