"""What the metrics say of each platform. Pure, except for the registry that Prometheus reads.

Only the leader reconciles, so only the leader reports platforms: none is counted twice. What is
known of a platform goes with it. Labels hold names of objects, roles and reasons, never values.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pryv_operator.kube import metrics
from pryv_operator.kube.keyed_gauges import Family, KeyedGauges, Sample
from pryv_operator.kube.work_queue import Key
from pryv_operator.reconcile.facts import encode_facts

if TYPE_CHECKING:  # a process whose platforms are all at rest needs no models
    from pryv_operator.api.status import PryvPlatformStatus

#: Values of a condition's status in lower case, as kube-state-metrics writes them.
_STATUSES: Final = ("true", "false", "unknown")
_PLATFORM: Final = ("namespace", "name")
_OF_COMPONENT: Final = (*_PLATFORM, "role", "role_instance", "component")

INFO: Final = Family(
    "pryv_platform_info", "The release that the platform runs.", (*_PLATFORM, "release")
)
REVISION: Final = Family(
    "pryv_platform_revision", "Number of the platform's desired revision.", _PLATFORM
)
CONDITION: Final = Family(
    "pryv_platform_condition",
    "1 for the status (true, false or unknown) that a condition of the platform has, else 0.",
    (*_PLATFORM, "type", "status"),
)
CONDITION_REASON: Final = Family(
    "pryv_platform_condition_reason",
    "1 for the reason that a condition of the platform has; other reasons are missing.",
    (*_PLATFORM, "type", "reason"),
)
WARNINGS: Final = Family(
    "pryv_platform_warnings",
    "Number of entries in status.warnings, by reason.",
    (*_PLATFORM, "reason"),
)
COMPONENT_DESIRED: Final = Family(
    "pryv_platform_component_desired_replicas",
    "Desired pods of a component; 0 if it is stopped.",
    _OF_COMPONENT,
)
COMPONENT_READY: Final = Family(
    "pryv_platform_component_ready_replicas", "Ready pods of a component.", _OF_COMPONENT
)
ROLLOUT_STEP: Final = Family(
    "pryv_platform_rollout_step",
    "Components that have the desired configuration.",
    _PLATFORM,
)
ROLLOUT_STEPS: Final = Family(
    "pryv_platform_rollout_steps",
    "Components of the platform: the rollout has applied everything when its step reaches this.",
    _PLATFORM,
)
ROLLOUT_STARTED: Final = Family(
    "pryv_platform_rollout_start_timestamp_seconds",
    "When the rollout of the desired revision began, or was retried.",
    _PLATFORM,
)
CERTIFICATE_EXPIRY: Final = Family(
    "pryv_platform_certificate_expiry_timestamp_seconds",
    "When a certificate, or the first of its chain, expires; role: empty for the platform's own.",
    (*_PLATFORM, "role", "secret"),
)
FAMILIES: Final = (
    INFO,
    REVISION,
    CONDITION,
    CONDITION_REASON,
    WARNINGS,
    COMPONENT_DESIRED,
    COMPONENT_READY,
    ROLLOUT_STEP,
    ROLLOUT_STEPS,
    ROLLOUT_STARTED,
    CERTIFICATE_EXPIRY,
)
GAUGES: Final = KeyedGauges(FAMILIES)
metrics.also_expose(GAUGES.text)


@dataclass(frozen=True)
class ComponentReplicas:
    """Pods of a component, desired and ready."""

    role: str
    instance: str
    component: str
    desired: int
    ready: int


@dataclass(frozen=True)
class CertificateExpiry:
    """When a certificate expires. ``role``: whose it is; ``""``: the platform's."""

    role: str
    secret: str
    at: dt.datetime


@dataclass(frozen=True)
class RolloutProgress:
    """How many of a platform's components have the desired configuration, and since when."""

    began: dt.datetime | None
    step: int
    steps: int


@dataclass(frozen=True)
class Observed:
    """What a reconciliation that reached its end has seen."""

    components: tuple[ComponentReplicas, ...] = ()
    rollout: RolloutProgress | None = None


def samples(
    key: Key,
    status: PryvPlatformStatus,
    observed: Observed,
    certificates: Iterable[CertificateExpiry],
) -> Iterator[Sample]:
    """The metrics of a platform."""
    of = (key.namespace, key.name)
    if status.release:
        yield Sample(INFO, (*of, status.release), 1)
    if status.revision is not None:
        yield Sample(REVISION, of, status.revision)
    for condition in status.conditions:
        for text in _STATUSES:
            holds = condition.status.lower() == text
            yield Sample(CONDITION, (*of, condition.type, text), holds)
        yield Sample(CONDITION_REASON, (*of, condition.type, condition.reason), 1)
    reasons = [each.reason for each in status.warnings]
    for reason in sorted(set(reasons)):
        yield Sample(WARNINGS, (*of, reason), reasons.count(reason))
    for each in observed.components:
        labels = (*of, each.role, each.instance, each.component)
        yield Sample(COMPONENT_DESIRED, labels, each.desired)
        yield Sample(COMPONENT_READY, labels, each.ready)
    if rollout := observed.rollout:
        yield Sample(ROLLOUT_STEP, of, rollout.step)
        yield Sample(ROLLOUT_STEPS, of, rollout.steps)
        if rollout.began:
            yield Sample(ROLLOUT_STARTED, of, rollout.began.timestamp())
    for expiry in certificates:
        yield Sample(CERTIFICATE_EXPIRY, (*of, expiry.role, expiry.secret), expiry.at.timestamp())


class PlatformMetrics:
    """Reports what reconciliations have found, and remembers the certificates."""

    def __init__(self, gauges: KeyedGauges = GAUGES) -> None:
        """Nothing is reported yet."""
        self._gauges = gauges
        self._certificates: dict[Key, tuple[CertificateExpiry, ...]] = {}
        #: What was reported of a platform beyond its status.
        self._facts: dict[Key, bytes] = {}

    def begin(self, key: Key, stored: PryvPlatformStatus) -> None:
        """Report the stored status of a platform of which nothing is known yet."""
        if not self._gauges.knows(key):
            self.report_failure(key, stored)

    def report(
        self,
        key: Key,
        status: PryvPlatformStatus,
        observed: Observed,
        certificates: tuple[CertificateExpiry, ...],
    ) -> None:
        """Report a reconciliation that reached its end."""
        self._certificates[key] = certificates
        self._facts[key] = encode_facts(observed, certificates)
        self._gauges.set(key, samples(key, status, observed, certificates))

    def report_failure(self, key: Key, status: PryvPlatformStatus) -> None:
        """Report a reconciliation that did not reach its end.

        What it has not seen is not reported, except for the expiry of certificates, which does not
        depend on what runs.
        """
        certificates = self._certificates.get(key, ())
        self._facts.pop(key, None)
        self._gauges.set(key, samples(key, status, Observed(), certificates))

    def facts(self, key: Key) -> bytes | None:
        """What was last reported beyond the status (``facts``); None: not all that there is."""
        return self._facts.get(key)

    def expiries(self, key: Key) -> tuple[dt.datetime, ...]:
        """When the platform's certificates expire."""
        return tuple(each.at for each in self._certificates.get(key, ()))

    def forget(self, key: Key) -> None:
        """The platform was deleted."""
        self._certificates.pop(key, None)
        self._facts.pop(key, None)
        self._gauges.forget(key)
