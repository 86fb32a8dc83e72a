"""Workloads as a rollout sees them: what has no pod by its spec proves nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.kubernetes import WORKLOAD_KINDS, Object
from pryv_operator.desired.state import Desired
from pryv_operator.live.diff import with_applied_hash
from pryv_operator.live.health import HealthInputs
from pryv_operator.live.live_objects import LiveObjects
from pryv_operator.rollout.decide import Workload
from pryv_operator.rollout.revision_record import NewRevision, controller_revision, state_digest
from pryv_operator.rollout.revisions import (
    Revision,
    complete_annotations,
    last_good,
    not_run_annotations,
    parse_revisions,
    revisions_to_prune,
)
from pryv_operator.rollout.workloads import observed_workloads
from tests.unit.builders import all_objects, platform, state

NAME = "acme-co1-hfs"
GOOD, BROKEN = "docker.io/pryvio/hfs:1.9.2", "docker.io/pryvio/hfs:broken"


def desired(image: str, replicas: int | None, **spec: Any) -> Desired:
    hfs = {"image": image} | ({} if replicas is None else {"replicas": replicas})
    return state(
        roles={"core": {"instances": [{"name": "co1"}], "components": {"hfs": hfs}}}, **spec
    )


def revision(number: int, of: Desired, annotations: dict[str, str | None]) -> Revision:
    new = NewRevision(number, {}, of.objects, state_digest(all_objects(of)), {})
    item = controller_revision(platform(), new)
    item["metadata"]["creationTimestamp"] = f"2026-01-{number:02}T00:00:00Z"
    found = {key: value for key, value in annotations.items() if value is not None}
    item["metadata"]["annotations"] |= found
    (parsed,) = parse_revisions([item])
    return parsed


def observed(of: Desired, *history: Revision, replicas: int = 1, ready: int = 0) -> Workload:
    items: dict[tuple[str, str], Object] = {}
    for item in map(with_applied_hash, of.objects):
        if item["kind"] in WORKLOAD_KINDS:
            count = replicas if item["metadata"]["name"] == NAME else 1
            count_ready = ready if item["metadata"]["name"] == NAME else 1
            items[item["kind"], item["metadata"]["name"]] = {
                **item,
                "metadata": {**item["metadata"], "generation": 1},
                "spec": {**item["spec"], "replicas": count},
                "status": {
                    "observedGeneration": 1,
                    "replicas": count,
                    "updatedReplicas": count,
                    "readyReplicas": count_ready,
                    "availableReplicas": count_ready,
                },
            }
    workloads = observed_workloads(of, LiveObjects(items), HealthInputs(items), history)
    return next(each for each in workloads if each.name == NAME)


FIRST = revision(1, desired(GOOD, 1), complete_annotations())
IDLE = revision(2, desired(BROKEN, 0), not_run_annotations([NAME]))


def test_replicas_zero_proves_nothing() -> None:
    found = observed(desired(BROKEN, 0), FIRST, replicas=0)
    assert (found.ready, found.runs, found.proven) == (True, False, False)
    assert observed(desired(GOOD, 0), FIRST, replicas=0).proven, "it has run this template"
    assert not observed(desired(GOOD, 0), replicas=0).proven, "first install"


@pytest.mark.parametrize("replicas", [None, 1, 3])
def test_zero_pods_that_the_spec_does_not_ask_for_are_not_ready(replicas: int | None) -> None:
    found = observed(desired(GOOD, replicas), FIRST, replicas=0)
    assert not found.ready
    assert found.problem
    assert found.problem.reason == "ScaledToZero"


def test_a_revision_with_what_never_ran_is_not_complete() -> None:
    assert not IDLE.complete
    assert last_good([FIRST, IDLE]) is IDLE, "all the rest of it runs"


def test_what_never_ran_is_awaited_once_it_has_pods() -> None:
    """And goes back to the template that it ran with."""
    while_idle = observed(desired(BROKEN, 0), FIRST, IDLE, replicas=0)
    assert not while_idle.changed
    scaled_up = observed(desired(BROKEN, 1), FIRST, IDLE)
    assert scaled_up.changed
    assert scaled_up.last_good == FIRST.templates[NAME]


def test_a_later_revision_goes_back_to_what_ran() -> None:
    later = observed(desired(BROKEN, 1, variables={"PLATFORM_NAME": "Other"}), FIRST, IDLE)
    assert later.last_good == FIRST.templates[NAME]


def test_the_last_template_that_ran_is_retained() -> None:
    others = [
        revision(number, desired(BROKEN, 0), not_run_annotations([NAME])) for number in (3, 4, 5)
    ]
    history = [FIRST, IDLE, *others]
    assert [each.number for each in revisions_to_prune(history, 1)] == [2, 3]


def test_running_it_completes_the_revision() -> None:
    annotations = complete_annotations()
    assert annotations[keys.NOT_RUN] is None
    assert json.loads(not_run_annotations(["b", "a"])[keys.NOT_RUN] or "") == ["a", "b"]
