"""Which changes are tried by a dry run before any of them is applied."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from pryv_operator.api.kubernetes import WORKLOAD_KINDS, Object
from pryv_operator.api.platform import Platform
from pryv_operator.live.apply import compute_changes, plan_apply, to_validate
from pryv_operator.live.live_objects import LiveObjects
from tests.unit.builders import platform, state

OBJECTS = [*state().services, *state().objects]
WORDS = {"Service", "PersistentVolumeClaim", *WORKLOAD_KINDS}
TEMPLATES = {"archive": {"configMapKeyRef": {"name": "templates", "key": "a.tgz"}}}
CORE_ONLY = {"core": {"components": {"mongodb": {"storage": {"size": "1Gi"}}, "hfs": {}}}}


def tried(live: LiveObjects, of: Platform | None = None) -> list[Object]:
    changes = compute_changes(OBJECTS, live)
    return to_validate(of or platform(), plan_apply(changes, live), live)


def kinds(items: list[Object]) -> Counter[str]:
    return Counter(item["kind"] for item in items)


def running(*without: str) -> LiveObjects:
    """Everything runs with an earlier configuration, but for objects of some kinds."""
    earlier: list[Any] = [
        {**item, "metadata": {**item["metadata"], "annotations": {}}}
        for item in OBJECTS
        if item["kind"] not in without
    ]
    return LiveObjects({}).with_objects(earlier)


def test_a_plain_installation_is_judged_by_its_creations() -> None:
    assert tried(LiveObjects({})) == []


def test_what_a_spec_overrides_is_tried_before_an_installation() -> None:
    names = {item["metadata"]["name"] for item in tried(LiveObjects({}), platform(roles=CORE_ONLY))}
    workloads = {name for name in names if name in ("acme-co1-mongodb", "acme-co1-hfs")}
    assert len(workloads) == 2
    assert all("-mongodb" in name or "-hfs" in name for name in names)


def test_all_that_templates_of_users_may_say_is_tried_before_an_installation() -> None:
    found = kinds(tried(LiveObjects({}), platform(templates=TEMPLATES)))
    assert found == Counter(item["kind"] for item in OBJECTS if item["kind"] in WORDS)


def test_all_changes_of_what_runs_are_tried() -> None:
    found = kinds(tried(running()))
    assert found == Counter(item["kind"] for item in OBJECTS if item["kind"] in WORDS)


@pytest.mark.parametrize("kind", sorted({item["kind"] for item in OBJECTS}))
def test_creations_beside_what_runs_are_tried(kind: str) -> None:
    """Their names may be in use; those of configuration cannot matter, and come first."""
    found = kinds(tried(running(kind)))
    expected = 0 if kind in ("ConfigMap", "Secret") else kinds(OBJECTS)[kind]
    assert found[kind] == expected
