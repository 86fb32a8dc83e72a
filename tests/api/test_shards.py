"""Two operators that share two shards: each namespace has one of them, whatever happens to them."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from pryv_operator.kube.shards import Shards
from tests.api.fixtures import OPERATOR_NAMESPACE, install_chart
from tests.api.holding_proxy import Hold, HoldingProxy, Request
from tests.api.operator_process import OperatorProcess
from tests.api.platforms import MANAGED_KINDS, PlatformUser
from tests.api.test_leader import exit_code, has_effect, pid
from tests.api.test_plugin_check import check
from tests.cluster.control_plane import ControlPlane
from tests.cluster.fixtures import new_namespace
from tests.cluster.simulated_nodes import SimulatedNodes
from tests.cluster.waiting import wait_until

pytestmark = pytest.mark.cluster

SHARDS = Shards(2)
#: Long enough for a busy machine: an operator that cannot renew within two thirds of it ends.
LEASE_SECONDS = 9
#: What a busy machine may add.
BUSY_SECONDS = 60
OPTIONS = (
    "--leader-election",
    f"--lease-namespace={OPERATOR_NAMESPACE}",
    f"--lease-seconds={LEASE_SECONDS}",
    "--lease-retry-seconds=0.2",
    "--batch-seconds=0.2",
    "--resync-seconds=30",
)


@dataclass
class Operator:
    """An operator process, and the proxy through which it speaks to the API server."""

    process: OperatorProcess
    proxy: HoldingProxy

    @property
    def led(self) -> set[int]:
        """The shards that it leads, by its metrics; none if it does not run."""
        try:
            text = self.process.text("/metrics")
        except OSError:
            return set()
        return {
            shard
            for shard in range(SHARDS.count)
            if f'\npryv_operator_shard_leader{{shard="{shard}"}} 1.0\n' in text
        }

    def writes(self, namespace: str, since: int = 0) -> list[Request]:
        """Its writes to objects of a namespace, dry runs included."""
        return [
            each
            for each in self.proxy.requests[since:]
            if each.writes and f"/namespaces/{namespace}/" in each.path
        ]

    def reports(self, namespace: str) -> bool:
        """Whether its metrics have a platform of a namespace."""
        return f'namespace="{namespace}"' in self.process.text("/metrics")


@dataclass
class Sharing:
    """Two operators, and a user of a namespace in each shard."""

    first: Operator
    second: Operator
    users: dict[int, PlatformUser]

    @property
    def operators(self) -> tuple[Operator, Operator]:
        return self.first, self.second

    def start(self) -> None:
        """Both; the second one takes a shard from the first, which has led both."""
        self.first.process.start()
        self.wait(lambda: self.first.led == {0, 1}, "the first to lead both shards")
        self.second.process.start()
        self.wait(lambda: self.split, "each to lead one shard")

    @property
    def split(self) -> bool:
        """Whether each leads one shard."""
        return sorted(len(each.led) for each in self.operators) == [1, 1] and (
            self.first.led != self.second.led
        )

    def leader(self, shard: int) -> Operator:
        (found,) = (each for each in self.operators if shard in each.led)
        return found

    def wait(self, condition: Callable[[], object], description: str) -> float:
        """Seconds that it took."""
        began = time.monotonic()
        wait_until(condition, description, seconds=LEASE_SECONDS + BUSY_SECONDS, every=0.05)
        return time.monotonic() - began

    def lease(self, shard: int) -> dict[str, str]:
        """The spec of the Lease of a shard."""
        text = (
            self.users[shard]
            .control_plane.kubectl(
                "get",
                "lease",
                f"pryv-operator-shard-{shard}",
                "-n",
                OPERATOR_NAMESPACE,
                "-o",
                "json",
            )
            .stdout
        )
        found: dict[str, str] = json.loads(text)["spec"]
        return found

    def sent(self) -> dict[str, int]:
        return {each.process._name: len(each.proxy.requests) for each in self.operators}

    def writers(self, shard: int, since: dict[str, int] | None = None) -> set[str]:
        """The operators that have written to the namespace of a shard."""
        return {
            each.process._name
            for each in self.operators
            if each.writes(self.users[shard].namespace, (since or {}).get(each.process._name, 0))
        }


#: What the operator manages, without policies: the garbage collector removes pods that are gone
#: from their owners, whenever it gets to it.
WITHOUT_OWNERS = MANAGED_KINDS.replace("networkpolicies,", "")


@pytest.fixture(scope="module")
def cluster(cluster_echo: Callable[[str], None]) -> Iterator[ControlPlane]:
    """A control plane of its own: no other operator writes there."""
    with ControlPlane(echo=cluster_echo) as running, SimulatedNodes(running, echo=cluster_echo):
        yield running


@pytest.fixture(scope="module")
def kubeconfig(cluster: ControlPlane) -> Path:
    """The rights that the chart grants must suffice."""
    return install_chart(cluster, "pryv-operator", f"--set=shards={SHARDS.count}")


@pytest.fixture
def users(cluster: ControlPlane) -> Iterator[dict[int, PlatformUser]]:
    """A user for each shard, in a namespace of it."""
    found: dict[int, PlatformUser] = {}
    opened = []
    while len(found) < SHARDS.count:
        context = new_namespace(cluster)
        opened.append(context)
        name = context.__enter__()
        found.setdefault(SHARDS.of(name), PlatformUser(cluster, name))
    yield found
    for context in opened:
        context.__exit__(None, None, None)


@pytest.fixture
def sharing(
    cluster: ControlPlane, kubeconfig: Path, users: dict[int, PlatformUser]
) -> Iterator[Sharing]:
    with HoldingProxy(cluster) as one, HoldingProxy(cluster) as two:
        made = Sharing(
            _operator(cluster, kubeconfig, one, "first", f"--shards={SHARDS.count}"),
            _operator(cluster, kubeconfig, two, "second", f"--shards={SHARDS.count}"),
            users,
        )
        yield made
        for each in made.operators:
            assert "Traceback" not in each.process.log, each.process.log[-5000:]
            assert "operator bug" not in each.process.log, each.process.log[-5000:]
            each.process.stop()


def _operator(
    cluster: ControlPlane, kubeconfig: Path, proxy: HoldingProxy, name: str, *options: str
) -> Operator:
    through = kubeconfig.with_name(f"{name}-through-proxy.kubeconfig")
    document = json.loads(kubeconfig.read_text())
    document["clusters"][0]["cluster"] = {"server": proxy.url}
    through.write_text(json.dumps(document))
    return Operator(OperatorProcess(cluster, through, *OPTIONS, *options, name=name), proxy)


def test_shards_are_taken_over_and_given_back(
    sharing: Sharing, cluster_echo: Callable[[str], None]
) -> None:
    sharing.start()
    users = sharing.users
    for user in users.values():
        user.apply_platform(variables={"PLATFORM_NAME": "Zero"})
    for user in users.values():
        user.wait_ready()

    # Each namespace is reconciled by the one that leads its shard.
    leaders = {shard: sharing.leader(shard) for shard in users}
    for shard, user in users.items():
        leader = leaders[shard]
        assert sharing.writers(shard) == {leader.process._name}
        assert [each.reports(user.namespace) for each in sharing.operators] == [
            each is leader for each in sharing.operators
        ]

        _, rows, _ = check(user, "acme")
        (row,) = [each for each in rows["Operator"] if each["subject"] == "leader"]
        lease = sharing.lease(shard)
        assert lease["holderIdentity"] in row["found"], row

    # One is killed: the other takes its shard over, and reconciles a change.
    survivor, killed = leaders[0], leaders[1]
    os.kill(pid(killed.process), signal.SIGKILL)
    seconds = sharing.wait(lambda: survivor.led == {0, 1}, "the other to lead both shards")
    cluster_echo(f"taken over {seconds:.1f} s after SIGKILL, with a lease of {LEASE_SECONDS} s")
    killed.process.stop()
    sent = sharing.sent()
    users[1].apply_platform(variables={"PLATFORM_NAME": "One"})
    users[1].wait_ready()
    assert sharing.writers(1, sent) == {survivor.process._name}
    for user in users.values():
        user.wait_steady()

    # It is started again, and gets a shard back: nothing rolls, and no write is refused.
    pods = {shard: user.pods() for shard, user in users.items()}
    versions = {shard: user.resource_versions(WITHOUT_OWNERS) for shard, user in users.items()}
    sent = sharing.sent()
    killed.process.start()
    seconds = sharing.wait(lambda: sharing.split, "each to lead one shard again")
    cluster_echo(f"given back {seconds:.1f} s after the start")
    given_back = next(iter(killed.led))
    other = 1 - given_back
    sharing.wait(lambda: killed.reports(users[given_back].namespace), "it to be reconciled")
    assert not survivor.reports(users[given_back].namespace)
    assert versions == {
        shard: user.resource_versions(WITHOUT_OWNERS) for shard, user in users.items()
    }
    assert {shard: user.pods() for shard, user in users.items()} == pods
    for shard in users:
        assert sharing.writers(shard, sent) <= {"first", "second"}
    for each in sharing.operators:
        assert "write refused" not in each.process.log
        assert "may be the leader" not in each.process.log

    # Each writes to its own namespace only, and every change is written once.
    sent = sharing.sent()
    for user in users.values():
        user.apply_platform(variables={"PLATFORM_NAME": "Two"})
    for user in users.values():
        user.wait_ready()
    assert sharing.writers(given_back, sent) == {killed.process._name}
    assert sharing.writers(other, sent) == {survivor.process._name}
    refused = [
        each
        for operator in sharing.operators
        for user in users.values()
        for each in operator.writes(user.namespace, sent[operator.process._name])
        if each.status in (401, 403)
    ]
    assert not refused
    for user in users.values():
        user.delete_all()


def test_a_shard_is_handed_over_with_what_is_known_of_platforms_at_rest(
    cluster: ControlPlane, kubeconfig: Path, users: dict[int, PlatformUser]
) -> None:
    """Who leads it next reconciles nothing, whichever shard the operator's namespace is of."""
    often = (f"--shards={SHARDS.count}", "--resync-seconds=1")
    with HoldingProxy(cluster) as one, HoldingProxy(cluster) as two:
        sharing = Sharing(
            _operator(cluster, kubeconfig, one, "keeping", *often),
            _operator(cluster, kubeconfig, two, "keeping-too", *often),
            users,
        )
        first, second = (each.process for each in sharing.operators)
        first.start()
        sharing.wait(lambda: sharing.first.led == {0, 1}, "the first to lead both shards")
        for user in users.values():
            user.apply_platform(stopped=True)
        for user in users.values():
            user.wait_reason("Stopped")

        def rest(process: OperatorProcess) -> None:
            def resting() -> bool:
                done, checks = process.reconciliations(), process.unneeded_reconciliations()
                sharing.wait(lambda: process.unneeded_reconciliations() >= checks + 6, "checks")
                return process.reconciliations() == done

            sharing.wait(resting, "nothing to be reconciled")

        rest(first)
        second.start()
        sharing.wait(lambda: sharing.split, "each to lead one shard")
        (moved,) = sharing.second.led
        sharing.wait(lambda: sharing.second.reports(users[moved].namespace), "it to be reported")
        rest(second)
        assert not second.reconciliations()
        assert not sharing.first.reports(users[moved].namespace)

        done = first.reconciliations()
        second.stop()
        sharing.wait(lambda: sharing.first.led == {0, 1}, "the first to lead both shards again")
        sharing.wait(lambda: sharing.first.reports(users[moved].namespace), "it to be reported")
        rest(first)
        assert first.reconciliations() == done
        for each in (first, second):
            assert "Traceback" not in each.log, each.log[-5000:]
            assert "write refused" not in each.log
            each.stop()
    for user in users.values():
        user.delete_all()


@pytest.mark.long
def test_a_thawed_operator_writes_nothing(
    sharing: Sharing, cluster_echo: Callable[[str], None]
) -> None:
    """It is frozen before a write; the other takes over, and the user makes changes."""
    sharing.start()
    shard = next(iter(sharing.second.led))
    user = sharing.users[shard]
    hold = Hold(user.namespace, 20, "before", pid(sharing.second.process))
    sharing.second.proxy.hold(hold)
    user.apply_platform(variables={"PLATFORM_NAME": "One"})
    sharing.wait(lambda: hold.held, "the write")
    sharing.wait(lambda: sharing.first.led == {0, 1}, "the first to lead both shards")
    user.wait_ready()
    user.apply_platform(variables={"PLATFORM_NAME": "Two"})
    user.wait_steady()
    versions, sent = user.resource_versions(), len(sharing.second.proxy.requests)

    held = sharing.second.proxy.release()
    os.kill(hold.pid, signal.SIGCONT)
    assert exit_code(sharing.second.process) == 1
    cluster_echo(f"the write that was held ({held.method} {held.path}): {held.status}")
    since = sharing.second.proxy.requests[sent:]
    assert not [each for each in since if each.writes or each.of_operator]
    if has_effect(held):
        assert held.status in (404, 409)
    assert user.resource_versions() == versions
    user.delete_all()


@pytest.mark.long
def test_an_operator_that_stops_hands_its_shards_over(sharing: Sharing) -> None:
    """While it is at work: the other one continues where it has stopped."""
    sharing.start()
    shard = next(iter(sharing.first.led))
    user = sharing.users[shard]
    user.apply_platform()
    sharing.wait(lambda: user.list("services"), "the first to be at work")
    os.kill(pid(sharing.first.process), signal.SIGTERM)
    seconds = sharing.wait(lambda: sharing.second.led == {0, 1}, "the second to lead both")
    print(f"the other leads {seconds:.2f} s after SIGTERM")
    assert exit_code(sharing.first.process) == 0
    user.wait_ready()
    user.delete_all()


@pytest.mark.long
def test_sharding_is_turned_on_while_operators_run(
    cluster: ControlPlane, kubeconfig: Path, users: dict[int, PlatformUser]
) -> None:
    """As in the rolling update of the Deployment: old and new pods run at a time."""
    with HoldingProxy(cluster) as one, HoldingProxy(cluster) as two:
        old = _operator(cluster, kubeconfig, one, "old")
        new = _operator(cluster, kubeconfig, two, "new", f"--shards={SHARDS.count}")
        sharing = Sharing(old, new, users)
        old.process.start()
        sharing.wait(lambda: old.led == {0}, "the old one to lead")
        for user in users.values():
            user.apply_platform()
        for user in users.values():
            user.wait_steady()
        new.process.start()  # it is ready, so the update goes on
        before = {shard: user.resource_versions() for shard, user in users.items()}
        renewed = "a few renewals of the old one"
        count = len(old.proxy.requests)
        sharing.wait(lambda: len(old.proxy.requests) > count + 4, renewed)
        assert new.led == set()
        assert not [each for user in users.values() for each in new.writes(user.namespace)]
        old.process.stop()
        sharing.wait(lambda: new.led == {0, 1}, "the new one to lead")
        for user in users.values():
            sharing.wait(partial(new.reports, user.namespace), "its reconciliation")
        assert {shard: user.resource_versions() for shard, user in users.items()} == before
        for user in users.values():
            user.delete_all()
        new.process.stop()
        assert "Traceback" not in old.process.log + new.process.log
