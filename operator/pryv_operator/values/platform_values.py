"""The values of all variables of a platform, from its spec, templates, addresses and secrets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from pryv_operator.api.findings import Advisory, Problem, Waiting
from pryv_operator.api.instances import Instance, instances
from pryv_operator.api.platform import Platform
from pryv_operator.leader.taint import Value
from pryv_operator.templates.bundle import Bundle
from pryv_operator.values.addresses import Address
from pryv_operator.values.catalogue import Catalogue, catalogue_of
from pryv_operator.values.computed import compute_variables
from pryv_operator.values.core_variables import apply_core_variables
from pryv_operator.values.hosting_providers import complete_hosting_providers
from pryv_operator.values.resolve import resolve
from pryv_operator.values.secret_texts import trimmed_secrets
from pryv_operator.values.usage import used_variables
from pryv_operator.values.value_checks import check_dns_server, check_objects, read_json_text


def generated_names(platform: Platform, bundle: Bundle) -> tuple[str, ...]:
    """Names of the secret values that are to be generated for a platform."""
    catalogue = catalogue_of(bundle)
    sources = platform.spec.secrets
    requested = [name for name, source in sources.items() if source.generate is not None]
    provided = [name for name, source in sources.items() if source.secret_key_ref is not None]
    return catalogue.to_generate(
        [*requested, *catalogue.marked_for_generation(platform.spec.variables)], provided
    )


@dataclass(frozen=True)
class PlatformValues:
    """The values of all variables, and the role instances with what variables say about them.

    With ``problems`` the values must not be used; while ``waiting``, addresses are placeholders.
    """

    values: Mapping[str, Value]
    instances: tuple[Instance, ...]
    #: Instance → the address that clients reach it at.
    addresses: Mapping[str, str]
    problems: tuple[Problem, ...]
    waiting: tuple[Waiting, ...]
    #: Warnings about variables.
    warnings: tuple[Advisory, ...]
    #: Warnings about instances that only clients inside the cluster reach.
    address_warnings: tuple[Advisory, ...]
    #: Variable or dotted path of each secret → what stands for it in masked values.
    masks: Mapping[str, str]


def resolve_platform_values(
    platform: Platform,
    bundle: Bundle,
    *,
    addresses: Mapping[str, Address],
    secrets: Mapping[str, str],
    cluster_dns: str,
) -> PlatformValues:
    """The values of all variables of a platform.

    Args:
        platform: the platform with its spec.
        bundle: its templates, and the variables that they declare.
        addresses: Service → its addresses, as far as they are known.
        secrets: variable or dotted path → the text from its Secret.
        cluster_dns: IP address of the cluster's DNS server.
    """
    spec = platform.spec
    catalogue = catalogue_of(bundle)
    cores = apply_core_variables(
        instances(spec), _with_json_texts_read(catalogue, spec.variables), bundle.variables
    )
    computed = compute_variables(
        platform,
        cores.instances,
        addresses,
        cluster_dns=cluster_dns,
        configured=cores.variables,
    )
    configured = complete_hosting_providers(
        cores.variables, computed.variables, received=not bundle.jinja
    )
    roles = {instance.role for instance in cores.instances}
    used = cache(lambda: used_variables(bundle, roles, configured.variables))
    texts = trimmed_secrets(spec, secrets)
    resolved = resolve(
        catalogue,
        computed=computed.variables,
        configured=configured.variables,
        secrets=texts.texts,
        is_used=lambda name: name in used(),
    )
    return PlatformValues(
        values=resolved.values,
        instances=cores.instances,
        addresses=computed.addresses,
        problems=tuple(
            dict.fromkeys(
                (
                    *check_objects(spec.variables),
                    *check_dns_server(spec.variables),
                    *cores.problems,
                    *computed.problems,
                    *texts.problems,
                    *resolved.problems,
                )
            )
        ),
        waiting=computed.waiting,
        warnings=(*configured.warnings, *texts.warnings, *resolved.warnings),
        address_warnings=computed.warnings,
        masks=resolved.masks,
    )


def _with_json_texts_read(catalogue: Catalogue, variables: Mapping[str, Any]) -> dict[str, Any]:
    """``spec.variables`` with maps, lists and nulls in place of their JSON texts."""
    read: dict[str, Any] = {}
    for name, value in variables.items():
        place = catalogue.place(name)
        is_whole = catalogue.knows(place) and not place.path
        read[name] = (
            read_json_text(catalogue.variables[place.variable], value) if is_whole else value
        )
    return read
