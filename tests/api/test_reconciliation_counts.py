"""How often a platform is reconciled for an install and for a change.

While pods come up, the status is brought up to date every few seconds. So a bound grows with the
time that pods take, and holds on a busy machine.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pryv_operator.reconcile.wake import PROGRESS_SECONDS
from tests.api.platforms import PlatformUser
from tests.bench.measured_operator import MeasuredOperator

pytestmark = pytest.mark.cluster

#: One creates everything; the last one finds all pods ready. One more: the end of pods that were
#: replaced, or what moved while the last one read.
INSTALL = 3
#: A one-variable change rolls register, dns and the components of the core in three steps.
CHANGE = 3 + 3


def reconciliations(measured: MeasuredOperator, action: Callable[[], object]) -> float:
    """Reconciliations without those that only follow the progress of pods."""
    found = measured.during(action)
    return found.usage.reconciliations - found.seconds / PROGRESS_SECONDS


def test_an_install_and_a_change_are_a_few_reconciliations(
    measured: MeasuredOperator, user: PlatformUser
) -> None:
    assert reconciliations(measured, user.apply_and_wait) <= INSTALL
    change = {"PLATFORM_NAME": "Counted"}
    assert reconciliations(measured, lambda: user.apply_and_wait(variables=change)) <= CHANGE
