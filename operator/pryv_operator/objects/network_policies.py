"""Isolation: compose networks become NetworkPolicies. Stores and NATS have no password, so this is what keeps health data apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names
from pryv_operator.api.kubernetes import Object
from pryv_operator.objects.model import Part
from pryv_operator.objects.services import REDIS, REDIS_PORT

#: Flows between roles: (role, component) that listens, its port, and (role, component) that calls.
_FLOWS: Final[Mapping[tuple[str, str], tuple[int, tuple[str, str]]]] = {
    (names.REG_MASTER, REDIS): (REDIS_PORT, (names.REG_SLAVE, REDIS)),
}


def network_policy(part: Part, parts: Iterable[Part]) -> Object:
    """Who may reach a component: those of its instance on a common compose network, and anyone on published ports.

    Redis also admits the reg-slave: that of the platform, or the networks of one outside of the cluster.
    """
    rules: list[Object] = []
    peers = sorted(names.slug(peer.name) for peer in part.compose.peers(part.service))
    if peers:
        rules.append({"from": [{"podSelector": _peers(part, peers)}]})
    if part.service.ports:
        rules.append({
            "ports": [
                {"protocol": port.protocol.upper(), "port": port.container}
                for port in sorted(set(part.service.ports), key=lambda port: (port.protocol, port.container))
            ]
        })  # fmt: skip
    flow = _FLOWS.get((part.instance.role, part.service.name))
    if flow:
        port, caller = flow
        callers = [other for other in parts if (other.instance.role, other.service.name) == caller]
        rules += [
            {
                "from": [{"podSelector": {"matchLabels": other.selector}}],
                "ports": [{"protocol": "TCP", "port": port}],
            }
            for other in callers
        ]
    slave = part.instance.external_slave
    if slave and part.service.name == REDIS:
        networks = [
            {"ipBlock": {"cidr": cidr}} for cidr in sorted(slave.load_balancer_source_ranges)
        ]
        rules.append({"from": networks, "ports": [{"protocol": "TCP", "port": REDIS_PORT}]})
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": part.platform.metadata(part.name, part.labels),
        "spec": {
            "podSelector": {"matchLabels": part.selector},
            "policyTypes": ["Ingress"],
            "ingress": rules,
        },
    }


def _peers(part: Part, peers: list[str]) -> Object:
    return {
        "matchLabels": {keys.PLATFORM: part.platform.name, keys.INSTANCE: part.instance.name},
        "matchExpressions": [{"key": keys.COMPONENT, "operator": "In", "values": peers}],
    }
