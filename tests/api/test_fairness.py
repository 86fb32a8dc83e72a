"""Whose turn it is while many platforms wait: counted in reconciliations, not in seconds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.api.operator_process import OperatorProcess
from tests.api.platforms import PlatformUser
from tests.bench.measured_operator import NO_RESYNC
from tests.cluster.control_plane import ControlPlane
from tests.cluster.fixtures import new_namespace
from tests.cluster.waiting import wait_until

pytestmark = pytest.mark.cluster

#: So many platforms share a Secret. They are paused: nothing is created for them.
MANY = 60
#: While the change is on its way, reconciliations go on. Then those under way end, and it is next.
MEANWHILE = MANY // 2
#: No window in which changes are gathered: how many are reconciled in it depends on the machine.
AT_ONCE = "--batch-seconds=0"
SHARED = {"MAIL_SMTP_PASS": {"secretKeyRef": {"name": "smtp", "key": "key"}}}


def apply(user: PlatformUser, name: str, platform_name: str) -> None:
    user.apply_platform(
        name,
        domain=f"{name}.{user.namespace}.test",
        rollout={"paused": True},
        secrets=SHARED,
        variables={"PLATFORM_NAME": platform_name},
    )


@pytest.fixture(scope="module", autouse=True)
def reconciling_at_once(operator: OperatorProcess) -> Iterator[None]:
    with operator.started_with(AT_ONCE, *NO_RESYNC):
        yield


@pytest.fixture(scope="module")
def other(control_plane: ControlPlane, operator: OperatorProcess) -> Iterator[PlatformUser]:
    with new_namespace(control_plane) as name:
        user = PlatformUser(control_plane, name)
        yield user
        user.delete_all()


@pytest.mark.parametrize("place", ["same-namespace", "other-namespace"])
def test_a_change_does_not_wait_for_all_that_share_a_secret(
    operator: OperatorProcess, shared: PlatformUser, other: PlatformUser, place: str
) -> None:
    changed, name = (shared, f"p{MANY - 1:03}") if place == "same-namespace" else (other, "acme")
    for user in (shared, other):
        user.secret("smtp", key="first")
    for number in range(MANY):
        apply(shared, f"p{number:03}", "First")
    apply(other, "acme", "First")
    for number in range(MANY):
        shared.wait_observed(f"p{number:03}")
    other.wait_observed()

    before = operator.reconciliations()
    shared.secret("smtp", key=f"second, {place}")
    wait_until(
        lambda: operator.reconciliations() >= before + 4,
        "the first of those that share the Secret",
        seconds=30,
        every=0.02,
    )
    apply(changed, name, place)
    began = operator.reconciliations()
    changed.wait_observed(name)
    assert operator.reconciliations() - began <= MEANWHILE
