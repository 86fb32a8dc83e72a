"""Who reaches what, from another namespace and from pods that pretend to belong to a platform."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.cluster.waiting import wait_until
from tests.e2e.outside import Outside
from tests.e2e.platforms import Platform, now
from tests.e2e.pods import Room
from tests.e2e.reach import PUBLISHED, STORES, RunNode, ports_of, reached, reached_unpublished


@pytest.fixture
def client(outside: Outside) -> RunNode:
    """Node.js in a pod of another namespace."""
    return lambda argument, script: outside.run("node", "-", argument, stdin=script)


def test_only_published_ports_are_open(client: RunNode, two_cores: Platform) -> None:
    assert {each["port"] for each in ports_of(two_cores)} > set(STORES)
    found = {int(each.rpartition(":")[2]) for each in reached(client, two_cores)}
    assert 443 in found <= set(PUBLISHED)


def test_stores_stay_closed_while_they_are_replaced(client: RunNode, two_cores: Platform) -> None:
    """A pod without a policy of its own would be open from its start."""
    before, stores = two_cores.pods(), ("reg/redis", "co1/mongodb", "co1/influxdb")
    two_cores.annotate("pryv.io/restart", f"{','.join(stores)}@{now()}")
    found: set[str] = set()

    def replaced() -> bool:
        found.update(reached_unpublished(client, two_cores))
        return two_cores.are_replaced(stores, before)

    wait_until(replaced, "the stores to be replaced", seconds=300)
    two_cores.wait_ready()
    assert not found | reached_unpublished(client, two_cores)


def test_labels_of_a_platform_open_nothing_from_another_namespace(
    two_cores: Platform, room: Room
) -> None:
    """A tenant can give its pods any labels, so those of a core, which reaches its stores."""
    room.start_pod("pretender", "sleep")
    core = two_cores.get("pod", "acme-co1-core-0")["metadata"]["labels"]
    for label, value in core.items():
        room.kubectl("label", "--overwrite", "pod", "pretender", f"{label}={value}")
    store = two_cores.get("pod", "acme-co1-mongodb-0")["status"]["podIP"]
    answer = room.client("pretender", "connect", f"{store}:27017", check=False)
    assert answer.returncode != 0


@pytest.mark.long
def test_stores_stay_closed_while_a_platform_goes(client: RunNode, leaving: Platform) -> None:
    """Its stores may serve for as long as they take to stop."""
    assert not reached_unpublished(client, leaving)
    leaving.kubectl("delete", "pryvplatform", leaving.name, "--wait=false")
    found: set[str] = set()

    def gone() -> bool:
        found.update(reached_unpublished(client, leaving))
        return not leaving.pods()

    wait_until(gone, "its pods to be gone", seconds=300)
    assert not found


@pytest.fixture
def leaving(two_cores: Platform, cluster_echo: Callable[[str], None]) -> Iterator[Platform]:
    """Another platform, of a domain alone."""
    platform = Platform(two_cores.cluster, "leaving", "leaving.test")
    cluster_echo("kubectl apply: another platform, which is then deleted")
    platform.create({})
    platform.wait_ready()
    yield platform
    platform.cluster.kubectl("delete", "namespace", platform.namespace, "--wait=false")
