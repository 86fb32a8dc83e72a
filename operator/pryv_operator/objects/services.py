"""Services: cluster-internal ones per component, and one per role instance for the ports that compose published."""

from __future__ import annotations

from collections.abc import Iterable

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names
from pryv_operator.api.instances import Instance
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.platform import Platform
from pryv_operator.compose.model import Port
from pryv_operator.objects.model import Component

#: On pods behind an outside Service, so that its endpoints are these and no others.
PUBLISHED = "pryv.io/published"
#: The store that a reg-slave copies.
REDIS = "redis"
REDIS_PORT = 6379


def port_name(port: Port) -> str:
    """Name of a published port in the container: numbers alone would match other pods of the instance too."""
    return f"out-{port.host}-{port.protocol}"


def internal_service(component: Component) -> Object | None:
    """The component's cluster-internal Service, with every port that others name; a component nobody calls has none."""
    if not component.reached_ports:
        return None
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": component.platform.metadata(component.name, component.labels),
        "spec": {
            "type": "ClusterIP",
            "ipFamilyPolicy": "SingleStack",
            "selector": component.selector,
            "ports": [
                {"name": f"tcp-{port}", "port": port, "targetPort": port, "protocol": "TCP"}
                for port in component.reached_ports
            ],
        },
    }


def external_slave_service(component: Component) -> Object | None:
    """The Service that publishes redis to a reg-slave outside of the cluster, and to nobody else."""
    slave = component.instance.external_slave
    if slave is None or component.service.name != REDIS:
        return None
    metadata = component.platform.metadata(
        names.external_slave_service(component.platform.name, component.instance.name),
        {keys.ROLE: component.instance.role, keys.INSTANCE: component.instance.name},
    )
    if slave.annotations:
        metadata["annotations"] = dict(slave.annotations)
    spec: Object = {
        "type": "LoadBalancer",
        "ipFamilyPolicy": "SingleStack",
        # The other policy hides the slave's address from the network policy.
        "externalTrafficPolicy": "Local",
        "loadBalancerSourceRanges": sorted(slave.load_balancer_source_ranges),
        "selector": component.selector,
        "ports": [
            {"name": "redis", "port": REDIS_PORT, "targetPort": REDIS_PORT, "protocol": "TCP"}
        ],
    }
    if slave.load_balancer_class:
        spec["loadBalancerClass"] = slave.load_balancer_class
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def external_services(
    platform: Platform, instance: Instance, components: Iterable[Component]
) -> tuple[Object, ...]:
    """The Services that publish a role instance: UDP has one of its own unless the load balancer takes both."""
    ports = sorted(
        {port for component in components for port in component.service.ports},
        key=lambda port: (port.protocol, port.host),
    )
    groups: list[tuple[bool, list[Port]]]
    if instance.service.mixed_protocols:
        groups = [(False, ports)]
    else:
        groups = [
            (udp, [port for port in ports if (port.protocol == "udp") is udp])
            for udp in (False, True)
        ]
    return tuple(_outside(platform, instance, group, udp=udp) for udp, group in groups if group)


def _outside(platform: Platform, instance: Instance, ports: list[Port], *, udp: bool) -> Object:
    wanted = instance.service
    selector = {keys.PLATFORM: platform.name, keys.INSTANCE: instance.name}
    metadata = platform.metadata(
        names.external_service(platform.name, instance.name, udp=udp),
        {keys.ROLE: instance.role, keys.INSTANCE: instance.name},
    )
    if wanted.annotations:
        metadata["annotations"] = dict(wanted.annotations)
    spec: Object = {
        "type": wanted.type or "ClusterIP",
        "ipFamilyPolicy": "SingleStack",
        "selector": selector | {PUBLISHED: "true"},
        "ports": [
            {
                "name": f"{port.protocol}-{port.host}",
                "port": port.host,
                "targetPort": port_name(port),
                "protocol": port.protocol.upper(),
            }
            for port in ports
        ],
    }
    if wanted.load_balancer_class:
        spec["loadBalancerClass"] = wanted.load_balancer_class
    if wanted.load_balancer_source_ranges:
        spec["loadBalancerSourceRanges"] = list(wanted.load_balancer_source_ranges)
    if wanted.external_ips:
        spec["externalIPs"] = sorted(wanted.external_ips)
    if wanted.external_traffic_policy:
        spec["externalTrafficPolicy"] = wanted.external_traffic_policy
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}
