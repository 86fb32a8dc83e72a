"""The rig's own logic: it complains about what it should, and about nothing else."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.faults import compare
from tests.faults.compare import Picture, Run
from tests.faults.faults import COUNTED, every, pairs, spread
from tests.faults.proxy import Request

COUNTS: dict[Any, int] = {
    "write": 12,
    "change": 15,
    "request": 60,
    "list": 30,
    "pass": 4,
    "event": 25,
}


def written(
    method: str, plural: str, name: str, status: int = 201, *, dry_run: bool = False
) -> Request:
    return Request(method, plural, name, "", dry_run, watch=False, status=status)


def test_what_took_effect_is_counted() -> None:
    requests = [
        written("POST", "services", "acme-co1-core"),
        written("POST", "services", "acme-co1-core", 409),
        written("POST", "deployments", "acme-reg-register", dry_run=True),
        written("POST", "configmaps", "acme-core-core-0123456789"),
        written("PATCH", "deployments", "acme-reg-register", 200),
        written("DELETE", "secrets", "acme-generated-core-system-key", 200),
        written("POST", "events", "acme.0123456789abcdef"),
    ]
    assert compare.made(requests) == Counter([
        "POST services/acme-co1-core", "POST configmaps/acme-core-core-*", "DELETE secrets/acme-generated-core-system-key"
    ])  # fmt: skip


@pytest.mark.parametrize(
    ("found", "complaint"),
    [
        (Run({"Service/a": 1}, Counter(a=1), frozenset({"co1/core"})), None),
        (Run({"Service/a": 1}, Counter(a=1), frozenset()), None),
        (Run({"Service/a": 1}, Counter(a=2), frozenset()), "a: 2 times, not 1"),
        (Run({"Service/a": 1}, Counter(a=1, b=1), frozenset()), "b: 1 times, not 0"),
        (
            Run({"Service/a": 1}, Counter(a=1), frozenset({"co1/core", "sw/web"})),
            "sw/web was rolled",
        ),
        (Run({}, Counter(a=1), frozenset()), "Service/a is missing: 1"),
        (
            Run({"Service/a": 1, "Service/b": 2}, Counter(a=1), frozenset()),
            "Service/b is too many: 2",
        ),
        (Run({"Service/a": 2}, Counter(a=1), frozenset()), "Service/a differs"),
    ],
)
def test_what_is_complained_about(found: Run, complaint: str | None) -> None:
    told = compare.complaints(Run({"Service/a": 1}, Counter(a=1), frozenset({"co1/core"})), found)
    assert len(told) == (complaint is not None)
    assert all(each.startswith(str(complaint)) for each in told)


def config_map(name: str, text: str) -> dict[str, Any]:
    labels = {"pryv.io/purpose": "config"}
    return {"kind": "ConfigMap", "metadata": {"name": name, "labels": labels}, "data": {"a": text}}


def service(ip: str) -> dict[str, Any]:
    return {"kind": "Service", "metadata": {"name": "acme-reg"}, "spec": {"clusterIP": ip}}


def objects(namespace: str, *items: dict[str, Any]) -> Any:
    return compare.picture(items, [], namespace, {}).objects


def test_addresses_and_names_made_from_content_do_not_count() -> None:
    one = objects(
        "n-1", config_map("acme-core-core-11111111", "10.0.0.1 in n-1"), service("10.0.0.1")
    )
    assert one == objects(
        "n-2", config_map("acme-core-core-22222222", "10.0.0.2 in n-2"), service("10.0.0.2")
    )
    assert one != objects(
        "n-2", config_map("acme-core-core-22222222", "10.0.0.3 in n-2"), service("10.0.0.2")
    )


def test_how_often_a_workload_was_changed_counts() -> None:
    def deployment(generation: int) -> dict[str, Any]:
        return {
            "kind": "Deployment",
            "metadata": {"name": "a", "generation": generation},
            "spec": {},
        }

    assert objects("n", deployment(1)) != objects("n", deployment(3))


def test_pods_that_are_other_ones_were_rolled() -> None:
    before, after = (
        Picture({}, {"a": "1", "b": "2"}, {}),
        Picture({}, {"a": "1", "b": "3", "c": "4"}, {}),
    )
    assert compare.run(before, after, []).rolled == {"b"}


def test_points_are_spread_over_all_kinds() -> None:
    there = every(COUNTS)
    assert spread(there, 0, "a") == there
    assert {fault.kind for fault in spread(there, len(COUNTED), "a")} == set(COUNTED)
    assert len(set(spread(there, 50, "a"))) == 50
    assert spread(there, 50, "a") == spread(there, 50, "a") != spread(there, 50, "b")
    assert all(first != second for first, second in pairs(COUNTS, 20, "a"))
