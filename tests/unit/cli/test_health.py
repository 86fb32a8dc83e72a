"""``/healthz`` beside tenants that keep the shared process busy, and when something is stuck."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from pryv_operator.child_processes import child
from pryv_operator.child_processes.pool import ChildProcesses, _EndedError
from pryv_operator.cli.process import Options, Process
from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.work_queue import Key
from pryv_operator.reconcile.settings import Settings
from tests.unit.kube.simulated_clock import SimulatedClock

#: By the clock; a busy machine.
_SHORT_SECONDS, _LONG_SECONDS = 4.0, 20.0


class Operator:
    """The operator's own queue, child processes and health, without an API server.

    ``seconds``: how long the computation of a namespace takes. Each takes more than a short one's
    CPU time.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds: Callable[[str], float]) -> None:
        async def call(_: ChildProcesses, encoded: bytes, cpu_seconds: int) -> child.Returned:
            if cpu_seconds < 10:
                await asyncio.sleep(_SHORT_SECONDS)
                raise _EndedError("1 s of CPU time", out_of_cpu_time=True)
            await asyncio.sleep(seconds(encoded.decode()))
            return child.Returned(None, cpu_seconds=9.5)

        monkeypatch.setattr(ChildProcesses, "_call", call)
        self.hang_in_request: set[Key] = set()
        settings = Settings(cluster_dns="cluster.local")
        options = Options((), "127.0.0.1", 0, batch_seconds=1.0, settings=settings)
        self._process = Process(cast(KubeClient, None), options.leadership(), options)
        self.queue = self._process._queue
        self.queue._reconcile = self._reconcile
        self.reconciled: list[Key] = []

    async def _reconcile(self, key: Key) -> float:
        for _ in range(3):
            await self._process._children._answer(key.namespace, key.namespace.encode())
        if key in self.hang_in_request:
            await asyncio.Event().wait()
        self.reconciled.append(key)
        return 15.0

    async def unhealthy(self, seconds: float) -> list[float]:
        """When in so many seconds ``/healthz`` failed."""
        loop = asyncio.get_running_loop()
        working, end, found = asyncio.create_task(self.queue.run()), loop.time() + seconds, []
        while loop.time() < end:
            await asyncio.sleep(5)
            if self._process._healthy():
                found.append(loop.time())
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        return found


def play(scene: Callable[[], Awaitable[Any]]) -> None:
    async def run() -> None:
        await scene()

    with asyncio.Runner(loop_factory=SimulatedClock) as runner:
        runner.run(run())


@pytest.mark.parametrize(("namespaces", "platforms"), [(1, 40), (4, 8), (8, 8), (30, 2)])
def test_health_does_not_fail_because_tenants_wait_for_the_shared_process(
    monkeypatch: pytest.MonkeyPatch, namespaces: int, platforms: int
) -> None:
    async def scene() -> None:
        operator = Operator(monkeypatch, lambda _: _LONG_SECONDS)
        for namespace in range(namespaces):
            for number in range(platforms):
                operator.queue.add(Key(f"hostile-{namespace}", f"p{number}"))
        assert await operator.unhealthy(3600) == []
        assert len(operator.reconciled) > 3600 / (3 * _LONG_SECONDS) / 2

    play(scene)


def test_health_fails_when_a_child_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond its deadline, which the operator itself should keep."""

    async def scene() -> None:
        operator = Operator(monkeypatch, lambda name: 1e6 if name == "stuck" else _LONG_SECONDS)
        for namespace in ("stuck", "a", "b"):
            for number in range(4):
                operator.queue.add(Key(namespace, f"p{number}"))
        first = (await operator.unhealthy(1000))[0]
        assert 300 < first <= 300 + 6 * (_SHORT_SECONDS + _LONG_SECONDS)

    play(scene)


def test_health_fails_when_a_request_hangs_while_others_compute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scene() -> None:
        operator = Operator(monkeypatch, lambda _: _LONG_SECONDS)
        for namespace in ("a", "b", "c"):
            for number in range(4):
                operator.queue.add(Key(namespace, f"p{number}"))
        operator.hang_in_request = {Key("a", "p0")}
        found = await operator.unhealthy(3600)
        reconciled = len(operator.reconciled)
        assert reconciled > 20, "the others go on"
        assert found
        assert found == [found[0] + 5 * number for number in range(len(found))], "and it stays so"
        assert found[-1] == 3600

    play(scene)
