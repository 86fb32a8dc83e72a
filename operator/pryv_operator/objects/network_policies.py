"""NetworkPolicies from compose networks.

Stores and NATS have no password: only these policies keep other pods away from health data.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names
from pryv_operator.api.kubernetes import Object
from pryv_operator.objects.model import Component
from pryv_operator.objects.services import REDIS, REDIS_PORT

#: Connections between roles: (role, component) that listens → its port, (role, component) that
#: connects.
_CONNECTIONS: Final[Mapping[tuple[str, str], tuple[int, tuple[str, str]]]] = {
    (names.REG_MASTER, REDIS): (REDIS_PORT, (names.REG_SLAVE, REDIS)),
}


def network_policy(component: Component, components: Iterable[Component]) -> Object:
    """The policy that admits a component's peers, and anyone to its published ports.

    Peers are the components of its instance on a common compose network. Redis of reg-master also
    admits the redis of the platform's reg-slave, or the networks of one outside of the cluster.
    """
    rules = [
        *_from_peers(component),
        *_to_published_ports(component),
        *_from_other_roles(component, components),
        *_from_external_slave(component),
    ]
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


def _from_peers(component: Component) -> Iterable[Object]:
    peers = sorted(names.slug(peer.name) for peer in component.compose.peers(component.service))
    if peers:
        selector = {
            "matchLabels": {
                keys.PLATFORM: component.platform.name,
                keys.INSTANCE: component.instance.name,
            },
            "matchExpressions": [{"key": keys.COMPONENT, "operator": "In", "values": peers}],
        }
        yield {"from": [{"podSelector": selector}]}


def _to_published_ports(component: Component) -> Iterable[Object]:
    ports = sorted(set(component.service.ports), key=lambda port: (port.protocol, port.container))
    if ports:
        yield {
            "ports": [{"protocol": port.protocol.upper(), "port": port.container} for port in ports]
        }


def _from_other_roles(component: Component, components: Iterable[Component]) -> Iterable[Object]:
    connection = _CONNECTIONS.get((component.instance.role, component.service.name))
    if connection is None:
        return
    port, client = connection
    for other in components:
        if (other.instance.role, other.service.name) == client:
            yield {
                "from": [{"podSelector": {"matchLabels": other.selector}}],
                "ports": [{"protocol": "TCP", "port": port}],
            }


def _from_external_slave(component: Component) -> Iterable[Object]:
    slave = component.instance.external_slave
    if slave and component.service.name == REDIS:
        yield {
            "from": [
                {"ipBlock": {"cidr": cidr}} for cidr in sorted(slave.load_balancer_source_ranges)
            ],
            "ports": [{"protocol": "TCP", "port": REDIS_PORT}],
        }
