"""Platforms that are nested as deeply as the API server takes them."""

from __future__ import annotations

import pytest

from tests.api.operator_process import OperatorProcess
from tests.api.platforms import PlatformUser
from tests.attacks.hostile_tenant import create_deep_platform
from tests.cluster.control_plane import ControlPlane
from tests.cluster.fixtures import new_namespace


@pytest.mark.parametrize("deep", ["lists", "maps"])
def test_a_deeply_nested_platform_stops_no_neighbour(
    shared_platform: PlatformUser, operator: OperatorProcess, control_plane: ControlPlane, deep: str
) -> None:
    """Neither the running operator nor one that is started beside it."""
    shared_platform.apply_and_wait()
    started = operator.pid()
    with new_namespace(control_plane) as namespace:
        tenant = PlatformUser(control_plane, namespace)
        create_deep_platform(tenant, "deep", maps=deep == "maps")
        try:
            shared_platform.apply_and_wait(variables={"PLATFORM_NAME": "Beside a deep one"})
            assert operator.pid() == started
            operator.restart()
            shared_platform.apply_and_wait(variables={"PLATFORM_NAME": "After a restart"})
            assert operator.status("/healthz") == operator.status("/readyz") == 200
        finally:
            tenant.delete_all()
