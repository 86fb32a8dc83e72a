"""Who reaches what, from another namespace and from pods that pretend to belong to a platform."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from tests.cluster.waiting import wait_until
from tests.e2e.outside import Outside
from tests.e2e.platforms import Platform, now
from tests.e2e.pods import Room

#: Ports of stores, which have no password: redis, MongoDB, InfluxDB, NATS. A platform's pods
#: declare the other ones.
_STORES: Final = (6379, 27017, 8086, 4222)
#: What is published.
_PUBLISHED: Final = (53, 80, 443)
_CONNECT: Final = """
const net = require('net');
const asked = JSON.parse(process.argv[2]);
const open = ({ name, address, port }) => new Promise((resolve) => {
  const socket = net.connect({ host: address, port, timeout: 1500 });
  const end = (found) => { socket.destroy(); resolve(found); };
  socket.on('connect', () => end([`${name}:${port}`]));
  socket.on('timeout', () => end([])).on('error', () => end([]));
});
Promise.all(asked.map(open)).then((found) => console.log(JSON.stringify(found.flat())));
"""


def _ports(platform: Platform) -> list[dict[str, Any]]:
    """Each pod with an address, and each port that something may listen on."""
    listed = platform.get("pods", f"--selector=pryv.io/platform={platform.name}")
    return [each for pod in listed["items"] for each in _ports_of(pod)]


def _ports_of(pod: Any) -> Iterator[dict[str, Any]]:
    if not (address := pod["status"].get("podIP")):
        return
    declared = {
        each["containerPort"]
        for container in pod["spec"]["containers"]
        for each in container.get("ports", ())
        if each.get("protocol", "TCP") == "TCP"
    }
    for port in sorted({*declared, *_STORES}):
        yield {"name": pod["metadata"]["name"], "address": address, "port": port}


def _reached(outside: Outside, platform: Platform) -> set[str]:
    """`POD:PORT` of what the client in another namespace reaches and is not published."""
    open_ports = outside.run("node", "-", json.dumps(_ports(platform)), stdin=_CONNECT)
    return {
        each for each in json.loads(open_ports) if int(each.rpartition(":")[2]) not in _PUBLISHED
    }


def test_only_published_ports_are_open(outside: Outside, two_cores: Platform) -> None:
    asked = _ports(two_cores)
    assert {each["port"] for each in asked} > set(_STORES)
    answer = json.loads(outside.run("node", "-", json.dumps(asked), stdin=_CONNECT))
    assert {int(each.rpartition(":")[2]) for each in answer} <= set(_PUBLISHED)
    assert any(each.endswith(":443") for each in answer)


def test_stores_stay_closed_while_they_are_replaced(outside: Outside, two_cores: Platform) -> None:
    """A pod without a policy of its own would be open from its start."""
    before, stores = two_cores.pods(), ("reg/redis", "co1/mongodb", "co1/influxdb")
    two_cores.annotate("pryv.io/restart", f"{','.join(stores)}@{now()}")
    reached: set[str] = set()

    def replaced() -> bool:
        reached.update(_reached(outside, two_cores))
        return two_cores.are_replaced(stores, before)

    wait_until(replaced, "the stores to be replaced", seconds=300)
    two_cores.wait_ready()
    assert not reached | _reached(outside, two_cores)


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
def test_stores_stay_closed_while_a_platform_goes(outside: Outside, leaving: Platform) -> None:
    """Its stores may serve for as long as they take to stop."""
    assert not _reached(outside, leaving)
    leaving.kubectl("delete", "pryvplatform", leaving.name, "--wait=false")
    reached: set[str] = set()

    def gone() -> bool:
        reached.update(_reached(outside, leaving))
        return not leaving.pods()

    wait_until(gone, "its pods to be gone", seconds=300)
    assert not reached


@pytest.fixture
def leaving(two_cores: Platform, cluster_echo: Callable[[str], None]) -> Iterator[Platform]:
    """Another platform, of a domain alone."""
    platform = Platform(two_cores.cluster, "leaving", "leaving.test")
    cluster_echo("kubectl apply: another platform, which is then deleted")
    platform.create({})
    platform.wait_ready()
    yield platform
    platform.cluster.kubectl("delete", "namespace", platform.namespace, "--wait=false")
