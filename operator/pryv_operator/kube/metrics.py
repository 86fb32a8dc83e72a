"""The operator's Prometheus metrics. Labels never hold a user's values."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY: Final = CollectorRegistry(auto_describe=True)

REQUESTS: Final = Counter(
    "pryv_operator_api_requests",
    "Requests to the API server, other than those for the Lease.",
    ["method", "code"],
    registry=REGISTRY,
)
LEASE_REQUESTS: Final = Counter(
    "pryv_operator_lease_requests",
    "Requests to the API server for the Lease.",
    ["method", "code"],
    registry=REGISTRY,
)
LEADER: Final = Gauge(
    "pryv_operator_leader", "1 when this operator is the leader, 0 on standby.", registry=REGISTRY
)
RECONCILIATIONS: Final = Counter(
    "pryv_operator_reconciliations",
    "Reconciliations of platforms, by outcome (ready, not-ready, failed).",
    ["outcome"],
    registry=REGISTRY,
)
RECONCILIATION_SECONDS: Final = Histogram(
    "pryv_operator_reconciliation_seconds", "Duration of a reconciliation.", registry=REGISTRY
)
QUEUE_LENGTH: Final = Gauge(
    "pryv_operator_queue_length",
    "Platforms whose reconciliation is due and that wait for a worker.",
    registry=REGISTRY,
)
QUEUE_AGE: Final = Gauge(
    "pryv_operator_queue_age_seconds",
    "How long the oldest due platform has waited for its reconciliation, or one has been running.",
    registry=REGISTRY,
)
REFLECTOR_LAST_EVENT: Final = Gauge(
    "pryv_operator_reflector_last_event_timestamp_seconds",
    "Time of the last event or bookmark of a watch.",
    ["resource"],
    registry=REGISTRY,
)
