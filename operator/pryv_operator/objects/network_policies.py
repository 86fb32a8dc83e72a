"""Isolation: compose networks become NetworkPolicies. Stores and NATS have no password, so this is what keeps health data apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names
from pryv_operator.api.kubernetes import Object
from pryv_operator.objects.model import Component
from pryv_operator.objects.services import REDIS, REDIS_PORT

#: Flows between roles: (role, component) that listens, its port, and (role, component) that calls.
_FLOWS: Final[Mapping[tuple[str, str], tuple[int, tuple[str, str]]]] = {
    (names.REG_MASTER, REDIS): (REDIS_PORT, (names.REG_SLAVE, REDIS)),
}


def network_policy(component: Component, components: Iterable[Component]) -> Object:
    """Who may reach a component: those of its instance on a common compose network, and anyone on published ports.

    Redis also admits the reg-slave: that of the platform, or the networks of one outside of the cluster.
    """
    rules: list[Object] = []
    peers = sorted(names.slug(peer.name) for peer in component.compose.peers(component.service))
    if peers:
        rules.append({"from": [{"podSelector": _peers(component, peers)}]})
    if component.service.ports:
        rules.append({
            "ports": [
                {"protocol": port.protocol.upper(), "port": port.container}
                for port in sorted(set(component.service.ports), key=lambda port: (port.protocol, port.container))
            ]
        })  # fmt: skip
    flow = _FLOWS.get((component.instance.role, component.service.name))
    if flow:
        port, caller = flow
        callers = [
            other for other in components if (other.instance.role, other.service.name) == caller
        ]
        rules += [
            {
                "from": [{"podSelector": {"matchLabels": other.selector}}],
                "ports": [{"protocol": "TCP", "port": port}],
            }
            for other in callers
        ]
    slave = component.instance.external_slave
    if slave and component.service.name == REDIS:
        networks = [
            {"ipBlock": {"cidr": cidr}} for cidr in sorted(slave.load_balancer_source_ranges)
        ]
        rules.append({"from": networks, "ports": [{"protocol": "TCP", "port": REDIS_PORT}]})
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": component.platform.metadata(component.name, component.labels),
        "spec": {
            "podSelector": {"matchLabels": component.selector},
            "policyTypes": ["Ingress"],
            "ingress": rules,
        },
    }


def _peers(component: Component, peers: list[str]) -> Object:
    return {
        "matchLabels": {
            keys.PLATFORM: component.platform.name,
            keys.INSTANCE: component.instance.name,
        },
        "matchExpressions": [{"key": keys.COMPONENT, "operator": "In", "values": peers}],
    }
