"""Machines of an installation as roles of a platform: addresses, hostings, core instances."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pryv_operator.api import names, secret_variables
from pryv_operator.api.instances import DEFAULT_CORE, DEFAULT_HOSTING
from pryv_operator.api.messages import printable
from pryv_operator.importer.report import ImportRefusedError, Note
from pryv_operator.leader.platform_yml import UNDEFINED
from pryv_operator.leader.render_error import RenderError
from pryv_operator.leader.substitution import Substitution
from pryv_operator.leader.taint import Value
from pryv_operator.objects import manifest
from pryv_operator.templates.leader_folder import Leader

_INSTANCE: Final = re.compile(r"[a-z](?:[-a-z0-9]{0,28}[a-z0-9])?", re.ASCII)
_HOSTING: Final = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", re.ASCII)
_CORE_ADDRESS: Final = re.compile(r"CORE_([0-9]+)_IP_ADDRESS", re.ASCII)
_VARIABLES: Final = {
    names.REG_MASTER: "REG_MASTER_IP_ADDRESS",
    names.STATIC: "STATIC_WEB_IP_ADDRESS",
    names.REG_SLAVE: "REG_SLAVE_IP_ADDRESS",
    names.SINGLE_NODE: "SINGLE_MACHINE_IP_ADDRESS",
}
_CORES: Final = "HOSTINGS_AND_CORES"


class Resolver:
    """The leader's variables as they come out in its files: names in values replaced, in the leader's order."""

    def __init__(self, leader: Leader) -> None:
        """Of one leader."""
        self._substitution = Substitution(
            {name: Value(value) for name, value in leader.order.items()}, "leader"
        )
        self._unset = set(leader.unset)

    def value(self, name: str) -> Any:
        """A variable's value; ``UNDEFINED`` when there is none, or it cannot be resolved, or nobody filled it in."""
        if name not in self._substitution or name in self._unset:
            return UNDEFINED
        try:
            return self._substitution.resolve(name).value
        except RenderError:
            return UNDEFINED

    def address(self, name: str) -> str | None:
        """A variable's value when it is an IPv4 address."""
        return _ipv4(self.value(name))


@dataclass(frozen=True)
class Machines:
    """``spec.roles``, and what there is to say about how it came to be."""

    roles: Mapping[str, Any]
    notes: tuple[Note, ...]


def read_machines(leader: Leader, resolver: Resolver) -> Machines:
    """The roles of a leader's installation.

    Raises:
        ImportRefusedError: a core has a name that cannot be taken over, or stands in two hostings.
    """
    notes: list[Note] = []
    if names.SINGLE_NODE in leader.bundle.roles:
        return Machines(
            {names.SINGLE_NODE: _address(names.SINGLE_NODE, resolver, notes)}, tuple(notes)
        )
    roles: dict[str, Any] = {names.REG_MASTER: _address(names.REG_MASTER, resolver, notes)}
    instances = _cores(leader, resolver, notes)
    is_default = instances == [{"name": DEFAULT_CORE, "hosting": DEFAULT_HOSTING}]
    roles[names.CORE] = {} if is_default else {"instances": instances}
    roles[names.STATIC] = _address(names.STATIC, resolver, notes)
    if _has_slave(leader, resolver, notes):
        roles[names.REG_SLAVE] = _address(names.REG_SLAVE, resolver, notes)
    return Machines(
        {role: value for role, value in roles.items() if value or role == names.REG_SLAVE},
        tuple(notes),
    )


def _address(role: str, resolver: Resolver, notes: list[Note]) -> dict[str, str]:
    variable = _VARIABLES[role]
    address = resolver.address(variable)
    if address:
        notes.append(Note("mapped", variable, f"`roles.{role}.address`"))
        return manifest.Inline(address=address)
    notes.append(
        Note(
            "missing",
            variable,
            f"no IPv4 address is filled in: the Service of {role} gives one, or set `roles.{role}.address`",
        )
    )
    return {}


def _has_slave(leader: Leader, resolver: Resolver, notes: list[Note]) -> bool:
    variable = _VARIABLES[names.REG_SLAVE]
    address = resolver.address(variable)
    if names.REG_SLAVE not in leader.bundle.roles:
        if address:
            notes.append(
                Note("check", variable, "the templates have no role reg-slave: there will be none")
            )
        return False
    if not address:
        if variable in leader.order:
            notes.append(
                Note(
                    "left out",
                    variable,
                    "no address is filled in: there is no reg-slave (`roles.reg-slave: {}` makes one)",
                )
            )
        return False
    if address == resolver.address(_VARIABLES[names.REG_MASTER]):
        notes.append(
            Note(
                "check",
                variable,
                "it is the address of reg-master: there was no second machine, so there is no reg-slave",
            )
        )
        return False
    return True


def _cores(leader: Leader, resolver: Resolver, notes: list[Note]) -> list[dict[str, str]]:
    found = (
        _from_hostings(resolver, notes)
        if _CORES in leader.order
        else _from_numbers(leader, resolver, notes)
    )
    instances: dict[str, dict[str, str]] = {}
    for core in found:
        name, hosting = core["name"], core["hosting"]
        if not _INSTANCE.fullmatch(name) or name in names.RESERVED_HOSTS:
            raise ImportRefusedError(
                f"the core {printable(name)} cannot have this name: lower-case letters, digits and '-', beginning with a letter, "
                f"30 at most, and none of {', '.join(names.RESERVED_HOSTS)}"
            )
        if not _HOSTING.fullmatch(hosting):
            raise ImportRefusedError(
                f"the hosting {printable(hosting)} cannot have this name: letters, digits, '-', '_' and '.', 63 at most"
            )
        if name in instances:
            raise ImportRefusedError(
                f"the core {name} stands in two hostings: rename one of them, or take it out"
            )
        instances[name] = core
    if not instances:
        notes.append(
            Note(
                "missing",
                "cores",
                f"none is filled in: there will be one, {DEFAULT_CORE}, at the address of its Service",
            )
        )
        return [{"name": DEFAULT_CORE, "hosting": DEFAULT_HOSTING}]
    return [manifest.Inline(instances[name]) for name in sorted(instances)]


def _from_hostings(resolver: Resolver, notes: list[Note]) -> list[dict[str, str]]:
    hostings = resolver.value(_CORES)
    if hostings is UNDEFINED:
        return []
    if not isinstance(hostings, Mapping) or not all(
        isinstance(cores, Mapping) for cores in hostings.values()
    ):
        raise ImportRefusedError(f"{_CORES} is no map of hostings, each a map of cores")
    found: list[dict[str, str]] = []
    for written, cores in hostings.items():
        hosting = written
        if secret_variables.REPLACE_ME in written:
            notes.append(
                Note(
                    "missing",
                    f"{_CORES}: the name of a hosting",
                    f"it is {DEFAULT_HOSTING} until you name it",
                )
            )
            hosting = DEFAULT_HOSTING
        for name, core in cores.items():
            address = _ipv4(core.get("ip") if isinstance(core, Mapping) else None)
            if address:
                notes.append(
                    Note(
                        "mapped",
                        f"{_CORES}.{hosting}.{name}",
                        f"the instance `{name}` of `roles.core`",
                    )
                )
                found.append({"name": name, "hosting": hosting, "address": address})
            else:
                notes.append(
                    Note(
                        "missing",
                        f"{_CORES}.{hosting}.{name}.ip",
                        "no IPv4 address is filled in: this core is left out",
                    )
                )
    return found


def _from_numbers(leader: Leader, resolver: Resolver, notes: list[Note]) -> list[dict[str, str]]:
    numbers = sorted(
        {int(match[1]) for name in leader.order if (match := _CORE_ADDRESS.fullmatch(name))}
    )
    found: list[dict[str, str]] = []
    for number in numbers:
        address, hosting = (
            resolver.address(f"CORE_{number}_IP_ADDRESS"),
            resolver.value(f"CORE_HOSTING_{number}"),
        )
        if not address:
            notes.append(
                Note(
                    "left out",
                    f"CORE_{number}_IP_ADDRESS",
                    "no address is filled in: there is no such core",
                )
            )
            continue
        named = isinstance(hosting, str) and bool(hosting)
        if not named:
            notes.append(
                Note(
                    "missing",
                    f"CORE_HOSTING_{number}",
                    f"no hosting is filled in: it is {DEFAULT_HOSTING}",
                )
            )
        notes.append(
            Note(
                "mapped",
                f"CORE_{number}_IP_ADDRESS, CORE_HOSTING_{number}",
                f"the instance `co{number}` of `roles.core`",
            )
        )
        found.append(
            {
                "name": f"co{number}",
                "hosting": hosting if named else DEFAULT_HOSTING,
                "address": address,
            }
        )
    return found


def _ipv4(value: Any) -> str | None:
    try:
        return str(ipaddress.IPv4Address(value.strip())) if isinstance(value, str) else None
    except ValueError:
        return None
