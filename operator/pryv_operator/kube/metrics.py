"""The metrics of the operator itself. Labels never hold a user's values.

Those of the work queue and of the rate limiter have the names and the meaning of client-go's, so
that dashboards and alerts for controllers fit. Those of platforms are in
``reconcile/platform_metrics.py``.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Info,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from pryv_operator import __version__
from pryv_operator.api import labels_annotations as keys
from pryv_operator.kube.request_labels import request_labels

REGISTRY: Final = CollectorRegistry(auto_describe=True)

#: Of requests without an answer, as client-go counts them.
NO_ANSWER: Final = "<error>"
_QUEUE_NAME: Final = keys.KIND.lower()
_REQUEST_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
#: A reconciliation without changes takes a tenth of a second, one that waits for its turn minutes.
_WORK_BUCKETS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_WAIT_BUCKETS: Final = (0.001, 0.01, 0.1, 0.5, 1, 5, 10, 30, 60, 300)
#: From a change of one setting to a platform of many cores, each waiting for its deadline.
_ROLLOUT_BUCKETS: Final = (5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400)

_BUILD = Info("pryv_operator_build", "Version of the operator, and of Python.", registry=REGISTRY)
_BUILD.info({"version": __version__, "python": platform.python_version()})

REQUESTS: Final = Counter(
    "pryv_operator_api_requests",
    "Requests to the API server, other than those for the Lease; code <error>: not answered.",
    ["verb", "resource", "method", "code"],
    registry=REGISTRY,
)
REQUEST_SECONDS: Final = Histogram(
    "pryv_operator_api_request_duration_seconds",
    "Time until the API server answers a request; watches and the Lease's are not among them.",
    ["verb"],
    buckets=_REQUEST_BUCKETS,
    registry=REGISTRY,
)
RATE_LIMITER_SECONDS: Final = Histogram(
    "rest_client_rate_limiter_duration_seconds",
    "How long a request has waited for its turn, because of --kube-api-qps or a Retry-After.",
    buckets=_WAIT_BUCKETS,
    registry=REGISTRY,
)
LEASE_REQUESTS: Final = Counter(
    "pryv_operator_lease_requests",
    "Requests to the API server for the Lease.",
    ["method", "code"],
    registry=REGISTRY,
)
LEADER: Final = Gauge(
    "pryv_operator_leader",
    "1 when this operator is the leader, or leads a shard; 0 on standby.",
    registry=REGISTRY,
)
SHARD_LEADER: Final = Gauge(
    "pryv_operator_shard_leader",
    "1 when this operator leads the shard, else 0; without sharding, shard 0 is everything.",
    ["shard"],
    registry=REGISTRY,
)
RECONCILIATIONS: Final = Counter(
    "pryv_operator_reconciliations",
    "Reconciliations of platforms, by outcome (ready, not-ready, failed).",
    ["outcome"],
    registry=REGISTRY,
)
for _outcome in ("ready", "not-ready", "failed"):
    RECONCILIATIONS.labels(_outcome)  # so that the first failure is an increase
UNCHANGED: Final = Counter(
    "pryv_operator_reconciliations_unneeded",
    "Reconciliations that were not begun, as nothing had moved since the platform's last one.",
    registry=REGISTRY,
)
RECONCILIATION_SECONDS: Final = Histogram(
    "pryv_operator_reconciliation_seconds",
    "Duration of a reconciliation.",
    buckets=_WORK_BUCKETS,
    registry=REGISTRY,
)
ROLLOUT_SECONDS: Final = Histogram(
    "pryv_operator_rollout_duration_seconds",
    "Time from the start of a rollout until every component is ready, or until it has failed.",
    ["outcome"],
    buckets=_ROLLOUT_BUCKETS,
    registry=REGISTRY,
)
QUEUE_SECONDS: Final = Histogram(
    "workqueue_queue_duration_seconds",
    "How long a platform that was due has waited for a worker.",
    ["name"],
    buckets=_WAIT_BUCKETS,
    registry=REGISTRY,
).labels(_QUEUE_NAME)
WORK_SECONDS: Final = Histogram(
    "workqueue_work_duration_seconds",
    "How long a worker was occupied by a platform, waiting for a process included.",
    ["name"],
    buckets=_WORK_BUCKETS,
    registry=REGISTRY,
).labels(_QUEUE_NAME)
RETRIES: Final = Counter(
    "workqueue_retries",
    "Reconciliations that failed, and are retried with back-off.",
    ["name"],
    registry=REGISTRY,
).labels(_QUEUE_NAME)


class QueueState(Protocol):
    """What a work queue shows of itself when it is asked."""

    def waiting(self) -> int:
        """Keys that are due and wait for a worker."""

    def started(self) -> int:
        """Keys that workers have taken so far."""

    def age(self) -> float:
        """Seconds that the oldest due key has waited, or that one has been worked on."""

    def running(self) -> list[float]:
        """Seconds that each of the workers' keys has been worked on."""


class _QueueCollector(Collector):
    """The work queue of the process, as it is when it is asked."""

    def __init__(self) -> None:
        self._queue: QueueState | None = None

    @contextmanager
    def showing(self, queue: QueueState) -> Iterator[None]:
        """Show this queue while the context lasts."""
        self._queue = queue
        try:
            yield
        finally:
            self._queue = None

    def collect(self) -> Iterable[Metric]:
        queue = self._queue
        waiting, running = (queue.waiting(), queue.running()) if queue else (0, [])
        for kind, name, text, value in (
            (
                GaugeMetricFamily,
                "workqueue_depth",
                "Platforms whose reconciliation is due, not scheduled, and that wait for a worker.",
                float(waiting),
            ),
            (
                CounterMetricFamily,
                "workqueue_adds",
                "Reconciliations that were due so far.",
                float(queue.started() + waiting) if queue else 0.0,
            ),
            (
                GaugeMetricFamily,
                "workqueue_unfinished_work_seconds",
                "Seconds that all reconciliations under way have taken so far, summed.",
                sum(running),
            ),
            (
                GaugeMetricFamily,
                "workqueue_longest_running_processor_seconds",
                "Seconds that the longest reconciliation under way has taken so far.",
                max(running, default=0.0),
            ),
        ):
            family = kind(name, text, labels=["name"])
            family.add_metric([_QUEUE_NAME], value)
            yield family
        yield GaugeMetricFamily(
            "pryv_operator_queue_age_seconds",
            "How long the oldest due platform has waited for its reconciliation, "
            "or one has been running.",
            queue.age() if queue else 0.0,
        )


class _Watches(Collector):
    """When each watch was last heard of: of several namespaces, the one that is silent longest."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], float] = {}

    def heard(self, resource: str, path: str, at: float) -> None:
        """Record an event or a bookmark. ``at``: seconds since 1970."""
        self._seen[resource, path] = at

    def collect(self) -> Iterable[Metric]:
        family = GaugeMetricFamily(
            "pryv_operator_reflector_last_event_timestamp_seconds",
            "Time of the last event or bookmark of a watch.",
            labels=["resource"],
        )
        oldest: dict[str, float] = {}
        for (resource, _), at in self._seen.items():
            oldest[resource] = min(at, oldest.get(resource, at))
        for resource, at in sorted(oldest.items()):
            family.add_metric([resource], at)
        yield family


class _Memory(Collector):
    """Memory of the container, child processes included, from its control group (version 2)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        yield GaugeMetricFamily(
            "pryv_operator_memory_working_set_bytes",
            "Memory of the container without file cache that can be dropped; "
            "missing where it is not known.",
            self._working_set(),
        )
        yield GaugeMetricFamily(
            "pryv_operator_memory_limit_bytes",
            "Limit of the container's memory; missing where it has none.",
            self._read("memory.max"),
        )

    def describe(self) -> Iterable[Metric]:
        for family in self.collect():
            family.samples.clear()
            yield family

    def _working_set(self) -> float | None:
        current = self._read("memory.current")
        inactive = self._read("memory.stat", "inactive_file ")
        return None if current is None or inactive is None else current - inactive

    def _read(self, name: str, prefix: str = "") -> float | None:
        """The number after a prefix in a file; None where it cannot be read, or is ``max``."""
        try:
            lines = (self._folder / name).read_text().splitlines()
        except OSError:
            return None
        numbers = (line[len(prefix) :] for line in lines if line.startswith(prefix))
        number = next(numbers, "")
        return float(number) if number.isdigit() else None


QUEUE: Final = _QueueCollector()
WATCHES: Final = _Watches()
for _collector in (QUEUE, WATCHES, _Memory(Path("/sys/fs/cgroup"))):
    REGISTRY.register(_collector)
ProcessCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)


#: What is exposed besides the registry: text as Prometheus reads it.
_TEXTS: Final[list[Callable[[], bytes]]] = []


def also_expose(text: Callable[[], bytes]) -> None:
    """Expose what ``text`` returns at each scrape, after the registry."""
    _TEXTS.append(text)


def exposition() -> bytes:
    """All metrics, as Prometheus reads them."""
    return b"".join((generate_latest(REGISTRY), *(text() for text in _TEXTS)))


def count_request(method: str, path: str, code: str, *, watch: bool, apply: bool = False) -> str:
    """Count a request; return its verb."""
    verb, resource = request_labels(method, path, watch=watch, apply=apply)
    REQUESTS.labels(verb, resource, method, code).inc()
    return verb
