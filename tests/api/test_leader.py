"""Two operators: one leads, the other is on standby and takes over; never do both write."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from tests.api.fixtures import OPERATOR_NAMESPACE, install_chart
from tests.api.holding_proxy import Hold, HoldingProxy, Request
from tests.api.operator_process import OperatorProcess
from tests.api.platforms import PlatformUser
from tests.cluster.control_plane import ControlPlane
from tests.cluster.fixtures import new_namespace
from tests.cluster.simulated_nodes import SimulatedNodes
from tests.cluster.waiting import wait_until

pytestmark = pytest.mark.cluster

#: Long enough for a busy machine: a leader that cannot renew within two thirds of it ends.
LEASE_SECONDS = 9
TAKE_OVER_SECONDS = 90
#: What a busy machine may add.
BUSY_SECONDS = 60


@dataclass
class Pair:
    """Two operators with one Lease; the first speaks to the API server through a proxy."""

    control_plane: ControlPlane
    proxy: HoldingProxy
    first: OperatorProcess
    second: OperatorProcess

    def start(self) -> None:
        """Both; the first one leads."""
        self.first.start()
        wait_until(lambda: leads(self.first), "the first to lead", seconds=TAKE_OVER_SECONDS)
        self.second.start()

    def lease(self) -> dict[str, object]:
        text = self.control_plane.kubectl(
            "get", "lease", "pryv-operator", "-n", OPERATOR_NAMESPACE, "-o", "json"
        ).stdout
        found: dict[str, object] = json.loads(text)["spec"]
        return found


@pytest.fixture(scope="module")
def cluster(cluster_echo: Callable[[str], None]) -> Iterator[ControlPlane]:
    """A control plane of its own: no other operator writes there."""
    with ControlPlane(echo=cluster_echo) as running, SimulatedNodes(running, echo=cluster_echo):
        yield running


@pytest.fixture(scope="module")
def kubeconfig(cluster: ControlPlane) -> Path:
    """The rights that the chart grants must suffice."""
    return install_chart(cluster)


@pytest.fixture
def user(cluster: ControlPlane) -> Iterator[PlatformUser]:
    with new_namespace(cluster) as name:
        yield PlatformUser(cluster, name)


@pytest.fixture
def pair(cluster: ControlPlane, kubeconfig: Path) -> Iterator[Pair]:
    with HoldingProxy(cluster) as proxy:
        through = kubeconfig.with_name("through-proxy.kubeconfig")
        document = json.loads(kubeconfig.read_text())
        document["clusters"][0]["cluster"] = {"server": proxy.url}
        through.write_text(json.dumps(document))
        options = (
            "--leader-election",
            f"--lease-namespace={OPERATOR_NAMESPACE}",
            f"--lease-seconds={LEASE_SECONDS}",
            "--lease-retry-seconds=0.2",
            "--batch-seconds=0.2",
        )
        made = Pair(
            cluster,
            proxy,
            OperatorProcess(cluster, through, *options, name="first"),
            OperatorProcess(cluster, kubeconfig, *options, name="second"),
        )
        made.start()
        yield made
        for process in (made.first, made.second):
            assert "Traceback" not in process.log, process.log[-5000:]
            process.stop()


def leads(process: OperatorProcess) -> bool:
    return "\npryv_operator_leader 1.0\n" in process.text("/metrics")


def seconds_until_it_leads(process: OperatorProcess) -> float:
    began = time.monotonic()
    wait_until(lambda: leads(process), "the other to lead", seconds=TAKE_OVER_SECONDS, every=0.02)
    return time.monotonic() - began


def exit_code(process: OperatorProcess) -> int:
    assert process._server is not None
    supervisor = process._server._supervisor
    wait_until(lambda: supervisor.poll() is not None, "the process to end", seconds=30, every=0.02)
    return int(supervisor.returncode)


def pid(process: OperatorProcess) -> int:
    found = process.pid()
    assert found is not None
    return found


@pytest.mark.long
def test_sigterm_releases_the_lease(pair: Pair, user: PlatformUser) -> None:
    """The standby need not wait for the lease to expire: usually two seconds at most."""
    user.apply_platform()
    wait_until(lambda: user.list("services"), "the leader to be at work", seconds=30)
    before = pair.lease()
    os.kill(pid(pair.first), signal.SIGTERM)
    print(f"the other leads {seconds_until_it_leads(pair.second):.2f} s after SIGTERM")
    assert exit_code(pair.first) == 0
    assert "pryv-operator released" in pair.first.log
    after = pair.lease()
    assert after["holderIdentity"] not in ("", before["holderIdentity"])
    assert after["leaseTransitions"] == int(str(before["leaseTransitions"])) + 1
    user.wait_ready()
    user.delete_all()


@pytest.mark.long
def test_a_killed_leader_is_replaced_within_the_lease_duration(
    pair: Pair, user: PlatformUser
) -> None:
    os.kill(pid(pair.first), signal.SIGKILL)
    seconds = seconds_until_it_leads(pair.second)
    print(f"the other leads {seconds:.2f} s after SIGKILL, with a lease of {LEASE_SECONDS} s")
    assert seconds < LEASE_SECONDS + BUSY_SECONDS
    user.apply_platform()
    user.wait_ready()
    user.delete_all()


@pytest.mark.long
def test_a_standby_is_ready_and_writes_nothing(pair: Pair, user: PlatformUser) -> None:
    user.apply_platform()
    user.wait_ready()
    assert pair.second.status("/readyz") == pair.second.status("/healthz") == 200
    assert not leads(pair.second)
    assert pair.second.writes() == pair.second.reconciliations() == 0
    # Each platform is counted once, and every watch is followed.
    platform = f'pryv_platform_revision{{name="acme",namespace="{user.namespace}"}} '
    assert platform in pair.first.text("/metrics")
    assert "\npryv_platform_" not in pair.second.text("/metrics")
    assert 'last_event_timestamp_seconds{resource="secrets"}' in pair.second.text("/metrics")
    pair.second.stop()
    assert leads(pair.first)
    user.delete_all()


@pytest.mark.long
def test_an_idle_leader_only_renews(pair: Pair, user: PlatformUser) -> None:
    user.apply_platform()
    user.wait_steady()
    lease = pair.lease()

    def only_renews() -> bool:
        """An event of before may still be on its way at first."""
        versions, before, renewed = (
            user.resource_versions(),
            pair.first.writes(),
            pair.lease()["renewTime"],
        )
        wait_until(lambda: pair.lease()["renewTime"] != renewed, "a renewal", seconds=30)
        assert user.resource_versions() == versions
        return pair.first.writes() == before

    wait_until(only_renews, "a renewal, and no other write", seconds=60)
    assert {**pair.lease(), "renewTime": ""} == {**lease, "renewTime": ""}
    user.delete_all()


@pytest.mark.long
def test_a_leader_that_loses_the_lease_exits_at_once(pair: Pair) -> None:
    patch = json.dumps({"spec": {"holderIdentity": "another-holder"}})
    pair.control_plane.kubectl(
        "patch",
        "lease",
        "pryv-operator",
        "-n",
        OPERATOR_NAMESPACE,
        "--type=merge",
        f"--patch={patch}",
    )
    assert exit_code(pair.first) == 1
    assert "lease lost" in pair.first.log
    seconds_until_it_leads(pair.second)


@dataclass(frozen=True)
class Boundary:
    """The leader is frozen before or after its ``number``-th write.

    The writes are those of a first install, or of a change of an installed platform.
    """

    during: Literal["install", "change"]
    when: Literal["before", "after"]
    number: int

    def __str__(self) -> str:
        return f"{self.during}-{self.when}-{self.number}"


BOUNDARIES = [
    Boundary("install", "before", 30),
    Boundary("install", "after", 12),
    Boundary("change", "before", 6),
]
#: More than there are; the rest is skipped.
EVERY = [
    Boundary(during, when, n)
    for during in ("install", "change")
    for n in range(1, 80)
    for when in ("before", "after")
]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every write when asked for."""
    if "boundary" in metafunc.fixturenames:
        metafunc.parametrize(
            "boundary", EVERY if metafunc.config.getoption("--every-write") else BOUNDARIES, ids=str
        )


@pytest.mark.long
def test_a_thawed_former_leader_writes_nothing(
    pair: Pair, user: PlatformUser, boundary: Boundary, cluster_echo: Callable[[str], None]
) -> None:
    """The standby takes over and the user makes changes.

    Thawed, the former leader starts no request, and no request of its own takes effect.
    """
    hold = Hold(user.namespace, boundary.number, boundary.when, pid(pair.first))
    if boundary.during == "change":
        user.apply_platform(variables={"PLATFORM_NAME": "Zero"})
        user.wait_steady()
    pair.proxy.hold(hold)
    user.apply_platform(variables={"PLATFORM_NAME": "One"})
    if not is_reached(hold, user, pair):
        pytest.skip(f"it has {hold.count} writes")
    seconds_until_it_leads(pair.second)
    user.wait_ready()
    user.apply_platform(variables={"PLATFORM_NAME": "Two"})
    user.wait_steady()
    versions, sent = user.resource_versions(), len(pair.proxy.requests)

    held = pair.proxy.release()
    os.kill(hold.pid, signal.SIGCONT)
    assert exit_code(pair.first) == 1
    cluster_echo(
        f"frozen {boundary.when} write {boundary.number} ({held.method} {held.path}): "
        f"answered {held.status}"
    )

    since = pair.proxy.requests[sent:]
    assert not [request for request in since if request.writes or request.of_operator]
    if boundary.when == "before" and has_effect(held):
        assert held.status in (404, 409)
    assert user.resource_versions() == versions
    user.delete_all()


def is_reached(hold: Hold, user: PlatformUser, pair: Pair) -> bool:
    """Whether there are so many writes: until everything is at rest again."""

    def settled() -> bool:
        resource = user.get("pryvplatform", "acme")
        ready = [
            each
            for each in resource.get("status", {}).get("conditions", [])
            if each["type"] == "Ready" and each["status"] == "True"
        ]
        return bool(hold.held) or any(
            each["observedGeneration"] == resource["metadata"]["generation"] for each in ready
        )

    wait_until(lambda: hold.held or hold.count, "the first write", seconds=30, every=0.02)
    wait_until(settled, "the write, or the end", seconds=90)
    return hold.held is not None


def has_effect(request: Request) -> bool:
    """Not so dry runs; and an event is a new one each time, and nobody's state."""
    return "dryRun=All" not in request.path and "/events" not in request.path
