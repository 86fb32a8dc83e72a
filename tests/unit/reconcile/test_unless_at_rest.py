"""What is at rest is not reconciled: neither loaded, nor counted among what is read."""

from __future__ import annotations

from pryv_operator.kube import metrics
from pryv_operator.kube.work_queue import Key
from pryv_operator.reconcile.platform_client import Seen
from pryv_operator.reconcile.settings import Settings
from pryv_operator.reconcile.unless_at_rest import UnlessAtRest, resync_seconds
from tests.unit.reconcile.test_at_rest import ACME, resting

SETTINGS = Settings("10.96.0.10", resync_seconds=30.0, full_resync_seconds=1000.0)


class Recorded:
    """Reconciles nothing, and remembers of which platforms that was asked."""

    def __init__(self) -> None:
        self.keys: list[Key] = []

    async def __call__(self, key: Key) -> float | None:
        self.keys.append(key)
        return 15.0


def unneeded() -> float:
    return metrics.REGISTRY.get_sample_value("pryv_operator_reconciliations_unneeded_total") or 0.0


async def test_a_platform_at_rest_is_requeued_without_a_reconciliation() -> None:
    at_rest, _ = resting()
    reconcile, before = Recorded(), unneeded()
    check = UnlessAtRest(reconcile, at_rest, SETTINGS, now=lambda: 10.0)
    assert await check(ACME) == resync_seconds(SETTINGS, ACME)
    assert 27.0 <= resync_seconds(SETTINGS, ACME) <= 33.0
    assert not reconcile.keys
    assert unneeded() == before + 1


async def test_it_is_requeued_for_when_it_is_due() -> None:
    at_rest, _ = resting()
    assert await UnlessAtRest(Recorded(), at_rest, SETTINGS, now=lambda: 98.0)(ACME) == 2.0


async def test_what_is_due_or_moved_is_reconciled() -> None:
    at_rest, watches = resting()
    reconcile, before = Recorded(), unneeded()
    check = UnlessAtRest(reconcile, at_rest, SETTINGS, now=lambda: 100.0)
    assert await check(ACME) == 15.0
    at_rest.settle(ACME, Seen("5"), until=200.0)
    watches.set_platform(ACME, "6")
    assert await check(ACME) == 15.0
    assert reconcile.keys == [ACME, ACME]
    assert unneeded() == before
