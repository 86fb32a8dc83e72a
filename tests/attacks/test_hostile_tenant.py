"""A tenant's costly templates, and its neighbour meanwhile."""

from __future__ import annotations

import re
from contextlib import ExitStack

import pytest

from tests.api.operator_process import OperatorProcess
from tests.api.platforms import PlatformUser
from tests.attacks.hostile_tenant import (
    COSTLY,
    HOSTILE_SECONDS,
    hostile_platform,
    platform_below_the_limit,
)
from tests.cluster.control_plane import ControlPlane
from tests.cluster.fixtures import new_namespace
from tests.cluster.waiting import wait_until


@pytest.mark.parametrize(
    "only_watched", [False, pytest.param(True, marks=pytest.mark.long)], ids=["all", "watched"]
)
def test_costly_templates_do_not_stop_a_neighbour(
    shared_platform: PlatformUser,
    operator: OperatorProcess,
    control_plane: ControlPlane,
    only_watched: bool,
) -> None:
    """With an operator of all namespaces, and with one that watches those of both tenants."""
    shared_platform.apply_and_wait()
    with new_namespace(control_plane) as namespace, ExitStack() as started:
        tenant = PlatformUser(control_plane, namespace)
        if only_watched:
            options = (f"--namespace={name}" for name in (shared_platform.namespace, namespace))
            started.enter_context(operator.started_with(*options))
        for number in range(len(COSTLY)):
            tenant.apply(*hostile_platform(number))
        # Ready while the calls of the tenant, one after the other, are still being computed.
        shared_platform.apply_and_wait(variables={"PLATFORM_NAME": "Beside a hostile tenant"})
        assert operator.status("/healthz") == 200
        condition = tenant.wait_reason("LimitExceeded", "hostile-0", HOSTILE_SECONDS)
        assert condition["status"] == "False"
        assert "more than 10 s of CPU time, the limit; use fewer" in condition["message"]
        # Other input is tried at once.
        tenant.apply(hostile_platform(0)[0] | {"data": {"x": "harmless"}})
        tenant.wait_ready("hostile-0")
        tenant.delete_all()


def test_two_namespaces_below_the_limits_do_not_hold_up_a_neighbour(
    shared_platform: PlatformUser, operator: OperatorProcess, control_plane: ControlPlane
) -> None:
    """With more platforms than there are workers. Its change does not wait for one of them."""
    shared_platform.apply_and_wait()
    with ExitStack() as started:
        started.enter_context(operator.started_with("--full-resync-seconds=300"))
        names = [started.enter_context(new_namespace(control_plane)) for _ in range(2)]
        tenants = [PlatformUser(control_plane, name) for name in names]
        # It has no worker already when the others come.
        shared_platform.wait_steady()
        for number in range(8):
            for tenant in tenants:
                tenant.apply(*platform_below_the_limit(number))
        wait_until(lambda: _queue_length(operator) >= 8, "a queue", seconds=60, every=0.05)
        shared_platform.apply_platform(variables={"PLATFORM_NAME": "Beside two hostile tenants"})
        shared_platform.wait_observed()
        assert not any(map(_reconciled, tenants))
        assert operator.status("/healthz") == 200
        wait_until(
            lambda: any(map(_reconciled, tenants)), "the first hostile platform", seconds=300
        )
        for tenant in tenants:
            tenant.delete_all()


def _queue_length(operator: OperatorProcess) -> float:
    found = re.search(r"^workqueue_depth\{.*\} (\S+)", operator.text("/metrics"), re.MULTILINE)
    return float(found[1]) if found else 0.0


def _reconciled(user: PlatformUser) -> list[str]:
    """Platforms that have been reconciled, whatever the outcome."""
    found = user.list("pryvplatforms", None)
    return [item["metadata"]["name"] for item in found if item.get("status", {}).get("conditions")]
