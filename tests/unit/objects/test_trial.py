"""Trials: pods that pull the images of a workload, do nothing, and are selected by nothing."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names
from pryv_operator.api.kubernetes import WORKLOAD_KINDS, Object
from pryv_operator.objects.trial import images, trial_pod
from tests.unit.builders import UID, all_objects, platform, state

BEGAN = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
DESIRED = state(
    roles={
        "core": {
            "instances": [{"name": "co1"}],
            "components": {
                "core": {
                    "env": [{"name": "TOKEN", "value": "not-for-trials"}],
                    "nodeSelector": {"disk": "fast"},
                    "tolerations": [{"key": "dedicated", "operator": "Exists"}],
                    "priorityClassName": "high",
                    "affinity": {
                        "nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []},
                        "podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []},
                    },
                }
            },
        },
        "reg-slave": {},
    },
    imagePullSecrets=[{"name": "registry"}],
)
WORKLOADS = {
    item["metadata"]["name"]: item for item in DESIRED.objects if item["kind"] in WORKLOAD_KINDS
}
CORE = WORKLOADS["acme-co1-core"]


def trial(workload: Object = CORE, began: dt.datetime = BEGAN) -> Object:
    return trial_pod(platform(), workload, began)


def selectors() -> Iterator[tuple[str, Object]]:
    """Every label selector of the desired objects, and those of the pods' affinity."""
    for item in all_objects(DESIRED):
        if item["kind"] == "Service":
            yield item["metadata"]["name"], {"matchLabels": item["spec"]["selector"]}
        yield from ((item["metadata"]["name"], each) for each in _nested(item.get("spec")))


def _nested(value: Any) -> Iterator[Object]:
    if isinstance(value, dict):
        for key, each in value.items():
            if key in ("podSelector", "labelSelector") or (
                key == "selector" and "matchLabels" in each
            ):
                yield each
            else:
                yield from _nested(each)
    elif isinstance(value, list):
        for each in value:
            yield from _nested(each)


def selects(selector: Object, labels: dict[str, str]) -> bool:
    return all(
        labels.get(key) == value for key, value in selector.get("matchLabels", {}).items()
    ) and all(
        labels.get(each["key"]) in each["values"] for each in selector.get("matchExpressions", ())
    )


def test_nothing_selects_a_trial() -> None:
    found = [*selectors()]
    assert len(found) > len(WORKLOADS)
    for workload in WORKLOADS.values():
        labels = trial(workload)["metadata"]["labels"]
        assert not [name for name, selector in found if selects(selector, labels)]


@pytest.mark.parametrize("name", sorted(WORKLOADS))
def test_trial_pulls_all_images_once_and_does_nothing(name: str) -> None:
    template, pod = WORKLOADS[name]["spec"]["template"]["spec"], trial(WORKLOADS[name])["spec"]
    pulled = [each["image"] for each in pod["containers"]]
    assert sorted(pulled) == sorted(images(template))
    assert len({each["name"] for each in pod["containers"]}) == len(pulled)
    assert pod["restartPolicy"] == "Never"
    assert not {"volumes", "initContainers", "hostAliases", "topologySpreadConstraints"} & set(pod)
    for container in pod["containers"]:
        assert container["command"] == ["/bin/sh", "-c", "exit 0"]
        assert container["resources"]["requests"].keys() == container["resources"]["limits"].keys()
        allowed = {"name", "image", "imagePullPolicy", "command", "resources", "securityContext"}
        assert container.keys() <= allowed


@pytest.mark.parametrize("name", sorted(WORKLOADS))
def test_trial_has_no_privileges(name: str) -> None:
    pod = trial(WORKLOADS[name])["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"] == WORKLOADS[name]["spec"]["template"]["spec"]["securityContext"]
    for container in pod["containers"]:
        security = container["securityContext"]
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert (security["allowPrivilegeEscalation"], security["readOnlyRootFilesystem"]) == (
            False,
            True,
        )
        assert "privileged" not in security


def test_trial_runs_where_the_workload_runs() -> None:
    pod = trial()["spec"]
    assert pod["nodeSelector"] == {"disk": "fast"}
    assert pod["tolerations"] == [{"key": "dedicated", "operator": "Exists"}]
    assert pod["priorityClassName"] == "high"
    assert pod["imagePullSecrets"] == [{"name": "registry"}]
    affinity, own = pod["affinity"], CORE["spec"]["template"]["spec"]["affinity"]
    assert affinity["nodeAffinity"] == own["nodeAffinity"]
    assert "podAntiAffinity" not in affinity
    required = "requiredDuringSchedulingIgnoredDuringExecution"
    assert affinity["podAffinity"][required] == own["podAffinity"][required]
    (beside,) = affinity["podAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert beside["podAffinityTerm"] == {
        "labelSelector": CORE["spec"]["selector"],
        "topologyKey": "kubernetes.io/hostname",
    }


def test_trial_belongs_to_the_platform_and_holds_no_configuration() -> None:
    pod = trial()
    (owner,) = pod["metadata"]["ownerReferences"]
    assert owner["uid"] == UID
    assert pod["metadata"]["labels"] == names.platform_labels("acme") | {keys.PURPOSE: "trial"}
    text = json.dumps(pod)
    assert not any(word in text for word in ("not-for-trials", "secretKeyRef", "configMap"))


def test_privileges_of_a_container_are_not_those_of_its_trial() -> None:
    template = {
        "containers": [
            {
                "name": "main",
                "image": "a:1",
                "imagePullPolicy": "Always",
                "securityContext": {"privileged": True, "runAsUser": 5, "runAsNonRoot": True},
            }
        ]
    }
    workload = {**CORE, "spec": {**CORE["spec"], "template": {"spec": template}}}
    (container,) = trial(workload)["spec"]["containers"]
    assert container["imagePullPolicy"] == "Always"
    assert container["securityContext"] == {
        "runAsUser": 5,
        "runAsNonRoot": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }


def test_another_image_or_a_retry_is_another_trial() -> None:
    other = json.loads(json.dumps(CORE).replace("core:", "core:x"))
    later = BEGAN + dt.timedelta(seconds=1)
    found = [trial(), trial(other), trial(began=later), trial(WORKLOADS["acme-co1-mongodb"])]
    assert len({each["metadata"]["name"] for each in found}) == len(found)
    restarted = json.loads(json.dumps(CORE))
    restarted["spec"]["template"]["metadata"]["annotations"] = {keys.RESTARTED: "again"}
    assert trial(restarted) == trial()


@given(
    st.from_regex(r"[a-z][a-z0-9]*(-[a-z0-9]+){0,3}", fullmatch=True).filter(
        lambda text: len(text) <= names.MAX_WORKLOAD_NAME
    )
)
def test_names_are_valid_host_names(name: str) -> None:
    found = names.trial(name, "0123456789abcdef")
    assert len(found) <= 63
    assert re.fullmatch(r"[a-z]([a-z0-9-]*[a-z0-9])?", found)
    assert "-trial-" in found
