"""Nodes that are drained or lost, while clients ask without pause. `WORKERS=2` and more."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import pytest

from tests.cluster.waiting import wait_until
from tests.e2e.outside import Outside, start_outside
from tests.e2e.person import Person, register
from tests.e2e.platforms import Platform, now
from tests.e2e.watching import STATELESS, Watch, watcher
from tests.unit.pki.chains import Link

pytestmark = pytest.mark.long

#: What `STATELESS` are made of, by role. Each gets a pod on each of two nodes.
_SPREAD: Final[Mapping[str, Sequence[str]]] = {
    "reg-master": ("dns", "register", "reverse-proxy"),
    "core": ("reverse-proxy",),
    "static": ("app-web-auth3", "reverse-proxy"),
    "reg-slave": ("dns",),
}


@pytest.fixture(scope="module")
def spread(two_cores: Platform) -> Iterator[Platform]:
    """The platform with two pods of all that may have two."""
    if not two_cores.cluster.is_of_kind:
        pytest.skip("needs the containers of the nodes")
    if len(two_cores.cluster.nodes) < 3:
        pytest.skip("needs WORKERS=2")
    two_cores.change(roles=_with_replicas(2))
    yield two_cores
    two_cores.change(roles=_with_replicas(None))


def _with_replicas(number: int | None) -> dict[str, Any]:
    replicas = {"replicas": number}
    return {role: {"components": dict.fromkeys(names, replicas)} for role, names in _SPREAD.items()}


@pytest.fixture(scope="module")
def node(spread: Platform) -> str:
    """A worker without the redis of reg-master: without redis, register is not Ready."""
    control_plane, *workers = sorted(spread.cluster.nodes)
    assert control_plane.endswith("control-plane")
    kept = spread.get("pod", "acme-reg-redis-0")["spec"]["nodeName"]
    return next(each for each in workers if each != kept)


@pytest.fixture(scope="module")
def elsewhere(spread: Platform, node: str, outside: Outside, authority: Link) -> Outside:
    """The outside of the platforms, with no pod on that node."""
    kept = next(each for each in spread.cluster.nodes[1:] if each != node)
    start_outside(spread.cluster, kept)
    outside.meet(spread, authority.pem)
    return outside


@pytest.fixture(scope="module")
def person(elsewhere: Outside, spread: Platform) -> Person:
    """Somebody on the first core."""
    return register(elsewhere, spread.domain, "co1")


@pytest.fixture
def watch(
    elsewhere: Outside, spread: Platform, person: Person, cluster_echo: Callable[[str], None]
) -> Watch:
    """Clients of every service while a context is open; tells what they missed."""
    return watcher(elsewhere, spread, person, cluster_echo)


def test_a_node_is_drained(spread: Platform, node: str, person: Person, watch: Watch) -> None:
    """What has another pod serves through it; data are on the disk of the node, and stay there."""
    before = person.read()
    assert _on(spread, node), "no pod to be moved"
    options = ("--ignore-daemonsets", "--delete-emptydir-data", "--timeout=300s")
    try:
        with watch(f"{node} is drained") as seen:
            spread.cluster.kubectl("drain", node, *options, seconds=320)
        assert not _on(spread, node)
    finally:
        spread.cluster.kubectl("uncordon", node)
    spread.wait_ready()
    assert not seen.lost(*STATELESS)
    assert person.read() == before


def test_a_node_is_lost(
    spread: Platform, node: str, person: Person, watch: Watch, elsewhere: Outside
) -> None:
    """Once Kubernetes knows, what has another pod serves; all is there when the node is back."""
    before, cluster = person.read(), spread.cluster
    _spread_again(spread)
    assert any("register" in pod or "dns" in pod for pod in _on(spread, node)), "it serves nobody"
    try:
        with watch(f"{node} is lost"):
            cluster.docker("kill", node)
            wait_until(lambda: not _is_ready(spread, node), "it to be missed", seconds=180)
            wait_until(lambda: _serve(elsewhere, spread), "the others to serve", seconds=180)
    finally:
        cluster.docker("start", node)
    wait_until(lambda: _is_ready(spread, node), "it to be back", seconds=180)
    spread.wait_ready()
    wait_until(lambda: person.find() == before, "the data to come back", seconds=300, every=1)


def _spread_again(platform: Platform) -> None:
    """After a drain, all pods are on the other nodes, and stay there."""
    before = platform.pods()
    restarted = ("reg/register", "reg/dns", "reg/reverse-proxy", "reg-slave/dns")
    platform.annotate("pryv.io/restart", f"{','.join(restarted)}@{now()}")
    platform.wait_changed(restarted, before)


def _on(platform: Platform, node: str) -> list[str]:
    """The pods of a platform on a node."""
    selected = f"--selector=pryv.io/platform={platform.name}"
    listed = platform.get("pods", selected, f"--field-selector=spec.nodeName={node}")["items"]
    return [pod["metadata"]["name"] for pod in listed]


def _is_ready(platform: Platform, node: str) -> bool:
    conditions = platform.get("node", node)["status"]["conditions"]
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _serve(outside: Outside, platform: Platform) -> bool:
    """Whether each stateless service answers, twenty times in a row."""
    domain = platform.domain
    pages = (f"reg.{domain}/service/info", f"sw.{domain}/access/register.html")
    curl = "curl --silent --fail --insecure --max-time 5 --output /dev/null"
    asked = [f"{curl} https://{page}" for page in pages]
    for instance in ("reg", "reg-slave"):
        server = platform.address(instance, udp=True)
        asked.append(f"dig +short +tries=1 +time=2 reg.{domain} @{server} | grep -q .")
    script = f"for i in $(seq 20); do {' && '.join(asked)} || exit 0; done; echo served"
    return "served" in outside.run("sh", "-c", script)
