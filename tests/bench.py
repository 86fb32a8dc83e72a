"""Benchmarks (``make bench``). Compare ratios of one run, because machines differ.

Measured are:

- rendering the objects of a cluster, compared with writing them to the API server;
- the requests of an install, of a change of one variable, and of a steady state;
- the time until a deleted object is recreated;
- the operator's memory;
- how long the event loop is kept from other work while a platform near the limits is computed and
  compared, and the memory that it takes;
- a change of one variable beside a tenant with costly templates and many ConfigMaps, and the
  memory meanwhile, under the limit of the chart where control groups can be created.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from pryv_operator.api import names
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.platform import Platform
from pryv_operator.api.spec import PryvPlatformSpec
from pryv_operator.child_processes.limits import ProcessLimits
from pryv_operator.child_processes.pool import ChildProcesses
from pryv_operator.desired.inputs import Inputs
from pryv_operator.desired.state import Desired, compute_desired
from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.credentials import read_kubeconfig
from pryv_operator.live.apply import compute_changes
from pryv_operator.live.drift import find_drift
from pryv_operator.live.live_objects import LiveObjects
from pryv_operator.objects import profiles
from pryv_operator.pki.certificate import Certificate
from pryv_operator.rollout.revision_record import state_digest
from pryv_operator.templates.builtin import load_release
from pryv_operator.values.addresses import Address, placeholder_addresses
from pryv_operator.values.platform_values import generated_names
from tests.api.fixtures import install_chart
from tests.api.operator_process import OperatorProcess
from tests.api.platforms import PlatformUser
from tests.api.test_drift import config_of
from tests.attacks.hostile_tenant import flood, hostile_platform
from tests.cluster.control_plane import ControlPlane
from tests.cluster.memory_cgroup import (
    MemoryCgroup,
    NoCgroupsError,
    chart_memory_limit,
    memory_cgroup,
)
from tests.cluster.simulated_nodes import SimulatedNodes
from tests.cluster.waiting import wait_until

ROUNDS = 7
SPEC = {
    "domain": "pryv.acme.test",
    "roles": {"core": {"instances": [{"name": "co1"}, {"name": "co2"}]}, "reg-slave": {}},
}


def main() -> int:
    """Run all benchmarks and print their results."""
    with ControlPlane(echo=_echo) as cluster, SimulatedNodes(cluster, echo=_echo):
        kubeconfig = install_chart(cluster)
        _rendering_against_writing(cluster)
        _requests(cluster, kubeconfig)
        asyncio.run(_largest_platform())
        _beside_a_hostile_tenant(cluster, kubeconfig)
    return 0


def _rendering_against_writing(cluster: ControlPlane) -> None:
    state = _desired()
    objects = [*state.services, *state.objects]
    render_seconds = _median(_desired)
    write_seconds = statistics.median(
        _write_all(cluster, objects, f"bench-{number}") for number in range(3)
    )
    print(f"\nrendering all objects of 1.9.2 (2 cores, reg-slave; {len(objects)} objects, warm)")
    print(f"  compute_desired():     {render_seconds * 1000:7.1f} ms")
    print(f"  creating them:         {write_seconds * 1000:7.1f} ms   (8 requests in parallel)")
    print(f"  ratio:                 {render_seconds / write_seconds:7.3f}")


def _requests(cluster: ControlPlane, kubeconfig: Path) -> None:
    operator = OperatorProcess(cluster, kubeconfig, "--resync-seconds=5")
    operator.start()
    idle = _memory(operator)
    cluster.kubectl("create", "namespace", "requests")
    user = PlatformUser(cluster, "requests")
    print(
        "\nrequests to the API server                "
        "reads  writes  reconciliations  seconds until Ready"
    )
    counts = _Counter(operator)
    user.replace_platform(SPEC)
    user.wait_ready()
    counts.line("first install")
    user.wait_steady()
    counts.reset()
    user.replace_platform({**SPEC, "variables": {"PLATFORM_NAME": "Acme"}})
    user.wait_ready()
    counts.line("PLATFORM_NAME changed")
    user.wait_steady()
    counts.reset()
    operator.wait_reconciliations(1)
    writes = counts.line("a reconciliation without a change")
    print("\ndeleted object                            recreated after (of three times)")
    for kind, name in (
        ("configmap", None),
        ("service", "acme-co1-core"),
        ("deployment", "acme-reg-register"),
    ):
        times = sorted(_seconds_until_recreated(user, kind, name) for _ in range(3))
        print(f"  {kind:38}  {times[0]:.2f} to {times[-1]:.2f} s")
    loaded = _memory(operator)
    print(f"\nmemory of the operator: {idle:.0f} MiB idle, {loaded:.0f} MiB with one platform")
    operator.stop()
    if writes:
        raise SystemExit("a reconciliation without a change must write nothing")


async def _largest_platform() -> None:
    """A platform of 32 cores near the limits, as a reconciliation computes and compares it."""
    given = _near_the_limits()
    gc.freeze()  # as the operator does when it starts
    memory = _resident(os.getpid())
    children = ChildProcesses(ProcessLimits(deadline_seconds=600))
    with _stretches() as longest:
        started = time.perf_counter()
        found = await children.run("bench", compute_desired, given)
        objects = [*found.services, *found.objects]
        changes = await asyncio.to_thread(compute_changes, objects, LiveObjects({}))
        live = LiveObjects({}).with_objects(changes.objects)
        await asyncio.to_thread(find_drift, objects, live)
        await asyncio.to_thread(state_digest, objects)
        await asyncio.sleep(0.01)
        seconds = time.perf_counter() - started
    await children.close()
    size = sum(len(json.dumps(item)) for item in objects)
    print(
        f"\na platform near the limits: {len(objects)} objects, {size / 2**20:.1f} MiB of JSON\n"
        f"  computed and compared in                {seconds:.2f} s\n"
        f"  longest stretch of the event loop       {max(longest) * 1000:.0f} ms, "
        f"{max(longest) / seconds:.3f} of it\n"
        f"  memory                                  +{_resident(os.getpid()) - memory:.0f} MiB"
    )


def _near_the_limits() -> Inputs:
    """Two services with many variables, which each of 32 cores has."""
    variables = "".join(f"      E{number}: v\n" for number in range(2300))
    text = (
        f"services:\n  a:\n    image: a:1\n    environment: &all\n{variables}"
        "  b:\n    image: a:1\n    environment: *all\n"
    )
    cores = [{"name": f"co{number}"} for number in range(1, 33)]
    spec = PryvPlatformSpec.model_validate({**SPEC, "roles": {"core": {"instances": cores}}})
    given = replace(
        _inputs(Platform("acme", "bench", "", spec)),
        bundle=load_release().with_files({"core": {"pryv.yml": text.encode()}}),
        addresses={},
    )
    services = [item["metadata"]["name"] for item in compute_desired(given).services]
    return replace(given, addresses=placeholder_addresses(services))


@contextlib.contextmanager
def _stretches() -> Iterator[list[float]]:
    """Seconds that a task which is always due has waited, each time."""
    found = [0.0]

    async def beat() -> None:
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0.001)
            now = time.perf_counter()
            found.append(now - last - 0.001)
            last = now

    task = asyncio.get_running_loop().create_task(beat())
    try:
        yield found
    finally:
        task.cancel()


def _beside_a_hostile_tenant(cluster: ControlPlane, kubeconfig: Path) -> None:
    operator = OperatorProcess(cluster, kubeconfig, "--resync-seconds=60")
    with ExitStack() as resources:
        try:
            cgroup = resources.enter_context(memory_cgroup(chart_memory_limit()))
        except NoCgroupsError as error:
            print(f"\nwithout the memory limit of the chart: {error}")
            operator.start()
            resources.callback(operator.stop)
            _measure_beside(cluster, operator, None)
        else:
            with operator.started_in(cgroup):
                _measure_beside(cluster, operator, cgroup)
            operator.stop()


def _measure_beside(
    cluster: ControlPlane, operator: OperatorProcess, cgroup: MemoryCgroup | None
) -> None:
    for namespace in ("neighbour", "hostile"):
        cluster.kubectl("create", "namespace", namespace)
    neighbour, tenant = PlatformUser(cluster, "neighbour"), PlatformUser(cluster, "hostile")
    neighbour.replace_platform(SPEC)
    neighbour.wait_ready()
    neighbour.wait_steady()
    alone = [_seconds_until_patched(neighbour, f"Alone {number}") for number in range(3)]
    peak = Peak(operator)
    flood(tenant, "hostile-0")
    for number in range(20):
        tenant.apply(*hostile_platform(number))
    beside = [_seconds_until_patched(neighbour, f"Beside {number}") for number in range(9)]
    healthy = operator.status("/healthz")
    peak.stop()
    print(
        "\na variable of a platform changes           its Deployments are patched after\n"
        f"  alone (of 3)                            {min(alone):.2f} to {max(alone):.2f} s\n"
        f"  beside 20 hostile platforms (of 9)      {min(beside):.2f} to {max(beside):.2f} s\n"
        f"  meanwhile: /healthz {healthy}, operator and children {peak.mebibytes:.0f} MiB at most"
    )
    if cgroup:
        print(
            f"  by the kernel, page cache included: {cgroup.peak / 2**20:.0f} MiB at most, limit "
            f"{chart_memory_limit() / 2**20:.0f} MiB, {cgroup.kills} processes killed"
        )


def _seconds_until_patched(user: PlatformUser, name: str) -> float:
    """Change PLATFORM_NAME; the seconds until register's pod template is another one."""
    generation = user.get("deployment", "acme-reg-register")["metadata"]["generation"]
    user.replace_platform({**SPEC, "variables": {"PLATFORM_NAME": name}})
    changed = time.perf_counter()
    wait_until(
        lambda: user.get("deployment", "acme-reg-register")["metadata"]["generation"] != generation,
        "register to be patched",
        seconds=120,
        every=0.05,
    )
    seconds = time.perf_counter() - changed
    user.wait_ready()
    return seconds


class Peak:
    """The highest resident memory of the operator together with its children, sampled."""

    def __init__(self, operator: OperatorProcess) -> None:
        self._operator = operator
        self.mebibytes = 0.0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop sampling."""
        self._stopped.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._stopped.wait(0.05):
            pid = self._operator.pid()
            if pid:
                self.mebibytes = max(self.mebibytes, sum(map(_resident, _family(pid))))


def _family(pid: int) -> list[int]:
    """A process and its children."""
    threads = Path(f"/proc/{pid}/task").glob("*/children")
    children: list[str] = []
    for each in threads:
        with contextlib.suppress(OSError):
            children += each.read_text().split()
    return [pid, *map(int, children)]


def _seconds_until_recreated(user: PlatformUser, kind: str, name: str | None) -> float:
    """Delete an object; return the seconds until it is recreated.

    Without a name it is a ConfigMap or Secret with configuration in use.
    """
    name = name or config_of(user, "acme-reg-redis")
    uid = user.get(kind, name)["metadata"]["uid"]
    user.delete(kind, name)
    gone = time.perf_counter()
    wait_until(
        lambda: (user.find(kind, name) or {}).get("metadata", {}).get("uid", uid) != uid,
        f"{kind} {name}",
        seconds=60,
        every=0.01,
    )
    seconds = time.perf_counter() - gone
    user.wait_ready()
    return seconds


class _Counter:
    """Requests and reconciliations since the last reset."""

    def __init__(self, operator: OperatorProcess) -> None:
        self._operator = operator
        self.reset()

    def reset(self) -> None:
        self._start = self._now()
        self._time = time.monotonic()

    def line(self, title: str) -> int:
        reads, writes, reconciliations = (
            now - start for now, start in zip(self._now(), self._start, strict=True)
        )
        seconds = time.monotonic() - self._time
        print(f"  {title:38}  {reads:5}  {writes:6}  {reconciliations:15}  {seconds:6.1f}")
        return writes

    def _now(self) -> tuple[int, int, int]:
        return self._operator.reads(), self._operator.writes(), self._operator.reconciliations()


def _desired() -> Desired:
    platform = Platform("acme", "bench", "", PryvPlatformSpec.model_validate(SPEC))
    return compute_desired(_inputs(platform))


def _inputs(platform: Platform) -> Inputs:
    return Inputs(
        platform=platform,
        bundle=load_release(platform.spec.release),
        secrets={
            name: "secret-" + name.lower()
            for name in generated_names(platform, load_release(platform.spec.release))
        },
        hash_key=b"key",
        addresses=_addresses(platform.name),
        certificate=Certificate("chain", "key"),
        authorities="-----BEGIN CERTIFICATE-----",
        cluster_dns="10.96.0.10",
    )


@cache
def _addresses(platform_name: str) -> dict[str, Address]:
    """An address for every Service that the platform may have."""
    instances = ("reg", "reg-slave", "co1", "co2", "sw")
    internal = [
        names.workload(platform_name, instance, component)
        for instance in instances
        for component in profiles.KNOWN
    ]
    external = [
        names.external_service(platform_name, instance, udp=udp)
        for instance in instances
        for udp in (False, True)
    ]
    return placeholder_addresses(internal + external)


def _write_all(cluster: ControlPlane, objects: list[Object], namespace: str) -> float:
    """Create the objects in a new namespace; return the seconds that it took."""
    cluster.kubectl("create", "namespace", namespace)
    seconds = asyncio.run(
        _create_all(
            cluster,
            [
                {**item, "metadata": {**item["metadata"], "namespace": namespace}}
                for item in objects
            ],
        )
    )
    cluster.kubectl("delete", "namespace", namespace, "--wait=false")
    return seconds


async def _create_all(cluster: ControlPlane, objects: list[Object]) -> float:
    async with KubeClient(await read_kubeconfig(cluster.kubeconfig)) as connection:
        slots = asyncio.Semaphore(8)

        async def apply(item: Object) -> None:
            async with slots:
                await connection.create(item)

        started = time.perf_counter()
        await asyncio.gather(*map(apply, objects))
        return time.perf_counter() - started


def _median(measured: Callable[[], Any]) -> float:
    measured()
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        measured()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def _memory(operator: OperatorProcess) -> float:
    """The operator's resident memory in MiB."""
    return _resident(wait_until(operator.pid, "the operator's process id", seconds=10))


def _resident(pid: int) -> float:
    """Resident memory of a process in MiB; 0 once it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    found = [each for each in status.splitlines() if each.startswith("VmRSS")]
    return int(found[0].split()[1]) / 1024 if found else 0.0


def _echo(line: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
