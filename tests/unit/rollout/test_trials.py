"""What a trial shows: whether the new images of a workload are pulled, and why not."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from typing import Any

import pytest

from pryv_operator.api.kubernetes import Object
from pryv_operator.desired.state import WorkloadPlan
from pryv_operator.rollout.decide import Trial
from pryv_operator.rollout.trials import UNSCHEDULED_LIMIT, Trials, observed_trial
from tests.unit.builders import platform, state

NOW = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
BEGAN = NOW - dt.timedelta(seconds=30)
NEW = "docker.io/pryvio/core:1.9.3"


def of_core(**core: Any) -> tuple[WorkloadPlan, Object]:
    desired = state(roles={"core": {"components": {"core": core}}})
    (plan,) = [
        each
        for instance in desired.instances
        for each in instance.workloads
        if each.label == "co1/core"
    ]
    (item,) = [
        each
        for each in desired.objects
        if (each["kind"], each["metadata"]["name"]) == (plan.kind, plan.name)
    ]
    return plan, item


PLAN, DESIRED = of_core(image=NEW)
LIVE = of_core()[1]
NONE = Trials(platform(), BEGAN, NOW)


def container(reason: str = "", **status: Any) -> Object:
    waiting = {"state": {"waiting": {"reason": reason}}} if reason else {}
    return {"name": "core", "image": NEW, "imageID": "", **waiting, **status}


def trials(
    *containers: Object, scheduled: bool = True, age: float = 5, phase: str = "Pending"
) -> Trials:
    pod = json.loads(json.dumps(NONE.desired_pod(DESIRED)))
    created = NOW - dt.timedelta(seconds=age)
    pod["metadata"]["creationTimestamp"] = created.isoformat()
    if scheduled:
        pod["spec"]["nodeName"] = "node-1"
    pod["status"] = {"phase": phase, "containerStatuses": [*containers]}
    return replace(NONE, pods=(pod,))


def shown(found: Trials | None, *, serves: bool = True, live: Object | None = LIVE) -> Trial | None:
    return observed_trial(PLAN, DESIRED, live, serves=serves, trials=found)


def state_of(found: Trials) -> str | None:
    trial = shown(found)
    return trial.state if trial else None


def test_new_image_of_what_serves_is_tried() -> None:
    assert PLAN.stops_first
    assert shown(NONE) == Trial("Missing")


@pytest.mark.parametrize(
    "changed",
    [
        {"env": [{"name": "A", "value": "b"}]},
        {"annotations": {"a": "b"}},
        {"resources": {"requests": {"cpu": "1"}}},
    ],
)
def test_without_a_new_image_nothing_is_tried(changed: dict[str, Any]) -> None:
    plan, item = of_core(**changed)
    assert observed_trial(plan, item, LIVE, serves=True, trials=NONE) is None


def test_what_does_not_serve_is_not_tried() -> None:
    assert shown(NONE, serves=False) is None
    assert shown(NONE, live=None) is None
    idle = replace(PLAN, scaled_to_zero=True)
    assert observed_trial(idle, DESIRED, LIVE, serves=True, trials=NONE) is None


def test_what_is_replaced_when_the_new_pod_is_ready_is_not_tried() -> None:
    plan = replace(PLAN, stops_first=False)
    assert observed_trial(plan, DESIRED, LIVE, serves=True, trials=NONE) is None


def test_trial_that_has_begun_is_finished_though_the_old_pod_goes_down() -> None:
    found = shown(trials(container("ImagePullBackOff")), serves=False)
    assert found
    assert found.state == "Running"


@pytest.mark.parametrize(
    "status",
    [
        container(imageID="docker.io/pryvio/core@sha256:1", state={"terminated": {"exitCode": 0}}),
        container("RunContainerError"),
        container("CreateContainerError"),
        container("CreateContainerConfigError"),
        container(
            imageID="sha256:1", state={"terminated": {"exitCode": 128, "reason": "StartError"}}
        ),
    ],
)
@pytest.mark.parametrize("phase", ["Pending", "Running", "Succeeded", "Failed"])
def test_pulled_image_is_enough(status: Object, phase: str) -> None:
    assert state_of(trials(status, phase=phase)) == "Passed"


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff"])
def test_image_that_is_not_pulled_is_explained(reason: str) -> None:
    found = shown(trials(container(reason)))
    assert found
    assert (found.state, found.since) == ("Running", NOW - dt.timedelta(seconds=5))
    assert found.problem
    assert found.problem.reason == "ImagePullBackOff"
    assert found.problem.message.startswith(f'co1/core: image "{NEW}" cannot be pulled; check')


@pytest.mark.parametrize("reason", ["SignatureValidationFailed", "RegistryUnavailable"])
def test_other_reasons_of_the_kubelet_are_named(reason: str) -> None:
    found = shown(trials(container(reason)))
    assert found
    assert found.problem
    assert found.problem.message == f'co1/core: image "{NEW}" is not pulled: {reason}'


@pytest.mark.parametrize("status", [(), (container("ContainerCreating"),)])
def test_pull_under_way_is_no_problem(status: tuple[Object, ...]) -> None:
    found = shown(trials(*status))
    assert found
    assert (found.state, found.problem) == ("Running", None)


def test_trial_without_room_is_given_up() -> None:
    limit = UNSCHEDULED_LIMIT.total_seconds()
    assert state_of(trials(scheduled=False, age=limit - 1)) == "Running"
    assert state_of(trials(scheduled=False, age=limit)) == "GivenUp"
    assert state_of(trials(scheduled=True, age=limit)) == "Running"


def test_trial_that_its_node_ends_is_given_up() -> None:
    assert state_of(trials(container("ContainerCreating"), phase="Failed")) == "GivenUp"


def test_trial_that_the_api_server_refuses_is_given_up() -> None:
    assert state_of(replace(NONE, not_admitted=frozenset([PLAN.name]))) == "GivenUp"


def test_containers_that_others_add_do_not_count() -> None:
    sidecar = container("ImagePullBackOff", name="injected")
    assert state_of(trials(container(imageID="sha256:1"), sidecar)) == "Passed"
    assert state_of(trials({**container(imageID="sha256:1"), "name": "injected"})) == "Running"


def test_pod_with_other_images_does_not_count() -> None:
    found = trials(container(imageID="sha256:1"))
    found.pods[0]["spec"]["containers"][0]["image"] = "docker.io/pryvio/core:another"
    assert state_of(found) == "Missing"


def test_terminating_trial_is_awaited_and_not_created_twice() -> None:
    found = trials(container(imageID="sha256:1"))
    found.pods[0]["metadata"]["deletionTimestamp"] = NOW.isoformat()
    assert shown(found) == Trial("Running")
    assert not found.missing([DESIRED])
    assert not found.obsolete([])


def test_trials_of_other_rollouts_are_obsolete() -> None:
    found = trials(container(imageID="sha256:1"))
    assert found.obsolete([DESIRED]) == ()
    assert found.obsolete([LIVE]) == found.pods
    later = replace(found, began=NOW)
    assert later.obsolete([DESIRED]) == found.pods
    assert [each["metadata"]["name"] for each in later.missing([DESIRED])] != [
        found.pods[0]["metadata"]["name"]
    ]
