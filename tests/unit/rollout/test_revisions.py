"""What a revision records, and what makes a new one."""

from __future__ import annotations

import copy
import json
from collections.abc import Collection
from dataclasses import replace

import pytest

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.kubernetes import Object
from pryv_operator.desired.state import Desired, compute_desired
from pryv_operator.rollout import revisions
from pryv_operator.rollout.revision_record import NewRevision, controller_revision, state_digest
from pryv_operator.rollout.revisions import Revision
from tests.unit.builders import all_objects, inputs, platform, state

BASE = state()


def recorded(of: Desired = BASE, number: int = 1, **more: Collection[str]) -> Object:
    sets = {name: frozenset(value) for name, value in more.items()}
    new = NewRevision(number, {}, of.objects, state_digest(all_objects(of)), {}, **sets)
    item = controller_revision(platform(), new)
    item["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    return item


def read(item: Object, *, authentic: bool = True) -> Revision:
    (revision,) = revisions.parse_revisions([item])
    return replace(revision, authentic=authentic)


def test_unready_and_migrated_workloads_are_recorded() -> None:
    revision = read(recorded(unready=["acme-co1-core"], migrated=["acme-co1-mongodb"]))
    assert (revision.unready, revision.migrated) == ({"acme-co1-core"}, {"acme-co1-mongodb"})
    assert read(recorded()).migrated == frozenset()


def test_data_may_be_migrated_by_any_revision_since_the_last_good_one() -> None:
    items = [recorded(number=number, migrated=[f"store-{number}"]) for number in (1, 2, 3, 4)]
    items[1]["metadata"]["annotations"] |= revisions.complete_annotations()
    assert revisions.migrated_workloads(revisions.parse_revisions(items)) == {"store-3", "store-4"}


def test_pruning_forgets_no_migrated_data() -> None:
    """A revision records what earlier ones did, because those may be pruned soon."""
    items = [
        recorded(number=number, migrated=["store"] if number > 1 else []) for number in (1, 2, 3, 4)
    ]
    items[0]["metadata"]["annotations"] |= revisions.complete_annotations()
    history = revisions.parse_revisions(items)
    gone = revisions.revisions_to_prune(history, 1)
    assert [each.number for each in gone] == [2]
    assert revisions.migrated_workloads([each for each in history if each not in gone]) == {"store"}


def test_restarts_are_recorded_with_the_revision() -> None:
    """Changes of a live workload, or its deletion, do not change the desired restarts."""
    restarted = compute_desired(inputs(restart="co1/hfs@1"))
    assert revisions.recorded_restarts([read(recorded(restarted))]) == {"acme-co1-hfs": "co1/hfs@1"}
    assert revisions.recorded_restarts([read(recorded())]) == {}
    assert revisions.recorded_restarts([]) is None
    earlier = recorded(restarted)
    templates = json.loads(earlier["metadata"]["annotations"][keys.TEMPLATES])
    earlier["metadata"]["annotations"][keys.TEMPLATES] = json.dumps(
        {
            name: {key: value for key, value in entry.items() if key != "restarted"}
            for name, entry in templates.items()
        }
    )
    assert revisions.recorded_restarts([read(earlier)]) is None, (
        "an earlier operator did not record it: the live workloads tell"
    )


def test_restarts_that_another_client_recorded_do_not_count() -> None:
    """They would change pod templates."""
    ours = read(recorded(compute_desired(inputs(restart="co1/hfs@1"))))
    planted = recorded(compute_desired(inputs(restart="all@2")), number=2)
    assert revisions.recorded_restarts([ours, read(planted, authentic=False)]) == {
        "acme-co1-hfs": "co1/hfs@1"
    }
    assert revisions.recorded_restarts([read(planted, authentic=False)]) is None


def test_revisions_of_other_clients_displace_none_of_the_operator() -> None:
    items = [recorded(number=number + 1) for number in range(6)]
    for item in (items[0], *items[3:]):
        item["metadata"]["annotations"] |= revisions.complete_annotations()
    history = [read(item, authentic=number < 3) for number, item in enumerate(items)]
    assert [each.number for each in revisions.revisions_to_prune(history, 2)] == [4, 5]
    assert [each.number for each in revisions.revisions_to_prune(history, 1)] == [4, 5, 2]


def test_a_lost_hash_key_is_no_change_of_the_desired_state() -> None:
    """All hashes of shared secrets change then.

    Secrets that are named by content are found again by their content.
    """
    before = all_objects(BASE)
    after = [copy.deepcopy(item) for item in before]
    marked = [
        item for item in after if keys.SHARED_SECRETS in (item["metadata"].get("annotations") or {})
    ]
    assert marked
    for item in marked:
        item["metadata"]["annotations"][keys.SHARED_SECRETS] = (
            '{"CORE_SYSTEM_KEY":"other:0123456789ab"}'
        )
    assert state_digest(after) == state_digest(before)
    marked[0]["spec"]["template"]["spec"]["containers"][0]["image"] = "another"
    assert state_digest(after) != state_digest(before)


def test_several_pods_and_their_disruption_budget_are_no_change_of_the_desired_state() -> None:
    """An upgrade that adds a budget is no revision."""
    two = state(roles={"reg-master": {"components": {"register": {"replicas": 2}}}})
    assert "PodDisruptionBudget" in {item["kind"] for item in two.objects}
    assert state_digest(all_objects(two)) == state_digest(all_objects(BASE))


@pytest.mark.parametrize(
    "name",
    ["acme-revision-01", "acme-revision-+1", "revision-1", "beta-revision-1", "acme-revision-1-1"],
)
def test_a_revision_has_the_name_of_its_number(name: str) -> None:
    item = recorded()
    item["metadata"]["name"] = name
    assert revisions.parse_revisions([item]) == ()
