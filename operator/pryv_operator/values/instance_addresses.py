"""The address at which clients reach a role instance: configured, or from its Service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pryv_operator.api import names
from pryv_operator.api.findings import Problem, Waiting
from pryv_operator.api.instances import Instance
from pryv_operator.api.reasons import Reason
from pryv_operator.values.addresses import UNKNOWN_ADDRESS, Address, is_ipv4


@dataclass(frozen=True)
class InstanceAddress:
    """The address of an instance, or what is missing for it.

    ``ip`` is a placeholder while the address is not known. ``finding`` says what to do or to wait
    for; a Service without a cluster IP has none here, since every such Service is waited for.
    """

    instance: str
    ip: str = UNKNOWN_ADDRESS
    #: The address is one that the status reports for the instance.
    reported: bool = False
    finding: Problem | Waiting | None = None
    #: Only clients inside the cluster reach it.
    cluster_internal: bool = False


class AddressBook:
    """Looks up addresses of a platform's instances."""

    def __init__(self, platform: str, addresses: Mapping[str, Address]) -> None:
        """``platform`` is its name; ``addresses`` are those of its Services, by name."""
        self._platform = platform
        self._addresses = addresses

    def instance(self, instance: Instance, *, udp: bool = False) -> InstanceAddress:
        """The address of an instance: its field, an external IP, or its Service's address."""
        configured = instance.address or next(iter(instance.service.external_ips or ()), None)
        if configured:
            return InstanceAddress(instance.name, configured, reported=True)
        service = names.external_service(
            self._platform, instance.name, udp=udp and not instance.service.mixed_protocols
        )
        known = self._addresses.get(service, Address())
        internal = (instance.service.type or "ClusterIP") == "ClusterIP"
        ip = known.cluster_ip if internal else None
        if instance.service.type == "LoadBalancer":
            ip = known.load_balancer_ip
        if ip and not is_ipv4(ip):
            ip, known = None, replace(known, load_balancer_ipv6=ip)
        waits = internal and not known.load_balancer_ipv6
        return InstanceAddress(
            instance.name,
            ip or UNKNOWN_ADDRESS,
            reported=bool(ip) and not udp,
            finding=None if ip or waits else _missing_address(instance, service, known),
            cluster_internal=internal,
        )

    def redis(self, register: Instance) -> str | None:
        """The address at which a reg-slave reaches the register's redis.

        For a reg-slave outside the cluster it is the load balancer's, once that has one.
        """
        published = self._service(names.external_slave_service(self._platform, register.name))
        if register.external_slave and published.load_balancer_ip:
            return published.load_balancer_ip
        return self._service(names.workload(self._platform, register.name, "redis")).cluster_ip

    def _service(self, name: str) -> Address:
        return self._addresses.get(name, Address())


def _missing_address(instance: Instance, service: str, known: Address) -> Problem | Waiting:
    field = address_field(instance)
    if instance.service.type == "NodePort":
        return Problem(
            Reason.ADDRESS_REQUIRED,
            f"{field}: required with Service type NodePort, because the platform's DNS needs an "
            "IP address; set the address that clients use",
        )
    if known.load_balancer_ipv6:
        return Problem(
            Reason.ADDRESS_REQUIRED,
            f'{field}: required, because Service "{service}" has only IPv6 addresses '
            f"({known.load_balancer_ipv6}), and the platform's DNS needs an IPv4 address; set the "
            "one that clients use",
        )
    if known.load_balancer_host:
        return Problem(
            Reason.ADDRESS_REQUIRED,
            f'{field}: required, because the load balancer of Service "{service}" has a host name '
            f"({known.load_balancer_host}) and no IP address, which the platform's DNS needs; "
            "set the address that clients use",
        )
    return Waiting(
        Reason.WAITING_FOR_LOAD_BALANCER,
        f'Service "{service}": no load-balancer address yet; wait for it, or set {field}',
    )


def address_field(instance: Instance) -> str:
    """The field of the spec that sets an instance's address."""
    if instance.role == names.CORE:
        return f"spec.roles.core.instances[{instance.name}].address"
    return f"spec.roles.{instance.role}.address"
