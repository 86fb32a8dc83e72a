"""CORE_n_IP_ADDRESS and CORE_HOSTING_n: variables of 2019 that are fields of a core now."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from pryv_operator.api import names, secret_variables
from pryv_operator.api.findings import Problem
from pryv_operator.api.instances import DEFAULT_HOSTING, Instance
from pryv_operator.api.reasons import Reason
from pryv_operator.api.spec import CoreInstance
from pryv_operator.values.value_checks import missing_values


@dataclass(frozen=True)
class _Field:
    """A field of a core instance, the variable that 2019 had for it, and what a value has to be."""

    name: str
    variable: str
    default: str | None
    kind: str


_FIELDS: Final = (
    _Field("address", "CORE_{}_IP_ADDRESS", None, "an IPv4 address"),
    _Field(
        "hosting",
        "CORE_HOSTING_{}",
        DEFAULT_HOSTING,
        "the name of a hosting (letters, digits, '-', '_' and '.')",
    ),
)


@dataclass(frozen=True)
class CoreVariables:
    """The instances with the fields that variables set, and the variables that remain."""

    instances: tuple[Instance, ...]
    variables: Mapping[str, Any]
    problems: tuple[Problem, ...] = ()


def apply_core_variables(
    instances: tuple[Instance, ...], variables: Mapping[str, Any], declared: Collection[str]
) -> CoreVariables:
    """The instances with what ``spec.variables`` configures for cores by their number.

    Args:
        instances: as ``spec.roles`` configures them.
        variables: ``spec.variables``.
        declared: names that the templates declare. Templates of 2019 declare these variables
            themselves; then the values remain variables.
    """
    applied: list[Instance] = []
    consumed: set[str] = set()
    missing: list[str] = []
    problems: list[Problem] = []
    for instance in instances:
        fields: dict[str, str] = {}
        for field, name in _fields(instance):
            if name in declared or name not in variables:
                continue
            consumed.add(name)
            value = variables[name]
            if value in (
                "",
                name,
                secret_variables.REPLACE_ME,
            ):  # "fill me in", in 2019 and since 1.6
                missing.append(name)
            elif problem := _conflict(instance, field, name, value):
                problems.append(problem)
            else:
                fields[field.name] = value
        applied.append(replace(instance, **fields))  # type: ignore[arg-type]
    problems += [missing_values(missing)] if missing else []
    remaining = {name: value for name, value in variables.items() if name not in consumed}
    return CoreVariables(tuple(applied), remaining, tuple(problems))


def _fields(instance: Instance) -> list[tuple[_Field, str]]:
    """Fields of a core whose name ends with a number, each with its variable's name."""
    number = re.search(r"[0-9]+$", instance.name)
    if instance.role != names.CORE or not number:
        return []
    return [(field, field.variable.format(int(number[0]))) for field in _FIELDS]


def _conflict(instance: Instance, field: _Field, name: str, value: Any) -> Problem | None:
    """Why a value cannot be the field of an instance."""
    try:
        CoreInstance.model_validate({"name": instance.name, field.name: value})
        if field.name == "address":
            ipaddress.IPv4Address(value)
    except ValueError:  # pydantic's error is one
        return Problem(Reason.INVALID_VARIABLE, f"spec.variables.{name}: must be {field.kind}")
    if getattr(instance, field.name) in (field.default, value):
        return None
    return Problem(
        Reason.DUPLICATE_VARIABLE,
        f"spec.variables.{name}: differs from spec.roles.core.instances[{instance.name}]."
        f"{field.name}, which means the same; remove one of them",
    )
