"""What the operator counts. Labels never hold a value of a user's."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY: Final = CollectorRegistry(auto_describe=True)

REQUESTS: Final = Counter(
    "pryv_operator_api_requests",
    "Requests to the API server.",
    ["method", "code"],
    registry=REGISTRY,
)
LEASE_REQUESTS: Final = Counter(
    "pryv_operator_lease_requests",
    "Requests about the Lease, which are not among the others.",
    ["method", "code"],
    registry=REGISTRY,
)
LEADER: Final = Gauge(
    "pryv_operator_leader", "1 when this operator leads, 0 when it stands by.", registry=REGISTRY
)
PASSES: Final = Counter(
    "pryv_operator_passes", "Reconciling passes by outcome.", ["outcome"], registry=REGISTRY
)
PASS_SECONDS: Final = Histogram(
    "pryv_operator_pass_seconds", "How long a pass takes.", registry=REGISTRY
)
QUEUE_LENGTH: Final = Gauge(
    "pryv_operator_queue_length", "Platforms that wait for a pass.", registry=REGISTRY
)
QUEUE_AGE: Final = Gauge(
    "pryv_operator_queue_age_seconds", "How long the oldest of them is overdue.", registry=REGISTRY
)
REFLECTOR_HEARD: Final = Gauge(
    "pryv_operator_reflector_last_event_timestamp_seconds",
    "When a watch last said anything.",
    ["resource"],
    registry=REGISTRY,
)
