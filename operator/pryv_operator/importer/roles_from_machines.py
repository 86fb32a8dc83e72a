"""Machines of a docker-compose installation as ``spec.roles``: addresses, hostings, cores."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pryv_operator.api import names, secret_variables
from pryv_operator.api.instances import DEFAULT_CORE, DEFAULT_HOSTING
from pryv_operator.api.messages import printable
from pryv_operator.importer.notes import ImportRefusedError, Note
from pryv_operator.importer.resolved_values import ResolvedValues, ipv4
from pryv_operator.leader.platform_yml import UNDEFINED
from pryv_operator.objects import manifest
from pryv_operator.templates.leader_folder import Leader

_INSTANCE: Final = re.compile(r"[a-z](?:[-a-z0-9]{0,28}[a-z0-9])?", re.ASCII)
_HOSTING: Final = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", re.ASCII)
_CORE_ADDRESS: Final = re.compile(r"CORE_([0-9]+)_IP_ADDRESS", re.ASCII)
_ADDRESS_VARIABLES: Final = {
    names.REG_MASTER: "REG_MASTER_IP_ADDRESS",
    names.STATIC: "STATIC_WEB_IP_ADDRESS",
    names.REG_SLAVE: "REG_SLAVE_IP_ADDRESS",
    names.SINGLE_NODE: "SINGLE_MACHINE_IP_ADDRESS",
}
_CORES: Final = "HOSTINGS_AND_CORES"
_CORES_FIELD: Final = "spec.roles.core.instances"


@dataclass(frozen=True)
class ImportedRoles:
    """``spec.roles`` of the resource (role → its fields), and notes for the report."""

    roles: Mapping[str, Mapping[str, Any]]
    notes: tuple[Note, ...]


@dataclass(frozen=True)
class _Core:
    """A core with an address. ``name_source``, ``hosting_source``: where its names are from."""

    name: str
    hosting: str
    address: str
    name_source: str
    hosting_source: str


def roles_from_machines(leader: Leader, values: ResolvedValues) -> ImportedRoles:
    """The roles of a leader's installation.

    Raises:
        ImportRefusedError: a core or hosting has an invalid name, or a core has two hostings.
    """
    if names.SINGLE_NODE in leader.bundle.roles:
        fields, note = _address(names.SINGLE_NODE, values)
        return ImportedRoles({names.SINGLE_NODE: fields}, (note,))
    roles: dict[str, Mapping[str, Any]] = {}
    notes: list[Note] = []
    roles[names.REG_MASTER], note = _address(names.REG_MASTER, values)
    notes.append(note)
    instances, core_notes = _core_instances(leader, values)
    notes += core_notes
    is_default = instances == [{"name": DEFAULT_CORE, "hosting": DEFAULT_HOSTING}]
    roles[names.CORE] = {} if is_default else {"instances": instances}
    roles[names.STATIC], note = _address(names.STATIC, values)
    notes.append(note)
    refusal = _why_no_reg_slave(leader, values)
    if refusal is None:
        roles[names.REG_SLAVE], note = _address(names.REG_SLAVE, values)
        notes.append(note)
    else:
        notes += refusal
    return ImportedRoles({role: fields for role, fields in roles.items() if fields}, tuple(notes))


def _address(role: str, values: ResolvedValues) -> tuple[Mapping[str, str], Note]:
    """The field ``address`` of a role, if the leader has one."""
    variable = _ADDRESS_VARIABLES[role]
    field = f"`spec.roles.{role}.address`"
    address = values.address(variable)
    if address:
        return manifest.Inline(address=address), Note("mapped", variable, field)
    why = f"no IPv4 address filled in; the Service of {role} provides one, or set {field}"
    return {}, Note("missing", variable, why)


def _why_no_reg_slave(leader: Leader, values: ResolvedValues) -> list[Note] | None:
    """None if the platform gets a reg-slave; else the notes why not (none: never declared)."""
    variable = _ADDRESS_VARIABLES[names.REG_SLAVE]
    address = values.address(variable)
    if names.REG_SLAVE not in leader.bundle.roles:
        why = "the templates have no role reg-slave, so the platform gets none"
        return [Note("check", variable, why)] if address else []
    if not address:
        why = "no address filled in, so no reg-slave; `spec.roles.reg-slave: {}` adds one"
        return [Note("not imported", variable, why)] if variable in leader.order else []
    if address == values.address(_ADDRESS_VARIABLES[names.REG_MASTER]):
        why = "same address as reg-master, so not a machine of its own: the platform gets none"
        return [Note("check", variable, why)]
    return None


# --- cores ---


def _core_instances(
    leader: Leader, values: ResolvedValues
) -> tuple[list[dict[str, str]], Sequence[Note]]:
    """``spec.roles.core.instances``, sorted by name; the default one if no core has an address."""
    cores, notes = (
        _cores_of_hostings(values) if _CORES in leader.order else _numbered_cores(leader, values)
    )
    instances: dict[str, dict[str, str]] = {}
    for core in cores:
        _check_core(core)
        if core.name in instances:
            raise ImportRefusedError(
                f'{_CORES}: core "{core.name}" is in two hostings; rename or remove one of them'
            )
        instances[core.name] = manifest.Inline(
            name=core.name, hosting=core.hosting, address=core.address
        )
    if instances:
        return [instances[name] for name in sorted(instances)], notes
    why = f"no core filled in; the default is one, {DEFAULT_CORE}, at the address of its Service"
    default = {"name": DEFAULT_CORE, "hosting": DEFAULT_HOSTING}
    return [default], [*notes, Note("missing", _CORES_FIELD, why)]


def _check_core(core: _Core) -> None:
    if not _INSTANCE.fullmatch(core.name) or core.name in names.RESERVED_HOSTS:
        raise ImportRefusedError(
            f'{core.name_source}: "{printable(core.name)}" is not a valid core name; rename it: at'
            " most 30 of a-z, 0-9 and '-', beginning with a letter, and none of "
            + ", ".join(names.RESERVED_HOSTS)
        )
    if not _HOSTING.fullmatch(core.hosting):
        raise ImportRefusedError(
            f'{core.hosting_source}: "{printable(core.hosting)}" is not a valid hosting name;'
            " rename it: at most 63 letters, digits, '-', '_' and '.'"
        )


def _cores_of_hostings(values: ResolvedValues) -> tuple[list[_Core], list[Note]]:
    """The cores of ``HOSTINGS_AND_CORES`` (since 1.6): hosting → core → ``ip``."""
    hostings = values.value(_CORES)
    if hostings is UNDEFINED:
        return [], []
    if not isinstance(hostings, Mapping) or not all(
        isinstance(cores, Mapping) for cores in hostings.values()
    ):
        raise ImportRefusedError(
            f"{_CORES}: not a map of hostings, each a map of cores; correct it"
        )
    found: list[_Core] = []
    notes: list[Note] = []
    for key, cores in hostings.items():
        is_unset = secret_variables.REPLACE_ME in key
        hosting = DEFAULT_HOSTING if is_unset else key
        if is_unset:
            why = f"no name filled in; {DEFAULT_HOSTING} is used"
            notes.append(Note("missing", f"{_CORES}: the name of a hosting", why))
        for name, core in cores.items():
            address = ipv4(core.get("ip") if isinstance(core, Mapping) else None)
            where = f"{_CORES}.{hosting}.{name}"
            if address:
                notes.append(Note("mapped", where, f"instance `{name}` of `{_CORES_FIELD}`"))
                found.append(_Core(name, hosting, address, _CORES, _CORES))
            else:
                why = "no IPv4 address filled in, so this core is not imported"
                notes.append(Note("missing", f"{where}.ip", why))
    return found, notes


def _numbered_cores(leader: Leader, values: ResolvedValues) -> tuple[list[_Core], list[Note]]:
    """The cores of ``CORE_n_IP_ADDRESS`` and ``CORE_HOSTING_n`` (2019)."""
    numbers = sorted(
        {int(match[1]) for name in leader.order if (match := _CORE_ADDRESS.fullmatch(name))}
    )
    found: list[_Core] = []
    notes: list[Note] = []
    for number in numbers:
        address_variable, hosting_variable = f"CORE_{number}_IP_ADDRESS", f"CORE_HOSTING_{number}"
        address, hosting = values.address(address_variable), values.value(hosting_variable)
        if not address:
            why = "no address filled in, so this core is not imported"
            notes.append(Note("not imported", address_variable, why))
            continue
        if not (isinstance(hosting, str) and hosting):
            hosting = DEFAULT_HOSTING
            why = f"no hosting filled in; {DEFAULT_HOSTING} is used"
            notes.append(Note("missing", hosting_variable, why))
        name = f"co{number}"
        where = f"{address_variable}, {hosting_variable}"
        notes.append(Note("mapped", where, f"instance `{name}` of `{_CORES_FIELD}`"))
        found.append(_Core(name, hosting, address, address_variable, hosting_variable))
    return found, notes
