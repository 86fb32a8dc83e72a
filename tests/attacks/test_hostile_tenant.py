"""A tenant's costly templates, and its neighbour meanwhile."""

from __future__ import annotations

from tests.api.operator_process import OperatorProcess
from tests.api.platforms import PlatformUser
from tests.attacks.hostile_tenant import COSTLY, hostile_platform
from tests.cluster.control_plane import ControlPlane
from tests.cluster.fixtures import new_namespace


def test_costly_templates_do_not_stop_a_neighbour(
    shared_platform: PlatformUser, operator: OperatorProcess, control_plane: ControlPlane
) -> None:
    shared_platform.apply_and_wait()
    with new_namespace(control_plane) as namespace:
        tenant = PlatformUser(control_plane, namespace)
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
