"""The operator's own metrics."""

from __future__ import annotations

import platform
import re
from pathlib import Path

from prometheus_client import generate_latest

from pryv_operator import __version__
from pryv_operator.kube import metrics
from pryv_operator.kube.metrics import REGISTRY, _Memory, _Watches


def test_the_build_is_named() -> None:
    labels = {"version": __version__, "python": platform.python_version()}
    assert REGISTRY.get_sample_value("pryv_operator_build_info", labels) == 1


def test_process_and_collector_metrics_are_served() -> None:
    text = generate_latest(REGISTRY).decode()
    for name in ("process_resident_memory_bytes", "process_cpu_seconds_total"):
        assert re.search(rf"^{name} [1-9]", text, re.MULTILINE), name
    assert "python_gc_collections_total{" in text


def test_outcomes_are_zero_before_the_first_reconciliation() -> None:
    """An alert on their increase would miss the first one otherwise."""
    text = generate_latest(REGISTRY).decode()
    for outcome in ("ready", "not-ready", "failed"):
        assert f'pryv_operator_reconciliations_total{{outcome="{outcome}"}}' in text


def test_requests_are_counted_by_verb_resource_and_code() -> None:
    labels = {"verb": "list", "resource": "pods", "method": "GET", "code": "429"}
    name = "pryv_operator_api_requests_total"
    before = REGISTRY.get_sample_value(name, labels) or 0
    assert metrics.count_request("GET", "/api/v1/pods", "429", watch=False) == "list"
    assert REGISTRY.get_sample_value(name, labels) == before + 1


def test_of_a_resource_the_watch_that_is_silent_longest_counts() -> None:
    watches = _Watches()
    watches.heard("pods", "/api/v1/namespaces/a/pods", 100)
    watches.heard("pods", "/api/v1/namespaces/b/pods", 50)
    watches.heard("secrets", "/api/v1/secrets", 70)
    watches.heard("pods", "/api/v1/namespaces/a/pods", 200)
    samples = [each for family in watches.collect() for each in family.samples]
    assert {each.labels["resource"]: each.value for each in samples} == {"pods": 50, "secrets": 70}


def memory(folder: Path) -> dict[str, float]:
    samples = (each for family in _Memory(folder).collect() for each in family.samples)
    return {each.name: each.value for each in samples}


def test_memory_of_the_control_group(tmp_path: Path) -> None:
    (tmp_path / "memory.current").write_text("1000\n")
    (tmp_path / "memory.stat").write_text("anon 500\ninactive_file 300\nactive_file 1\n")
    (tmp_path / "memory.max").write_text("4000\n")
    assert memory(tmp_path) == {
        "pryv_operator_memory_working_set_bytes": 700,
        "pryv_operator_memory_limit_bytes": 4000,
    }


def test_without_a_limit_or_a_control_group_memory_is_missing(tmp_path: Path) -> None:
    assert memory(tmp_path) == {}
    (tmp_path / "memory.max").write_text("max\n")
    assert memory(tmp_path) == {}
