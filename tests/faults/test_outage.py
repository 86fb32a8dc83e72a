"""The API server goes away in the middle of a change; etcd is put back to an older state."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest

from tests.api.fixtures import install_chart
from tests.cluster.simulated_nodes import SimulatedNodes
from tests.faults import compare
from tests.faults.conftest import new_session, start_fork_server
from tests.faults.etcd_backup import ControlPlaneWithBackup
from tests.faults.sandbox import TIMEOUT_SECONDS, Rig, Sandbox, apply_change, run_scenario, until
from tests.faults.scenarios import SCENARIOS, Scenario

pytestmark = pytest.mark.cluster

INSTALL, VARIABLE, ROTATION = SCENARIOS[:3]
#: Writes of each scenario before the API server stops.
_IN_THE_MIDDLE = 5


@pytest.mark.long
@pytest.mark.parametrize("seconds", [10, 60])
async def test_platforms_converge_after_an_outage_of_the_api_server(
    rig: Rig, seconds: int, cluster_echo: Callable[[str], None], request: pytest.FixtureRequest
) -> None:
    if seconds > 10:
        request.getfixturevalue("only_with_fault_points")
    scenarios = (INSTALL, VARIABLE, ROTATION)
    expected = [(await run_scenario(rig, scenario)).run for scenario in scenarios]
    async with AsyncExitStack() as stack:
        sandboxes = [await stack.enter_async_context(rig.sandbox()) for _ in scenarios]
        before = [compare.EMPTY for _ in scenarios]
        for index, (sandbox, scenario) in enumerate(zip(sandboxes, scenarios, strict=True)):
            if scenario.before:
                await sandbox.start()
                await sandbox.apply(*scenario.before)
                await sandbox.wait_steady("Ready")
                before[index] = await sandbox.snapshot()
            sandbox.proxy.plan((), sandbox.kill)
        for sandbox, scenario in zip(sandboxes, scenarios, strict=True):
            await apply_change(sandbox, scenario)
        await until(lambda: _are_in_the_middle(sandboxes), "every sandbox to be in the middle")
        await asyncio.to_thread(rig.control_plane.stop_api_server, abruptly=True)
        await asyncio.sleep(seconds)  # it is the length of the outage that is tested
        await asyncio.to_thread(rig.control_plane.start_api_server)
        back = time.monotonic()
        await asyncio.to_thread(rig.control_plane.restart_kwok)
        resting = asyncio.gather(
            *(
                sandbox.wait_steady(each.ends, each.revision)
                for sandbox, each in zip(sandboxes, scenarios, strict=True)
            )
        )
        await asyncio.wait([resting], timeout=TIMEOUT_SECONDS / 2)
        # kwok sometimes misses a pod that was created while it took over its nodes.
        if not resting.done():
            await asyncio.to_thread(rig.control_plane.restart_kwok)
        await resting
        cluster_echo(
            f"API server down for {seconds} s: "
            f"steady {time.monotonic() - back:.0f} s after it was back"
        )
        for sandbox, earlier, run in zip(sandboxes, before, expected, strict=True):
            sandbox.check_alive()
            assert sandbox.starts == 1
            found = compare.summarize(
                earlier, await sandbox.snapshot(earlier), sandbox.proxy.requests
            )
            _assert_same(run, found)


def _assert_same(expected: compare.Run, found: compare.Run) -> None:
    differences = compare.differences(expected, found)
    assert not differences, "\n".join(differences)


async def _are_in_the_middle(sandboxes: list[Sandbox]) -> bool:
    return all(sandbox.proxy.counts["write"] >= _IN_THE_MIDDLE for sandbox in sandboxes)


@pytest.fixture
async def backup_rig(
    cluster_echo: Callable[[str], None],
) -> AsyncIterator[tuple[ControlPlaneWithBackup, Rig]]:
    running = ControlPlaneWithBackup(echo=cluster_echo)
    with running, SimulatedNodes(running, echo=cluster_echo):
        kubeconfig, socket_path = install_chart(running), start_fork_server(running)
        async with new_session() as session:
            yield (
                running,
                Rig(
                    running,
                    kubeconfig,
                    socket_path,
                    session,
                    ssl.create_default_context(cafile=str(running.ca_file)),
                ),
            )
        socket_path.unlink()


@pytest.mark.usefixtures("only_with_fault_points")
@pytest.mark.long
@pytest.mark.parametrize(
    "restart", [False, True], ids=["operator keeps running", "operator is restarted"]
)
async def test_platform_converges_after_a_restore_of_etcd(
    backup_rig: tuple[ControlPlaneWithBackup, Rig], restart: bool
) -> None:
    """The platform returns to its older state without new objects; the change can be repeated."""
    control_plane, rig = backup_rig
    change: Scenario = VARIABLE
    async with rig.sandbox("--full-resync-seconds=5") as sandbox:
        await sandbox.start()
        await sandbox.apply(*change.before)
        await sandbox.wait_steady("Ready")
        old = await sandbox.snapshot()
        await asyncio.to_thread(control_plane.back_up)
        sandbox.proxy.plan((), sandbox.kill)
        await sandbox.apply(*change.change)
        await sandbox.wait_steady("Ready", change.revision)
        expected = compare.summarize(old, await sandbox.snapshot(old), sandbox.proxy.requests)
        await asyncio.to_thread(control_plane.restore)
        sandbox.proxy.plan((), sandbox.kill)
        if restart:
            sandbox.kill()
        await sandbox.wait_steady("Ready")
        found = compare.summarize(old, await sandbox.snapshot(old), sandbox.proxy.requests)
        _assert_same(compare.Run(old.objects, compare.count_operations(()), frozenset()), found)
        sandbox.proxy.plan((), sandbox.kill)
        await sandbox.apply(*change.change)
        await sandbox.wait_steady("Ready", change.revision)
        found = compare.summarize(old, await sandbox.snapshot(old), sandbox.proxy.requests)
        _assert_same(expected, found)
        sandbox.check_alive()
