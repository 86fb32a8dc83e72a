"""Variables that the operator computes, where the leader had another value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pryv_operator.api.platform import Platform
from pryv_operator.api.spec import PryvPlatformSpec, Roles
from pryv_operator.importer.classify_values import ClassifiedValues
from pryv_operator.importer.notes import Note
from pryv_operator.importer.resolved_values import ResolvedValues
from pryv_operator.importer.value_conversion import AS_JSON_TEXT, has_null, is_same
from pryv_operator.leader.javascript import stringify
from pryv_operator.leader.json_value import Json
from pryv_operator.leader.platform_yml import UNDEFINED
from pryv_operator.leader.render_error import RenderError
from pryv_operator.leader.substitution import Substitution
from pryv_operator.templates.bundle import Bundle
from pryv_operator.values.platform_values import resolve_platform_values

_VPN: Final = "REG_MASTER_VPN_IP_ADDRESS"


def find_overrides(
    resolved: ResolvedValues, classified: ClassifiedValues, computed: Mapping[str, Json]
) -> tuple[dict[str, Json], list[Note]]:
    """The computed variables to declare because the leader's value differs, and notes on them.

    Args:
        resolved: the leader's values with names replaced, to compare.
        classified: the leader's values as they are declared.
        computed: the operator's values, from ``compute_operator_values``.
    """
    overrides: dict[str, Json] = {}
    notes: list[Note] = []
    for name, value in classified.computed.items():
        old = resolved.value(name)
        if name == "DOMAIN" or (
            old is not UNDEFINED and name in computed and is_same(old, computed[name])
        ):
            continue
        if has_null(value) and not isinstance(computed.get(name), (Mapping, list)):
            notes.append(Note("check", name, "is null; the computed value is used"))
            continue
        overrides[name] = stringify(value) if has_null(value) else value
        why = AS_JSON_TEXT if has_null(value) else "differs from the value the operator computes"
        notes.append(Note("set", name, why))
        if name == _VPN:
            why = (
                "address of the old machine; remove it when both registers run in this cluster, "
                "where the operator computes it"
            )
            notes.append(Note("check", name, why))
    return overrides, notes


def compute_operator_values(
    platform: str,
    domain: str,
    roles: Mapping[str, Any],
    classified: ClassifiedValues,
    bundle: Bundle,
) -> dict[str, Json]:
    """The values of computed variables if the resource declares none of them.

    Args:
        platform: name of the platform.
        domain: ``spec.domain``.
        roles: ``spec.roles``.
        classified: the variables that the resource declares, and the computed ones in question.
        bundle: the templates that the platform uses.
    """
    spec = PryvPlatformSpec.model_construct(
        domain=domain,
        roles=Roles.model_validate(dict(roles)),
        variables=dict(classified.variables),
    )
    values = resolve_platform_values(
        Platform(platform, "", "", spec), bundle, addresses={}, secrets={}, cluster_dns=""
    )
    substitution = Substitution(values.values)
    found: dict[str, Json] = {}
    for name in classified.computed:
        try:
            value: Any = substitution.resolve(name).value
        except (KeyError, RenderError):
            continue
        found[name] = value
    return found
