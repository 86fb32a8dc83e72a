"""What a pod reaches of a platform's pods."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

from tests.e2e.platforms import Platform

#: Ports of stores, which have no password: redis, MongoDB, InfluxDB, NATS. A platform's pods
#: declare the other ones.
STORES: Final = (6379, 27017, 8086, 4222)
#: What is published.
PUBLISHED: Final = (53, 80, 443)
#: Runs `node - ARGUMENT` in a pod, with a script as its input; returns what that prints.
RunNode = Callable[[str, str], str]
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


def ports_of(platform: Platform) -> list[dict[str, Any]]:
    """Each pod with an address, and each port that something may listen on."""
    listed = platform.get("pods", f"--selector=pryv.io/platform={platform.name}")
    return [each for pod in listed["items"] for each in _ports(pod)]


def _ports(pod: Any) -> Iterator[dict[str, Any]]:
    if not (address := pod["status"].get("podIP")):
        return
    declared = {
        each["containerPort"]
        for container in pod["spec"]["containers"]
        for each in container.get("ports", ())
        if each.get("protocol", "TCP") == "TCP"
    }
    for port in sorted({*declared, *STORES}):
        yield {"name": pod["metadata"]["name"], "address": address, "port": port}


def reached(node: RunNode, platform: Platform) -> set[str]:
    """`POD:PORT` of what accepts connections."""
    found: list[str] = json.loads(node(json.dumps(ports_of(platform)), _CONNECT))
    return set(found)


def reached_unpublished(node: RunNode, platform: Platform) -> set[str]:
    """`POD:PORT` of what accepts connections and is not published."""
    return {
        each for each in reached(node, platform) if int(each.rpartition(":")[2]) not in PUBLISHED
    }
