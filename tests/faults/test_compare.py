"""The comparison of runs and the choice of faults."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.faults import compare
from tests.faults.compare import Run, Snapshot
from tests.faults.faults import COUNTED, every, pairs, spread
from tests.faults.proxy import Request

COUNTS: dict[Any, int] = {
    "write": 12,
    "change": 15,
    "request": 60,
    "list": 30,
    "reconciliation": 4,
    "event": 25,
}


def written(
    method: str, plural: str, name: str, status: int = 201, *, dry_run: bool = False
) -> Request:
    return Request(method, plural, name, "", dry_run, watch=False, status=status)


def test_only_operations_that_took_effect_are_counted() -> None:
    requests = [
        written("POST", "services", "acme-co1-core"),
        written("POST", "services", "acme-co1-core", 409),
        written("POST", "deployments", "acme-reg-register", dry_run=True),
        written("POST", "configmaps", "acme-core-core-0123456789"),
        written("PATCH", "deployments", "acme-reg-register", 200),
        written("DELETE", "secrets", "acme-generated-core-system-key", 200),
        written("POST", "events", "acme.0123456789abcdef"),
    ]
    assert compare.count_operations(requests) == Counter(
        [
            "POST services/acme-co1-core",
            "POST configmaps/acme-core-core-*",
            "DELETE secrets/acme-generated-core-system-key",
        ]
    )


@pytest.mark.parametrize(
    ("found", "difference"),
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
            "Service/b is unexpected: 2",
        ),
        (Run({"Service/a": 2}, Counter(a=1), frozenset()), "Service/a differs"),
    ],
)
def test_differences_between_runs_are_reported(found: Run, difference: str | None) -> None:
    expected = Run({"Service/a": 1}, Counter(a=1), frozenset({"co1/core"}))
    reported = compare.differences(expected, found)
    assert len(reported) == (difference is not None)
    assert all(each.startswith(str(difference)) for each in reported)


def config_map(name: str, text: str) -> dict[str, Any]:
    labels = {"pryv.io/purpose": "config"}
    return {"kind": "ConfigMap", "metadata": {"name": name, "labels": labels}, "data": {"a": text}}


def service(ip: str) -> dict[str, Any]:
    return {"kind": "Service", "metadata": {"name": "acme-reg"}, "spec": {"clusterIP": ip}}


def objects(namespace: str, *items: dict[str, Any]) -> Any:
    return compare.take_snapshot(items, [], namespace, {}).objects


def test_addresses_and_content_hashes_are_normalized() -> None:
    one = objects(
        "n-1", config_map("acme-core-core-11111111", "10.0.0.1 in n-1"), service("10.0.0.1")
    )
    assert one == objects(
        "n-2", config_map("acme-core-core-22222222", "10.0.0.2 in n-2"), service("10.0.0.2")
    )
    assert one != objects(
        "n-2", config_map("acme-core-core-22222222", "10.0.0.3 in n-2"), service("10.0.0.2")
    )


def test_the_generation_of_a_workload_is_compared() -> None:
    def deployment(generation: int) -> dict[str, Any]:
        return {
            "kind": "Deployment",
            "metadata": {"name": "a", "generation": generation},
            "spec": {},
        }

    assert objects("n", deployment(1)) != objects("n", deployment(3))


def test_replaced_pods_count_as_rolled() -> None:
    before, after = (
        Snapshot({}, {"a": "1", "b": "2"}, {}),
        Snapshot({}, {"a": "1", "b": "3", "c": "4"}, {}),
    )
    assert compare.summarize(before, after, []).rolled == {"b"}


def test_faults_are_spread_over_all_kinds() -> None:
    available = every(COUNTS)
    assert spread(available, 0, "a") == available
    assert {fault.kind for fault in spread(available, len(COUNTED), "a")} == set(COUNTED)
    assert len(set(spread(available, 50, "a"))) == 50
    assert spread(available, 50, "a") == spread(available, 50, "a") != spread(available, 50, "b")
    assert all(first != second for first, second in pairs(COUNTS, 20, "a"))
