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
from tests.faults.conftest import new_session, start_nursery
from tests.faults.restorable import RestorableControlPlane
from tests.faults.scenarios import SCENARIOS, Scenario
from tests.faults.stage import Rig, Stage, begin, play, until

pytestmark = pytest.mark.cluster

INSTALL, VARIABLE, ROTATION = SCENARIOS[:3]
#: Writes of each scenario that are done before the API server goes away.
_IN_THE_MIDDLE = 5
#: The operator, the controllers and the simulated kubelet have backed off.
_PATIENCE_SECONDS = 180.0


@pytest.mark.long
@pytest.mark.parametrize("seconds", [10, 60])
async def test_an_api_server_that_goes_away_and_comes_back(
    rig: Rig, seconds: int, cluster_echo: Callable[[str], None], request: pytest.FixtureRequest
) -> None:
    if seconds > 10:
        request.getfixturevalue("when_asked_for")
    scenarios = (INSTALL, VARIABLE, ROTATION)
    expected = [(await play(rig, scenario)).run for scenario in scenarios]
    async with AsyncExitStack() as stack:
        stages = [await stack.enter_async_context(rig.stage()) for _ in scenarios]
        before = [compare.NOTHING for _ in scenarios]
        for index, (stage, scenario) in enumerate(zip(stages, scenarios, strict=True)):
            if scenario.before:
                await stage.start()
                await stage.apply(*scenario.before)
                await stage.at_rest("Ready")
                before[index] = await stage.picture()
            stage.proxy.begin((), stage.kill)
        for stage, scenario in zip(stages, scenarios, strict=True):
            await begin(stage, scenario)
        await until(lambda: _are_in_the_middle(stages), "every stage to be in the middle")
        await asyncio.to_thread(rig.control_plane.stop_api_server, abruptly=True)
        await asyncio.sleep(seconds)  # it is the length of the outage that is tested
        await asyncio.to_thread(rig.control_plane.start_api_server)
        back = time.monotonic()
        await asyncio.to_thread(rig.control_plane.start_simulator_again)
        resting = asyncio.gather(
            *(
                stage.at_rest(each.ends, each.revision, _PATIENCE_SECONDS)
                for stage, each in zip(stages, scenarios, strict=True)
            )
        )
        await asyncio.wait([resting], timeout=_PATIENCE_SECONDS / 2)
        if not resting.done():  # the simulated kubelet now and then overlooks a pod that came while it took its nodes over
            await asyncio.to_thread(rig.control_plane.start_simulator_again)
        await resting
        cluster_echo(
            f"API server away for {seconds} s: all at rest {time.monotonic() - back:.0f} s after it was back"
        )
        for stage, earlier, run in zip(stages, before, expected, strict=True):
            stage.check_alive()
            assert stage.lives == 1
            told = compare.complaints(
                run, compare.run(earlier, await stage.picture(earlier), stage.proxy.requests)
            )
            assert not told, "\n".join(told)


async def _are_in_the_middle(stages: list[Stage]) -> bool:
    return all(stage.proxy.counts["write"] >= _IN_THE_MIDDLE for stage in stages)


@pytest.fixture
async def restorable(
    cluster_echo: Callable[[str], None],
) -> AsyncIterator[tuple[RestorableControlPlane, Rig]]:
    running = RestorableControlPlane(echo=cluster_echo)
    with running, SimulatedNodes(running, echo=cluster_echo):
        kubeconfig, nursery = install_chart(running), start_nursery(running)
        async with new_session() as session:
            yield (
                running,
                Rig(
                    running,
                    kubeconfig,
                    nursery,
                    session,
                    ssl.create_default_context(cafile=str(running.ca_file)),
                ),
            )
        nursery.unlink()


@pytest.mark.usefixtures("when_asked_for")
@pytest.mark.long
@pytest.mark.parametrize(
    "again", [False, True], ids=["operator goes on", "operator is started again"]
)
async def test_etcd_is_put_back_to_an_older_state(
    restorable: tuple[RestorableControlPlane, Rig], again: bool
) -> None:
    """The platform becomes what it was then, without anything being made again; and the same change can be made again."""
    control_plane, rig = restorable
    change: Scenario = VARIABLE
    async with rig.stage("--resync-seconds=5") as stage:
        await stage.start()
        await stage.apply(*change.before)
        await stage.at_rest("Ready")
        old = await stage.picture()
        await asyncio.to_thread(control_plane.back_up)
        stage.proxy.begin((), stage.kill)
        await stage.apply(*change.change)
        await stage.at_rest("Ready", change.revision)
        expected = compare.run(old, await stage.picture(old), stage.proxy.requests)
        await asyncio.to_thread(control_plane.restore)
        stage.proxy.begin((), stage.kill)
        if again:
            stage.kill()
        await stage.at_rest("Ready")
        found = compare.run(old, await stage.picture(old), stage.proxy.requests)
        told = compare.complaints(compare.Run(old.objects, compare.made(()), frozenset()), found)
        assert not told, "\n".join(told)
        stage.proxy.begin((), stage.kill)
        await stage.apply(*change.change)
        await stage.at_rest("Ready", change.revision)
        told = compare.complaints(
            expected, compare.run(old, await stage.picture(old), stage.proxy.requests)
        )
        assert not told, "\n".join(told)
        stage.check_alive()
