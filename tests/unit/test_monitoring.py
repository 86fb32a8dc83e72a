"""What docs/monitoring.md says is what the operator serves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pryv_operator.kube.metrics import REGISTRY
from pryv_operator.reconcile import platform_metrics

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/monitoring.md"
#: Metrics of prometheus_client itself; one line of the page is about all of them.
STANDARD = ("process_", "python_gc_")


def rows() -> Iterator[str]:
    """A row for each metric, as the page has them."""
    labels = {each.name: each.labels for each in platform_metrics.FAMILIES}
    for family in (*REGISTRY.collect(), *platform_metrics.GAUGES.describe()):
        name = family.name + {"counter": "_total", "info": "_info"}.get(family.type, "")
        if not name.startswith(STANDARD):
            of = labels.get(name) or _labels_of(name)
            names = ", ".join(f"`{each}`" for each in of)
            text = family.documentation.replace("<", "&lt;")
            yield f"| `{name}` | {family.type} | {names} | {text} |"


def _labels_of(name: str) -> tuple[str, ...]:
    """Labels of one of the operator's own metrics."""
    return OWN_LABELS.get(name, ())


#: Queue and watches are collected when they are asked, and tell their labels only then.
_QUEUE = ("name",)
OWN_LABELS = {
    "pryv_operator_build_info": ("version", "python"),
    "pryv_operator_api_requests_total": ("verb", "resource", "method", "code"),
    "pryv_operator_api_request_duration_seconds": ("verb",),
    "pryv_operator_lease_requests_total": ("method", "code"),
    "pryv_operator_reconciliations_total": ("outcome",),
    "pryv_operator_reconciliations_unneeded_total": (),
    "pryv_operator_rollout_duration_seconds": ("outcome",),
    "pryv_operator_reflector_last_event_timestamp_seconds": ("resource",),
    "pryv_operator_shard_leader": ("shard",),
    "workqueue_adds_total": _QUEUE,
    "workqueue_depth": _QUEUE,
    "workqueue_longest_running_processor_seconds": _QUEUE,
    "workqueue_queue_duration_seconds": _QUEUE,
    "workqueue_retries_total": _QUEUE,
    "workqueue_unfinished_work_seconds": _QUEUE,
    "workqueue_work_duration_seconds": _QUEUE,
}


def test_the_page_lists_every_metric() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    listed = [line for line in lines if line.startswith("| `") and line.count(" | ") == 3]
    assert listed == sorted(rows()), "the table should be:\n" + "\n".join(sorted(rows()))
