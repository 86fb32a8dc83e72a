"""What people keep survives: processes and pods that are killed, nodes that restart, deletion."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import pytest

from tests.cluster.kind.cluster import KindCluster
from tests.cluster.waiting import wait_until
from tests.e2e.outside import Outside, start_outside
from tests.e2e.person import Person, register
from tests.e2e.platforms import READY_SECONDS, Platform, now
from tests.unit.pki.chains import Link

_STORES: Final = ("reg/redis", "co1/mongodb", "co1/influxdb", "co1/core")
#: Kills each process whose control group is one of these pods, pauses included.
_KILL: Final = """
for process in /proc/[0-9]*; do
  for uid in "$@"; do
    if grep -q -e "$uid" "$process/cgroup" 2>/dev/null; then kill -KILL "${process#/proc/}"; fi
  done
done
"""


@pytest.fixture(scope="module")
def person(outside: Outside, two_cores: Platform) -> Person:
    """Somebody on the first core."""
    return register(outside, two_cores.domain, "co1")


@pytest.fixture
def kept(person: Person, outside: Outside, two_cores: Platform) -> Iterator[None]:
    """What they keep is the same after the test, and more can be kept."""
    before = person.read()
    yield
    wait_until(lambda: person.find() == before, "the data to come back", seconds=300, every=1)
    account = f"{person.username}.{two_cores.domain}"
    assert outside.run("dig", "+short", account, "CNAME").split() == [f"co1.{two_cores.domain}."]
    assert register(outside, two_cores.domain, "co1").read()["events"] == 2


@pytest.mark.usefixtures("kept")
def test_stores_and_core_are_replaced(two_cores: Platform) -> None:
    """They end in order within their grace periods: their logs say so."""
    before = two_cores.pods()
    with _followed(two_cores, "acme-reg-redis-0") as redis:
        two_cores.annotate("pryv.io/restart", f"{','.join(_STORES)}@{now()}")
        two_cores.wait_changed(_STORES, before)
    assert "DB saved on disk" in redis()
    assert "Redis is now ready to exit" in redis()


@pytest.mark.usefixtures("kept")
def test_every_process_is_killed(two_cores: Platform) -> None:
    if not two_cores.cluster.is_of_kind:
        pytest.skip("needs the containers of the nodes")
    uids = list(two_cores.pods())
    patterns = [pattern for uid in uids for pattern in (uid, uid.replace("-", "_"))]
    for node in two_cores.cluster.nodes:
        two_cores.cluster.docker("exec", node, "sh", "-c", _KILL, "sh", *patterns)
    _wait_serving(two_cores)


@pytest.mark.long
@pytest.mark.usefixtures("kept")
def test_the_node_restarts(
    two_cores: Platform, outside: Outside, authority: Link, cluster_echo: Callable[[str], None]
) -> None:
    cluster = two_cores.cluster
    if not cluster.is_of_kind:
        pytest.skip("needs the containers of the nodes")
    for node in cluster.nodes:
        cluster_echo(f"docker restart {node}")
        cluster.docker("restart", "--time=30", node)
    _wait_answers(cluster)
    _wait_serving(two_cores)
    start_outside(cluster)
    outside.meet(two_cores, authority.pem)


@pytest.mark.long
@pytest.mark.usefixtures("kept")
def test_the_resource_is_deleted_and_created_again(
    two_cores: Platform, outside: Outside, authority: Link
) -> None:
    spec = two_cores.get("pryvplatform", two_cores.name)["spec"]
    two_cores.kubectl("delete", "pryvplatform", two_cores.name, "--timeout=90s")
    wait_until(lambda: not two_cores.pods(), "the pods to be gone", seconds=300, every=1)
    resource = two_cores.resource(spec)
    resource["metadata"]["annotations"] = {"pryv.io/adopt": "restore"}
    two_cores.apply(resource)
    two_cores.wait_ready()
    outside.meet(two_cores, authority.pem)  # its Services have new addresses


def _wait_answers(cluster: KindCluster) -> None:
    def answers() -> bool:
        return cluster.kubectl("get", "nodes", check=False).returncode == 0

    wait_until(answers, "the API server to answer", seconds=300, every=1)


def _wait_serving(platform: Platform) -> None:
    """Until all pods are Ready by what the kubelet says of their containers of now."""

    def serving() -> bool:
        listed = platform.get("pods", f"--selector=pryv.io/platform={platform.name}")["items"]
        states = [state for pod in listed for state in pod["status"].get("containerStatuses", [])]
        return bool(states) and all(state["ready"] for state in states)

    wait_until(serving, "all containers to be ready", seconds=READY_SECONDS, every=1)
    platform.wait_ready()


@contextmanager
def _followed(platform: Platform, pod: str) -> Iterator[Callable[[], str]]:
    """The log of a pod to its end; it is gone with the pod otherwise."""
    command = (str(platform.cluster.binaries.kubectl), f"--namespace={platform.namespace}")
    options = ("logs", "--follow", "--all-containers", pod)
    with platform.cluster.start(
        *command, *options, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as running:
        output: list[str] = []
        try:
            yield lambda: "".join(output)
        finally:
            try:
                output.append(running.communicate(timeout=60)[0])
            except subprocess.TimeoutExpired:
                running.kill()
                raise
