"""The cluster is one: its nodes, DNS, claims and NetworkPolicies do what users' clusters do."""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.cluster.kind.cluster import KindCluster
from tests.cluster.waiting import wait_until
from tests.e2e.pods import Room

_PORTS = (8081, 8082)


def test_nodes_are_ready(cluster: KindCluster) -> None:
    """Kubelet says so."""
    nodes = json.loads(cluster.kubectl("get", "nodes", "--output=json").stdout)["items"]
    ready = [
        condition["status"]
        for node in nodes
        for condition in node["status"]["conditions"]
        if condition["type"] == "Ready"
    ]
    assert ready == ["True"] * len(nodes) != []


def test_service_is_found_by_name_and_answers(room: Room) -> None:
    """Through CoreDNS, kube-proxy and the pods' network."""
    room.start_pod("server", "serve", ":8081")
    room.kubectl("expose", "pod", "server", "--port=80", "--target-port=8081")
    room.start_pod("client", "sleep")
    found = room.client("client", "lookup", f"server.{room.namespace}.svc.cluster.local")
    service = room.kubectl("get", "service", "server", "--output=jsonpath={.spec.clusterIP}")
    assert found.stdout.split() == [service.stdout]
    # kube-proxy may learn of the Service later than DNS.
    answer = wait_until(
        lambda: room.client("client", "get", "http://server/hello", check=False).stdout,
        "the Service to answer",
        seconds=30,
    )
    assert answer == "server answers /hello\n"
    unknown = room.client("client", "lookup", "unknown.invalid", check=False)
    assert "no such host" in unknown.stderr


def test_claim_keeps_what_a_pod_wrote(room: Room) -> None:
    """The pod's user may write because kubelet gives the volume to fsGroup."""
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "10Mi"}},
        },
    }
    room.apply(claim)
    room.start_pod("writer", "sleep", claim="data")
    room.client("writer", "write", "/data/file", "kept")
    room.kubectl("delete", "pod", "writer")
    room.start_pod("reader", "sleep", claim="data")
    assert room.client("reader", "read", "/data/file").stdout == "kept"


def test_policy_closes_ports_and_another_opens_one(
    room: Room, new_room: Callable[[], Room]
) -> None:
    """From another namespace."""
    room.start_pod("server", "serve", *(f":{port}" for port in _PORTS))
    address = room.address("server")
    other = new_room()
    other.start_pod("client", "sleep")

    def open_ports() -> list[int]:
        return [
            port
            for port in _PORTS
            if other.client(
                "client", "-timeout=2s", "connect", f"{address}:{port}", check=False
            ).returncode
            == 0
        ]

    wait_until(lambda: open_ports() == list(_PORTS), "both ports to be open", seconds=30)
    room.apply(_policy("closed", []))
    wait_until(lambda: open_ports() == [], "both ports to be closed", seconds=30)
    rule = {"from": [{"namespaceSelector": {}}], "ports": [{"port": _PORTS[0]}]}
    room.apply(_policy("one-open", [rule]))
    wait_until(lambda: open_ports() == [_PORTS[0]], "one port to be open", seconds=30)


def _policy(name: str, ingress: list[dict[str, object]]) -> dict[str, object]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name},
        "spec": {
            "podSelector": {"matchLabels": {"app": "server"}},
            "policyTypes": ["Ingress"],
            "ingress": ingress,
        },
    }
