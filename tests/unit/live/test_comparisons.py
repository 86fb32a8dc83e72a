"""A remembered comparison is the one that would be made: for every object and version."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.api.kubernetes import Object
from pryv_operator.live import diff
from pryv_operator.live.apply import compute_changes
from pryv_operator.live.comparisons import Comparisons
from pryv_operator.live.drift import Drift, find_drift, tolerating
from pryv_operator.live.live_objects import LiveObjects


def service(name: str, port: int) -> Object:
    return {"kind": "Service", "metadata": {"name": name}, "spec": {"port": port}}


def live_of(item: Object, version: str, uid: str = "u") -> Object:
    hashed = copy.deepcopy(diff.with_applied_hash(item))
    return {**hashed, "metadata": {**hashed["metadata"], "uid": uid, "resourceVersion": version}}


DESIRED = [service(name, port) for name in ("a", "b") for port in (1, 2)]


@given(
    st.lists(st.tuples(st.sampled_from(DESIRED), st.sampled_from(DESIRED), st.integers(1, 2))),
    st.integers(0, len(DESIRED)),
)
def test_a_comparison_is_as_if_it_was_made_again(
    pairs: list[tuple[Object, Object, int]], kept: int
) -> None:
    """A version of a live object has one content."""
    comparisons = Comparisons(DESIRED[:kept])
    for desired, existing, version in pairs:
        hashed = comparisons.with_applied_hash(desired)
        assert hashed == diff.with_applied_hash(desired)
        live = live_of(existing, f"{version}", uid=str(existing["spec"]) + str(existing))
        assert comparisons.changed_field(hashed, live) == diff.changed_field(hashed, live)
        assert comparisons.needs_apply(hashed, live) == diff.needs_apply(hashed, live)


def test_each_comparison_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def counted(name: str) -> None:
        function = getattr(diff, name)

        def count(*arguments: Any) -> Any:
            made.append(name)
            return function(*arguments)

        monkeypatch.setattr(diff, name, count)

    item = service("a", 1)
    live = LiveObjects({("Service", "a"): live_of(item, "1")}, Comparisons([item]))
    later = live_of(item, "2")
    counted("with_applied_hash")
    counted("changed_field")
    for _ in range(3):
        assert not find_drift([item], live)
        assert not compute_changes([item], live).objects
        live = live.with_objects([copy.deepcopy(live.objects["Service", "a"])])
    assert made == ["with_applied_hash", "changed_field"]
    compute_changes([item], live.with_objects([later]))
    assert made[2:] == ["changed_field"], "another version is compared"
    for _ in range(2):
        compute_changes([service("a", 1)], live)
    assert made[3:] == ["with_applied_hash", "changed_field"] * 2, "and another object, each time"


def test_what_may_have_been_read_in_part_is_compared_each_time() -> None:
    item = {"kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": "1"}}
    comparisons = Comparisons([item])
    hashed, whole = comparisons.with_applied_hash(item), live_of(item, "1")
    in_part = {key: value for key, value in whole.items() if key != "data"}
    assert comparisons.changed_field(hashed, in_part) == "data"
    assert comparisons.changed_field(hashed, whole) is None


def test_tolerated_drift_is_not_applied_over_although_the_version_is_the_same() -> None:
    item = service("a", 1)
    drifted = live_of(item, "1")
    drifted["spec"]["port"] = 7
    live = LiveObjects({("Service", "a"): drifted}, Comparisons([item]))
    assert compute_changes([item], live).objects
    drift = Drift("Service", "a", "spec.port", "x")
    assert find_drift([item], live)[0].field == drift.field
    assert not compute_changes([item], tolerating(live, [item], [drift])).objects
    assert compute_changes([item], live).objects


def test_what_was_sent_from_another_process_is_compared_as_well() -> None:
    """There, other objects had the identities of these."""
    item = service("a", 1)
    comparisons = Comparisons([item])
    comparisons.changed_field(comparisons.with_applied_hash(item), live_of(item, "1"))
    sent: Comparisons = pickle.loads(pickle.dumps(comparisons))
    other = service("a", 2)
    for table in (sent._desired, sent._hashed, sent._compared):
        table.update({id(other): value for value in [*table.values()]})
    hashed = sent.with_applied_hash(other)
    assert hashed == diff.with_applied_hash(other)
    live = live_of(item, "1")
    assert sent.changed_field(hashed, live) == diff.changed_field(hashed, live) is not None
