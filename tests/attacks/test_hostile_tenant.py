"""A tenant's costly templates, and its neighbour meanwhile."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from tests.api.operator_process import OperatorProcess
from tests.api.platforms import PlatformUser
from tests.attacks.hostile_tenant import COSTLY, hostile_platform
from tests.cluster.control_plane import ControlPlane
from tests.cluster.fixtures import new_namespace


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
        condition = tenant.wait_reason("LimitExceeded", "hostile-0")
        assert condition["status"] == "False"
        assert "more than 10 s of CPU time, the limit; use fewer" in condition["message"]
        # Other input is tried at once.
        tenant.apply(hostile_platform(0)[0] | {"data": {"x": "harmless"}})
        tenant.wait_ready("hostile-0")
        tenant.delete_all()
