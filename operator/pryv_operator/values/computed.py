"""Variables that the operator computes from the cluster: addresses, hostings, name servers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from pryv_operator.api import names
from pryv_operator.api.findings import Advisory, Problem, Waiting
from pryv_operator.api.instances import Instance
from pryv_operator.api.platform import Platform
from pryv_operator.api.reasons import Reason
from pryv_operator.values.addresses import UNKNOWN_ADDRESS, Address
from pryv_operator.values.instance_addresses import AddressBook, InstanceAddress

#: Defined, but empty, on a platform of the other kind.
_SINGLE_NODE_ONLY: Final = ("SINGLE_MACHINE_IP_ADDRESS", "SINGLE_MACHINE_DNS_IP_ADDRESS")
_CLUSTER_ONLY: Final = (
    "REG_MASTER_IP_ADDRESS", "REG_MASTER_DNS_IP_ADDRESS", "REG_MASTER_VPN_IP_ADDRESS",
    "REG_SLAVE_IP_ADDRESS", "REG_SLAVE_DNS_IP_ADDRESS", "STATIC_WEB_IP_ADDRESS",
)  # fmt: skip


@dataclass(frozen=True)
class ComputedVariables:
    """Computed variables. Where an address is not known yet, they hold a placeholder."""

    variables: Mapping[str, Any]
    #: Instance → the address that clients reach it at.
    addresses: Mapping[str, str]
    problems: tuple[Problem, ...]
    waiting: tuple[Waiting, ...]
    #: Instances that only clients inside the cluster reach.
    warnings: tuple[Advisory, ...]


def compute_variables(
    platform: Platform,
    instances: tuple[Instance, ...],
    addresses: Mapping[str, Address],
    *,
    cluster_dns: str,
    configured: Mapping[str, Any],
) -> ComputedVariables:
    """The computed variables of a platform.

    Args:
        platform: the platform.
        instances: its role instances.
        addresses: Service → its addresses, as far as they are known.
        cluster_dns: IP address of the cluster's DNS server.
        configured: the user's variables; an address that one of them sets is not waited for.
    """
    lookup = _Lookup(AddressBook(platform.name, addresses), configured)
    single = next((each for each in instances if each.role == names.SINGLE_NODE), None)
    variables, used = _single_node(single, lookup) if single else _cluster(instances, lookup)
    variables |= {"DOMAIN": platform.spec.domain, "CLUSTER_DNS_IP_ADDRESS": cluster_dns}
    findings = [each.finding for each in used if each.finding]
    return ComputedVariables(
        variables,
        {each.instance: each.ip for each in used if each.reported},
        tuple(each for each in findings if isinstance(each, Problem)),
        tuple(each for each in findings if isinstance(each, Waiting)),
        _cluster_internal({each.instance for each in used if each.cluster_internal}),
    )


@dataclass(frozen=True)
class _Lookup:
    """Finds the address that a variable holds: the user's own value, else the instance's."""

    book: AddressBook
    configured: Mapping[str, Any]

    def address(self, instance: Instance, *variables: str, udp: bool = False) -> InstanceAddress:
        """The address for ``variables``: the first of them that the user configures wins."""
        values = [self.configured[name] for name in variables if name in self.configured]
        text = next((value for value in values if isinstance(value, str)), None)
        if text is not None:
            return InstanceAddress(instance.name, text)
        found = self.book.instance(instance, udp=udp)
        return replace(found, finding=None) if values else found


def _cluster(
    instances: tuple[Instance, ...], lookup: _Lookup
) -> tuple[dict[str, Any], list[InstanceAddress]]:
    """Variables of a platform on several machines, and the addresses that are in them."""
    by_role: dict[str, list[Instance]] = {
        role: [each for each in instances if each.role == role] for role in names.ROLES
    }
    register, static = by_role[names.REG_MASTER][0], by_role[names.STATIC][0]
    web = lookup.address(static, "STATIC_WEB_IP_ADDRESS")
    dns1 = lookup.address(register, "REG_MASTER_DNS_IP_ADDRESS", "REG_MASTER_IP_ADDRESS", udp=True)
    slaves = _slaves(by_role[names.REG_SLAVE], lookup)
    slave_dns, slave_ip = _external_slave(register, lookup)
    if slaves and not register.external_slave:
        slave_dns, slave_ip = (each.ip for each in slaves)
    register_ip = lookup.address(register, "REG_MASTER_IP_ADDRESS")
    cores = [(each, lookup.address(each, "HOSTINGS_AND_CORES")) for each in by_role[names.CORE]]
    variables: dict[str, Any] = dict.fromkeys(_SINGLE_NODE_ONLY, "") | {
        "REG_MASTER_IP_ADDRESS": register_ip.ip,
        "REG_MASTER_DNS_IP_ADDRESS": dns1.ip,
        "REG_MASTER_VPN_IP_ADDRESS": lookup.book.redis(register) or UNKNOWN_ADDRESS,
        "REG_SLAVE_ENABLED": bool(slaves) or bool(slave_ip),
        "REG_SLAVE_IP_ADDRESS": slave_ip,
        "REG_SLAVE_DNS_IP_ADDRESS": slave_dns,
        "STATIC_WEB_IP_ADDRESS": web.ip,
        "DNS_ROOT_DOMAIN_A_RECORD": web.ip,
        "SERVICE_WEBSITE_IP_ADDRESS": web.ip,
        "NAME_SERVER_ENTRIES": _name_servers(dns1.ip, slave_dns),
    }
    core_addresses = [address for _, address in cores]
    return variables | _cores(cores), [web, dns1, *slaves, register_ip, *core_addresses]


def _slaves(slaves: list[Instance], lookup: _Lookup) -> list[InstanceAddress]:
    """Addresses of the reg-slave's name server and of the reg-slave, if the platform has one."""
    for slave in slaves:
        dns = lookup.address(slave, "REG_SLAVE_DNS_IP_ADDRESS", "REG_SLAVE_IP_ADDRESS", udp=True)
        return [dns, lookup.address(slave, "REG_SLAVE_IP_ADDRESS")]
    return []


def _external_slave(register: Instance, lookup: _Lookup) -> tuple[str, str]:
    """The same two addresses of a reg-slave outside the cluster; empty when there is none."""
    if not register.external_slave:
        return "", ""
    configured = lookup.configured
    ip = str(configured.get("REG_SLAVE_IP_ADDRESS") or register.external_slave.address or "")
    return str(configured.get("REG_SLAVE_DNS_IP_ADDRESS") or ip), ip


def _cores(cores: list[tuple[Instance, InstanceAddress]]) -> dict[str, Any]:
    """Variables about the cores: by hosting since 1.6, by number in 2019."""
    variables: dict[str, Any] = {}
    hostings: dict[str, dict[str, Any]] = {}
    for core, address in cores:
        hostings.setdefault(core.hosting or "", {})[core.name] = {"ip": address.ip}
        number = re.search(r"[0-9]+$", core.name)
        if number:
            variables[f"CORE_{int(number[0])}_IP_ADDRESS"] = address.ip
            variables[f"CORE_HOSTING_{int(number[0])}"] = core.hosting
    return variables | {
        "HOSTINGS_AND_CORES": {hosting: hostings[hosting] for hosting in sorted(hostings)},
        "HOSTINGS_PROVIDERS": {hosting: _provider(hosting) for hosting in sorted(hostings)},
    }


def _single_node(single: Instance, lookup: _Lookup) -> tuple[dict[str, Any], list[InstanceAddress]]:
    """Variables of a platform on one machine, and the addresses that are in them."""
    web = lookup.address(single, "SINGLE_MACHINE_IP_ADDRESS")
    dns = lookup.address(
        single, "SINGLE_MACHINE_DNS_IP_ADDRESS", "SINGLE_MACHINE_IP_ADDRESS", udp=True
    )
    variables = dict.fromkeys(_CLUSTER_ONLY, "") | {
        "SINGLE_MACHINE_IP_ADDRESS": web.ip,
        "SINGLE_MACHINE_DNS_IP_ADDRESS": dns.ip,
        "DNS_ROOT_DOMAIN_A_RECORD": web.ip,
        "SERVICE_WEBSITE_IP_ADDRESS": web.ip,
        "NAME_SERVER_ENTRIES": _name_servers(dns.ip, ""),
        "REG_SLAVE_ENABLED": False,
        "HOSTINGS_AND_CORES": {},
        "HOSTINGS_PROVIDERS": {},
    }
    return variables, [web, dns]


def _name_servers(dns1: str, dns2: str) -> list[dict[str, str]]:
    entries = [("dns1", dns1), ("dns2", dns2)]
    return [{"name": f"{name}.DOMAIN", "ip": ip} for name, ip in entries if ip]


def _provider(hosting: str) -> dict[str, str]:
    return {"url": "https://sw.DOMAIN", "name": hosting, "description": ""}


def _cluster_internal(instances: set[str]) -> tuple[Advisory, ...]:
    if not instances:
        return ()
    return (
        Advisory(
            Reason.NOT_REACHABLE_FROM_OUTSIDE,
            f"spec.roles: {', '.join(sorted(instances))} can be reached only from inside the "
            "cluster (Service type ClusterIP); set service.type: LoadBalancer to publish them",
        ),
    )
