"""Variables that nobody has to write: addresses, hostings, the name servers."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pryv_operator.api import names, secret_variables
from pryv_operator.api.findings import Advisory, Problem, Waiting
from pryv_operator.api.instances import DEFAULT_HOSTING, Instance
from pryv_operator.api.reasons import Reason
from pryv_operator.api.spec import CoreInstance
from pryv_operator.values.addresses import PLACEHOLDER_NETWORK, Address

_UNKNOWN = f"{PLACEHOLDER_NETWORK}254"


_SINGLE_NODE_ONLY = ("SINGLE_MACHINE_IP_ADDRESS", "SINGLE_MACHINE_DNS_IP_ADDRESS")
_CLUSTER_ONLY = (
    "REG_MASTER_IP_ADDRESS", "REG_MASTER_DNS_IP_ADDRESS", "REG_MASTER_VPN_IP_ADDRESS",
    "REG_SLAVE_IP_ADDRESS", "REG_SLAVE_DNS_IP_ADDRESS", "STATIC_WEB_IP_ADDRESS",
)  # fmt: skip
_HOSTINGS = "HOSTINGS_AND_CORES"
_PROVIDERS = "HOSTINGS_PROVIDERS"
#: Field of a core instance, the variable that 2019 had for it, and what the field is when nobody has said it.
_FIELDS_OF_2019 = (
    ("address", "CORE_{}_IP_ADDRESS", None),
    ("hosting", "CORE_HOSTING_{}", DEFAULT_HOSTING),
)


@dataclass(frozen=True)
class Computed:
    """``variables`` hold placeholders where an address is awaited; ``waiting`` says which, ``addresses`` is by instance."""

    variables: Mapping[str, Any]
    addresses: Mapping[str, str]
    problems: tuple[Problem, ...]
    waiting: tuple[Waiting, ...]
    warnings: tuple[Advisory, ...]


def compute(
    platform: str,
    domain: str,
    instances: tuple[Instance, ...],
    known: Mapping[str, Address],
    *,
    cluster_dns: str,
    given: Mapping[str, Any],
) -> Computed:
    """The computed variables. One that the user gives is not waited for."""
    finder = _Finder(platform, known)
    single = next((each for each in instances if each.role == names.SINGLE_NODE), None)
    variables = (
        _single_node(single, finder, given) if single else _cluster(instances, finder, given)
    )
    variables |= {"DOMAIN": domain, "CLUSTER_DNS_IP_ADDRESS": cluster_dns}
    return Computed(
        variables, finder.found, tuple(finder.problems), tuple(finder.waiting), finder.warnings()
    )


@dataclass(frozen=True)
class Placed:
    """The instances with what the variables say of them, and the variables that are left."""

    instances: tuple[Instance, ...]
    given: Mapping[str, Any]
    problems: tuple[Problem, ...] = ()


def placed(
    instances: tuple[Instance, ...], given: Mapping[str, Any], declared: Collection[str]
) -> Placed:
    """CORE_n_IP_ADDRESS and CORE_HOSTING_n, which 2019 had a variable each for, are fields of the instances today.

    ``declared`` are the templates' own variables: those of 2019 know these names, and get them as they are.
    """
    left, problems, unfilled, found = dict(given), list[Problem](), list[str](), list[Instance]()
    for instance in instances:
        number = re.search(r"[0-9]+$", instance.name) if instance.role == names.CORE else None
        fields: dict[str, str] = {}
        for field, prefix, unsaid in _FIELDS_OF_2019 if number else ():
            name = prefix.format(int(number[0])) if number else ""
            if name in declared or name not in left:
                continue
            value = left.pop(name)
            if value in (
                "",
                name,
                secret_variables.REPLACE_ME,
            ):  # how the templates of then and now say "fill me in"
                unfilled.append(name)
                continue
            problem = _no_field(instance, field, name, value)
            if problem is None and getattr(instance, field) not in (unsaid, value):
                where = f"spec.roles.core.instances[{instance.name}].{field}"
                problem = Problem(
                    Reason.DUPLICATE_VARIABLE,
                    f"variables.{name} and {where} mean the same, and differ: keep one of them",
                )
            problems += [problem] if problem else []
            fields |= {} if problem else {field: value}
        found.append(replace(instance, **fields))  # type: ignore[arg-type]
    if unfilled:
        problems.append(
            Problem(
                Reason.MISSING_VARIABLES,
                f"these variables need a value in spec.variables: {', '.join(sorted(unfilled))}",
            )
        )
    return Placed(tuple(found), left, tuple(problems))


def _no_field(instance: Instance, field: str, name: str, value: Any) -> Problem | None:
    """Why a value cannot be a field of a core instance."""
    try:
        CoreInstance.model_validate({"name": instance.name, field: value})
        if field == "address":
            ipaddress.IPv4Address(value)
    except ValueError:  # pydantic's is one
        kind = (
            "an IPv4 address"
            if field == "address"
            else "the name of a hosting: letters, digits, '-', '_' and '.'"
        )
        return Problem(Reason.INVALID_VARIABLE, f"variables.{name} must be {kind}")
    return None


def _cluster(
    instances: tuple[Instance, ...], finder: _Finder, given: Mapping[str, Any]
) -> dict[str, Any]:
    by_role: dict[str, list[Instance]] = {
        role: [each for each in instances if each.role == role] for role in names.ROLES
    }
    register, static, cores = (
        by_role[names.REG_MASTER][0],
        by_role[names.STATIC][0],
        by_role[names.CORE],
    )
    slave = next(iter(by_role[names.REG_SLAVE]), None)
    web = finder.address(static, given, "STATIC_WEB_IP_ADDRESS")
    dns1 = finder.address(
        register, given, "REG_MASTER_DNS_IP_ADDRESS", "REG_MASTER_IP_ADDRESS", udp=True
    )
    outside = register.external_slave
    dns2 = (
        finder.address(slave, given, "REG_SLAVE_DNS_IP_ADDRESS", "REG_SLAVE_IP_ADDRESS", udp=True)
        if slave
        else ""
    )
    slave_ip = finder.address(slave, given, "REG_SLAVE_IP_ADDRESS") if slave else ""
    if outside:
        slave_ip = str(given.get("REG_SLAVE_IP_ADDRESS") or outside.address or "")
        dns2 = str(given.get("REG_SLAVE_DNS_IP_ADDRESS") or slave_ip)
    variables: dict[str, Any] = dict.fromkeys(_SINGLE_NODE_ONLY, "") | {
        "REG_MASTER_IP_ADDRESS": finder.address(register, given, "REG_MASTER_IP_ADDRESS"),
        "REG_MASTER_DNS_IP_ADDRESS": dns1,
        "REG_MASTER_VPN_IP_ADDRESS": finder.redis_ip(register) or _UNKNOWN,
        "REG_SLAVE_ENABLED": slave is not None or bool(slave_ip),
        "REG_SLAVE_IP_ADDRESS": slave_ip,
        "REG_SLAVE_DNS_IP_ADDRESS": dns2,
        "STATIC_WEB_IP_ADDRESS": web,
        "DNS_ROOT_DOMAIN_A_RECORD": web,
        "SERVICE_WEBSITE_IP_ADDRESS": web,
        "NAME_SERVER_ENTRIES": _name_servers(dns1, dns2),
    }
    hostings: dict[str, dict[str, Any]] = {}
    for core in cores:
        ip = finder.address(core, given, "HOSTINGS_AND_CORES")
        hostings.setdefault(core.hosting or "", {})[core.name] = {"ip": ip}
        number = re.search(r"[0-9]+$", core.name)
        if number:
            variables[f"CORE_{int(number[0])}_IP_ADDRESS"] = ip
            variables[f"CORE_HOSTING_{int(number[0])}"] = core.hosting
    variables["HOSTINGS_AND_CORES"] = {hosting: hostings[hosting] for hosting in sorted(hostings)}
    variables["HOSTINGS_PROVIDERS"] = {hosting: _provider(hosting) for hosting in sorted(hostings)}
    return variables


def _single_node(single: Instance, finder: _Finder, given: Mapping[str, Any]) -> dict[str, Any]:
    """Everything is on one machine; what only clusters have is defined, and empty."""
    ip = finder.address(single, given, "SINGLE_MACHINE_IP_ADDRESS")
    dns = finder.address(
        single, given, "SINGLE_MACHINE_DNS_IP_ADDRESS", "SINGLE_MACHINE_IP_ADDRESS", udp=True
    )
    cluster_only = dict.fromkeys(_CLUSTER_ONLY, "")
    return cluster_only | {
        "SINGLE_MACHINE_IP_ADDRESS": ip,
        "SINGLE_MACHINE_DNS_IP_ADDRESS": dns,
        "DNS_ROOT_DOMAIN_A_RECORD": ip,
        "SERVICE_WEBSITE_IP_ADDRESS": ip,
        "NAME_SERVER_ENTRIES": _name_servers(dns, ""),
        "REG_SLAVE_ENABLED": False,
        "HOSTINGS_AND_CORES": {},
        "HOSTINGS_PROVIDERS": {},
    }


def _name_servers(dns1: str, dns2: str) -> list[dict[str, str]]:
    entries = [("dns1", dns1), ("dns2", dns2)]
    return [{"name": f"{name}.DOMAIN", "ip": ip} for name, ip in entries if ip]


@dataclass(frozen=True)
class Given:
    """The variables that the user gives, as the templates get them, and what there is to say of them."""

    variables: Mapping[str, Any]
    warnings: tuple[Advisory, ...] = ()


def with_providers(
    given: Mapping[str, Any], computed: Mapping[str, Any], *, received: bool
) -> Given:
    """HOSTINGS_PROVIDERS: what the user says, and an entry for each hosting in use that is not among it.

    Received templates get what the user says, as the leader would have put it in: files are to be what they were.
    """
    said = given.get(_PROVIDERS)
    if not isinstance(said, Mapping):
        return Given(given)
    if not received:
        return Given({**given, _PROVIDERS: {**computed[_PROVIDERS], **said}})
    hostings = given.get(_HOSTINGS, computed[_HOSTINGS])
    unknown = sorted(hostings.keys() - said.keys()) if isinstance(hostings, Mapping) else []
    if not unknown:
        return Given(given)
    return Given(
        given,
        (
            Advisory(
                Reason.UNKNOWN_HOSTING,
                f"variables.{_PROVIDERS} says nothing of {', '.join(unknown)}: register makes up a provider for such a hosting",
            ),
        ),
    )


def _provider(hosting: str) -> dict[str, str]:
    return {"url": "https://sw.DOMAIN", "name": hosting, "description": ""}


class _Finder:
    """Addresses of instances, and what there is to say about those without one."""

    def __init__(self, platform: str, known: Mapping[str, Address]) -> None:
        self._platform = platform
        self._known = known
        self.found: dict[str, str] = {}
        self.problems: list[Problem] = []
        self.waiting: list[Waiting] = []
        self._inside: set[str] = set()

    def redis_ip(self, register: Instance) -> str | None:
        """What a reg-slave reaches the register's redis at; for one outside of the cluster the load balancer's, once it has one."""
        published = self._known.get(
            names.external_slave_service(self._platform, register.name), Address()
        )
        if register.external_slave and published.load_balancer_ip:
            return published.load_balancer_ip
        return self._known.get(
            names.workload(self._platform, register.name, "redis"), Address()
        ).cluster_ip

    def address(
        self, instance: Instance, given: Mapping[str, Any], *instead: str, udp: bool = False
    ) -> str:
        """The address of an instance; what the user gives instead of it as a variable is not waited for."""
        said = next((given[name] for name in instead if isinstance(given.get(name), str)), None)
        if said is not None:
            return str(said)
        needed = not any(name in given for name in instead)
        fixed = instance.address or next(iter(instance.service.external_ips or ()), None)
        if fixed:
            self.found[instance.name] = fixed
            return fixed
        service = names.external_service(
            self._platform, instance.name, udp=udp and not instance.service.mixed_protocols
        )
        ip, reason = self._of_service(instance, service)
        if ip and not udp:
            self.found[instance.name] = ip
        if needed and isinstance(reason, Problem):
            self.problems.append(reason)
        elif needed and isinstance(reason, Waiting):
            self.waiting.append(reason)
        return ip or _UNKNOWN

    def _of_service(
        self, instance: Instance, service: str
    ) -> tuple[str | None, Problem | Waiting | None]:
        known = self._known.get(service, Address())
        field = address_field(instance)
        match instance.service.type or "ClusterIP":
            case "LoadBalancer" if known.load_balancer_ip:
                return known.load_balancer_ip, None
            case "LoadBalancer" if known.load_balancer_host:
                return None, Problem(
                    Reason.ADDRESS_REQUIRED,
                    f"the load balancer of Service {service} has a host name ({known.load_balancer_host}) and no IP address, which "
                    f"the platform's DNS needs: set {field} to the address clients reach it at",
                )
            case "LoadBalancer":
                return None, Waiting(
                    Reason.WAITING_FOR_LOAD_BALANCER,
                    f"Service {service} has no load-balancer address yet (set {field} to go without)",
                )
            case "NodePort":
                return None, Problem(
                    Reason.ADDRESS_REQUIRED,
                    f"{instance.role} is published by node ports, and the platform's DNS needs an address: "
                    f"set {field} to the address clients reach {instance.name} at",
                )
        self._inside.add(instance.name)
        return known.cluster_ip, None  # every Service without a cluster IP is waited for anyway

    def warnings(self) -> tuple[Advisory, ...]:
        if not self._inside:
            return ()
        return (
            Advisory(
                Reason.NOT_REACHABLE_FROM_OUTSIDE,
                f"{', '.join(sorted(self._inside))}: reachable from inside the cluster only, as the Services are of type ClusterIP; "
                "set service.type: LoadBalancer of the roles to publish the platform",
            ),
        )


def address_field(instance: Instance) -> str:
    """Where the user says an instance's address."""
    if instance.role == names.CORE:
        return f"spec.roles.core.instances[{instance.name}].address"
    return f"spec.roles.{instance.role}.address"
