"""Requests of an installation, of a change, of a deleted pod: counts, not times.

How many reconciliations follow a change depends on how fast pods become ready, so bounds are wide
where they depend on it, and narrow for each reconciliation. When a change lowers a figure, lower
its bound with it.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.api.platforms import PlatformUser
from tests.bench.measured_operator import MeasuredOperator
from tests.bench.usage import READING, Usage

pytestmark = pytest.mark.cluster

#: Requests that write: 83 objects, 17 owners of policies, revision, status, events.
INSTALL_WRITES = 125
INSTALL_READS = 60
CHANGE_READS = 90
POD_READS = 20
#: Of a reconciliation, on average: what has not moved is not read again.
READS_OF_ONE = 14


def used(measured: MeasuredOperator, action: Callable[[], object]) -> Usage:
    found = measured.during(action).usage
    assert found.reads <= READS_OF_ONE * found.reconciliations, found
    return found


def test_requests_of_a_platform(measured: MeasuredOperator, user: PlatformUser) -> None:
    install = used(measured, user.apply_and_wait)
    assert install.writes <= INSTALL_WRITES, install
    assert install.reads <= INSTALL_READS, install

    change = used(measured, lambda: user.apply_and_wait(variables={"PLATFORM_NAME": "Counted"}))
    assert change.reads <= CHANGE_READS, change

    def delete_a_pod() -> None:
        (pod,) = user.list("pods", "pryv.io/component=register")
        user.delete("pods", pod["metadata"]["name"])
        user.wait_running()

    deleted = used(measured, delete_a_pod)
    assert deleted.reads <= POD_READS, deleted
    # The workloads are as desired: what is written is the status, and what reports it.
    written = {resource for (verb, resource) in deleted.requests if verb not in READING}
    assert not written & {"deployments", "statefulsets", "pods"}, deleted
