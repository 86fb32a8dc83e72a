"""A node that is lost, as the node controller reports it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.api.fixtures import install_chart
from tests.api.operator_process import OperatorProcess
from tests.api.platforms import PlatformUser
from tests.cluster.control_plane import ControlPlane
from tests.cluster.fixtures import new_namespace
from tests.cluster.simulated_nodes import SimulatedNodes
from tests.cluster.waiting import wait_until

pytestmark = [pytest.mark.cluster, pytest.mark.long]


def test_a_node_that_is_not_ready_is_named(cluster_echo: Callable[[str], None]) -> None:
    """Its kubelet stops: after the grace period the node controller marks its pods."""
    with ControlPlane(echo=cluster_echo) as cluster, new_namespace(cluster) as name:
        user = PlatformUser(cluster, name)
        operator = OperatorProcess(cluster, install_chart(cluster), "--batch-seconds=0.2")
        with SimulatedNodes(cluster, names=("node-7",), echo=cluster_echo):
            operator.start()
            user.apply_and_wait()
        try:
            condition = user.wait_reason("NodeNotReady", seconds=180)
            assert 'node "node-7"' in condition["message"]
            wait_until(
                lambda: "NodeNotReady" in user.kubectl("get", "pryvplatforms"),
                "the reason to be listed",
                seconds=30,
            )
        finally:
            operator.stop()
