"""Services: internal ones of components, and external ones that publish role instances."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names
from pryv_operator.api.findings import Advisory
from pryv_operator.api.instances import Instance
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.platform import Platform
from pryv_operator.api.reasons import Reason
from pryv_operator.compose.model import Port
from pryv_operator.objects.model import Component

#: The store that a reg-slave replicates.
REDIS: Final = "redis"
REDIS_PORT: Final = 6379


@dataclass(frozen=True)
class LiveLoadBalancer:
    """What matters of a Service of type LoadBalancer in the cluster."""

    load_balancer_class: str | None
    #: Whether the operator has applied the class: omitting it would remove the field, which the
    #: API server refuses.
    owns_class: bool = False


def preserve_class(
    service: Object, live: LiveLoadBalancer | None
) -> tuple[Object, tuple[Advisory, ...]]:
    """The desired Service with the class that it has, which is immutable, and a warning about that.

    ``live`` None: there is no such Service, or it has another type, so that it can get any class.
    """
    desired = service["spec"].get("loadBalancerClass")
    if live is None or service["spec"]["type"] != "LoadBalancer":
        return service, ()
    if desired == live.load_balancer_class or (desired is None and not live.owns_class):
        return service, ()
    spec = {key: value for key, value in service["spec"].items() if key != "loadBalancerClass"}
    if live.load_balancer_class:
        spec["loadBalancerClass"] = live.load_balancer_class
    return {**service, "spec": spec}, (_class_unchanged(service, live),)


def _class_unchanged(service: Object, live: LiveLoadBalancer) -> Advisory:
    name, labels = service["metadata"]["name"], service["metadata"]["labels"]
    slave = names.external_slave_service(labels[keys.PLATFORM], labels[keys.INSTANCE])
    field = "externalSlave" if name == slave else "service"
    kept = f'"{live.load_balancer_class}"' if live.load_balancer_class else "none"
    return Advisory(
        Reason.LOAD_BALANCER_CLASS_UNCHANGED,
        f'spec.roles.{labels[keys.ROLE]}.{field}.loadBalancerClass: Service "{name}" keeps its '
        f"load balancer class ({kept}), which is immutable; restore the former value, or delete "
        "the Service: it is recreated with the new class, and its address may change",
    )


def internal_service(component: Component) -> Object | None:
    """The Service by which other components reach this one; None if it listens to nothing."""
    ports = [("TCP", port) for port in component.reached_ports]
    ports += [("UDP", port) for port in component.reached_udp_ports]
    if not ports:
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
                {
                    "name": f"{protocol.lower()}-{port}",
                    "port": port,
                    "targetPort": port,
                    "protocol": protocol,
                }
                for protocol, port in ports
            ],
        },
    }


def external_slave_service(component: Component) -> Object | None:
    """The Service that publishes redis to a reg-slave outside of the cluster.

    None unless the component is redis of an instance with ``externalSlave``.
    """
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
        # With "Cluster" the network policy would not see the slave's address.
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
    """The Services that publish the compose ports of a role instance.

    Not every load balancer serves TCP and UDP with one Service: there is one for each, unless
    ``service.mixedProtocols`` is set.
    """
    targets = {
        port: component.port_name(port)
        for component in components
        for port in component.service.ports
    }
    ports = sorted(targets, key=lambda port: (port.protocol, port.host))
    if instance.service.mixed_protocols:
        groups = [(False, ports)]
    else:
        groups = [
            (udp, [port for port in ports if (port.protocol == "udp") is udp])
            for udp in (False, True)
        ]
    return tuple(
        _external_service(platform, instance, {port: targets[port] for port in group}, udp=udp)
        for udp, group in groups
        if group
    )


def _external_service(
    platform: Platform, instance: Instance, targets: Mapping[Port, str], *, udp: bool
) -> Object:
    """The Service of these ports; ``targets`` are their names in the containers."""
    overrides = instance.service
    metadata = platform.metadata(
        names.external_service(platform.name, instance.name, udp=udp),
        {keys.ROLE: instance.role, keys.INSTANCE: instance.name},
    )
    if overrides.annotations:
        metadata["annotations"] = dict(overrides.annotations)
    spec: Object = {
        "type": overrides.type or "ClusterIP",
        "ipFamilyPolicy": "SingleStack",
        "selector": {
            keys.PLATFORM: platform.name,
            keys.INSTANCE: instance.name,
            keys.PUBLISHED: "true",
        },
        "ports": [
            {
                "name": f"{port.protocol}-{port.host}",
                "port": port.host,
                "targetPort": target,
                "protocol": port.protocol.upper(),
            }
            for port, target in targets.items()
        ],
    }
    if overrides.load_balancer_class:
        spec["loadBalancerClass"] = overrides.load_balancer_class
    if overrides.load_balancer_source_ranges:
        spec["loadBalancerSourceRanges"] = list(overrides.load_balancer_source_ranges)
    if overrides.external_ips:
        spec["externalIPs"] = sorted(overrides.external_ips)
    if overrides.external_traffic_policy:
        spec["externalTrafficPolicy"] = overrides.external_traffic_policy
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}
