"""What a tenant can do to the operator's memory, under the limit of the chart."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.api.operator_process import OperatorProcess
from tests.api.platforms import PlatformUser
from tests.attacks.hostile_tenant import COSTLY, HOSTILE_SECONDS, flood, hostile_platform
from tests.cluster.control_plane import ControlPlane
from tests.cluster.fixtures import new_namespace
from tests.cluster.memory_cgroup import (
    MemoryCgroup,
    NoCgroupsError,
    chart_memory_limit,
    memory_cgroup,
)


@pytest.fixture
def cgroup() -> Iterator[MemoryCgroup]:
    """A control group with the memory limit of the operator's container."""
    try:
        with memory_cgroup(chart_memory_limit()) as created:
            yield created
    except NoCgroupsError as error:
        pytest.skip(f"no control groups with a memory limit here: {error}")


@pytest.mark.long
def test_a_hostile_tenant_stays_below_the_limit_of_the_chart(
    shared_platform: PlatformUser,
    operator: OperatorProcess,
    cgroup: MemoryCgroup,
    control_plane: ControlPlane,
    cluster_echo: Callable[[str], None],
) -> None:
    """Costly templates, and 100 MB of ConfigMaps with the labels of the tenant's platform."""
    with new_namespace(control_plane) as namespace, operator.started_in(cgroup):
        started = operator.pid()
        tenant = PlatformUser(control_plane, namespace)
        flood(tenant, "hostile-0")
        for number in range(len(COSTLY)):
            tenant.apply(*hostile_platform(number))
        shared_platform.apply_and_wait(variables={"PLATFORM_NAME": "Under a limit"})
        for number in range(len(COSTLY)):
            tenant.wait_reason("LimitExceeded", f"hostile-{number}", HOSTILE_SECONDS)
        assert operator.status("/healthz") == 200
        peak = cgroup.peak / 2**20
        cluster_echo(f"operator beside a hostile tenant: {peak:.0f} MiB at most, of the kernel")
        assert cgroup.kills == 0
        assert operator.pid() == started
        tenant.delete_all()
