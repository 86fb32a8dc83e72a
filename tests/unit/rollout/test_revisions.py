"""What the history keeps of a revision, and what makes one another."""

from __future__ import annotations

import copy
import json
from typing import Any

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.kubernetes import Object
from pryv_operator.desired.state import Desired, compute_desired
from pryv_operator.rollout import revisions
from pryv_operator.rollout.revisions import Revision
from tests.unit.builders import every, inputs, platform, state

BASE = state()


def recorded(of: Desired = BASE, number: int = 1, **kept: Any) -> Object:
    item = revisions.record(
        platform(), number, {}, of.objects, revisions.state_digest(every(of)), {}, **kept
    )
    item["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    return item


def read(item: Object) -> Revision:
    (revision,) = revisions.revisions([item])
    return revision


def test_what_a_rollout_needs_to_know_later_is_kept() -> None:
    revision = read(recorded(unready=["acme-co1-core"], migrated=["acme-co1-mongodb"]))
    assert (revision.unready, revision.migrated) == ({"acme-co1-core"}, {"acme-co1-mongodb"})
    assert read(recorded()).migrated == frozenset()


def test_data_may_be_migrated_by_any_revision_since_the_good_one() -> None:
    items = [recorded(number=number, migrated=[f"store-{number}"]) for number in (1, 2, 3, 4)]
    items[1]["metadata"]["annotations"] |= revisions.completed()
    assert revisions.migrated(revisions.revisions(items)) == {"store-3", "store-4"}


def test_pruning_forgets_no_migrated_data() -> None:
    """A revision says what those before it knew: with a short history they are gone soon."""
    items = [
        recorded(number=number, migrated=["store"] if number > 1 else []) for number in (1, 2, 3, 4)
    ]
    items[0]["metadata"]["annotations"] |= revisions.completed()
    past = revisions.revisions(items)
    gone = revisions.superfluous(past, 1)
    assert [each.number for each in gone] == [2]
    assert revisions.migrated([each for each in past if each not in gone]) == {"store"}


def test_a_restart_belongs_to_the_revision() -> None:
    """What somebody does to a workload, or that it is gone, changes nothing of what is wanted."""
    restarted = compute_desired(inputs(restart="co1/hfs@1"))
    assert revisions.restarts([read(recorded(restarted))]) == {"acme-co1-hfs": "co1/hfs@1"}
    assert revisions.restarts([read(recorded())]) == {}
    assert revisions.restarts([]) is None
    earlier = recorded(restarted)
    templates = json.loads(earlier["metadata"]["annotations"][keys.TEMPLATES])
    earlier["metadata"]["annotations"][keys.TEMPLATES] = json.dumps(
        {
            name: {key: value for key, value in entry.items() if key != "restarted"}
            for name, entry in templates.items()
        }
    )
    assert revisions.restarts([read(earlier)]) is None, (
        "an operator of before has not noted it: the workloads tell"
    )


def test_a_lost_key_is_no_change_of_what_is_wanted() -> None:
    """All hashes of shared secrets are others then. (Secrets named by content are found again by their content.)"""
    before = every(BASE)
    after = [copy.deepcopy(item) for item in before]
    marked = [
        item for item in after if keys.SHARED_SECRETS in (item["metadata"].get("annotations") or {})
    ]
    assert marked
    for item in marked:
        item["metadata"]["annotations"][keys.SHARED_SECRETS] = (
            '{"CORE_SYSTEM_KEY":"other:0123456789ab"}'
        )
    assert revisions.state_digest(after) == revisions.state_digest(before)
    marked[0]["spec"]["template"]["spec"]["containers"][0]["image"] = "another"
    assert revisions.state_digest(after) != revisions.state_digest(before)
