"""What makes a platform impossible: each check returns the problems it finds.

The checks of a spec come before rendering, those of components after it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from pryv_operator.api import names
from pryv_operator.api.findings import Problem
from pryv_operator.api.instances import Instance
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.reasons import Reason
from pryv_operator.api.spec import PryvPlatformSpec
from pryv_operator.desired.compose_files import COMPOSE_FILE, service_location
from pryv_operator.objects import configuration, pvcs
from pryv_operator.objects.model import Component, File
from pryv_operator.templates.bundle import Bundle

_LABEL: Final = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")


def check_spec(
    spec: PryvPlatformSpec, bundle: Bundle, instances: Iterable[Instance]
) -> tuple[Problem, ...]:
    """Problems of a spec with these templates, known before anything is rendered."""
    listed = tuple(instances)
    return (
        *_domain_as_variable(spec),
        *_missing_roles(bundle, listed),
        *_duplicate_components(listed),
    )


def check_components(
    components: tuple[Component, ...], services: Iterable[Object]
) -> tuple[Problem, ...]:
    """Problems of the components, and of the Services built from them."""
    return (
        *_invalid_affinity(components),
        *_several_replicas(components),
        *_state_without_pvc(components),
        *_shared_existing_pvcs(components),
        *_ports_published_twice(components),
        *_invalid_service_names(components),
        *_long_workload_names(components),
        *_ambiguous_workload_names(components),
        *_ambiguous_service_names(services),
    )


def check_file_sizes(components: Iterable[Component]) -> tuple[Problem, ...]:
    """Files that are too large for a ConfigMap or a Secret; no message has the size of a secret."""
    listed = tuple(components)
    found = {
        (component.instance.role, file.path): file
        for component in listed
        for file in component.files
        if file.size > configuration.MAX_OBJECT_BYTES
    }
    large = tuple(
        Problem(Reason.FILE_TOO_LARGE, f"{role}/{path}: {_too_large(file)}")
        for (role, path), file in found.items()
    )
    return large or tuple(
        Problem(
            Reason.FILE_TOO_LARGE,
            f"{service_location(component)}: its files with secrets are too large for Secrets; "
            "shorten the Secrets that go into them",
        )
        for component in _one_per_role(listed)
        if not configuration.fits(component)
    )


def _too_large(file: File) -> str:
    limit = f"{configuration.MAX_OBJECT_BYTES:,}"
    if file.secret:
        return (
            f"larger than the {limit} bytes (as base64) that a Secret holds; shorten the file, or "
            "the secrets and variables that it uses"
        )
    return (
        f"{file.size:,} bytes when rendered, and a ConfigMap or Secret holds {limit}; shorten the "
        "variables that it uses"
    )


def _domain_as_variable(spec: PryvPlatformSpec) -> Iterable[Problem]:
    """DOMAIN is also in names and certificates, so no variable may give it another value."""
    if spec.variables.get("DOMAIN", spec.domain) != spec.domain:
        yield Problem(
            Reason.INVALID_VARIABLE,
            f'spec.variables.DOMAIN: differs from spec.domain ("{spec.domain}"); remove it',
        )
    if "DOMAIN" in spec.secrets:
        yield Problem(
            Reason.INVALID_VARIABLE,
            "spec.secrets.DOMAIN: the domain is set by spec.domain; remove it",
        )


def _missing_roles(bundle: Bundle, instances: Iterable[Instance]) -> Iterable[Problem]:
    """Every role needs its folder in the templates."""
    missing = sorted({instance.role for instance in instances} - bundle.roles.keys())
    if not missing:
        return
    remedy = "add their folders to the templates"
    if names.SINGLE_NODE in bundle.roles:
        remedy = "they are for a single node: set spec.roles to {singlenode: {}}"
    elif names.SINGLE_NODE in missing:
        remedy = "they are for a cluster: remove spec.roles.singlenode"
    available = _quoted(sorted(bundle.roles)) or "none"
    yield Problem(
        Reason.MISSING_ROLE,
        f"spec.roles: the templates have no role {_quoted(missing)} (available: {available}); "
        f"{remedy}",
    )


def _duplicate_components(instances: Iterable[Instance]) -> Iterable[Problem]:
    """Two spellings of one component, such as ``reverse_proxy`` and ``reverse-proxy``."""
    for role, overrides in {each.role: each.components for each in instances}.items():
        first: dict[str, str] = {}
        for name in sorted(overrides):
            other = first.setdefault(names.slug(name), name)
            if other != name:
                yield Problem(
                    Reason.DUPLICATE_COMPONENT,
                    f'spec.roles.{role}.components.{name}: the same component as "{other}"; '
                    "keep one of them",
                )


def _invalid_affinity(components: Iterable[Component]) -> Iterable[Problem]:
    """A term is added to the user's pod affinity; the API server validates the rest."""
    for component in _one_per_role(components):
        affinity = (component.overrides.affinity or {}).get("podAffinity") or {}
        terms = (
            affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or []
            if isinstance(affinity, Mapping)
            else None
        )
        if not isinstance(terms, list):
            yield Problem(
                Reason.INVALID_AFFINITY,
                f"{component.spec_path}.affinity.podAffinity: not a valid pod affinity; "
                "use the schema of a pod's spec.affinity.podAffinity",
            )


def _several_replicas(components: Iterable[Component]) -> Iterable[Problem]:
    """Components that keep state, or must not run twice, have one replica."""
    for component in _one_per_role(components):
        replicas = component.overrides.replicas
        if replicas in (None, 1) or pvcs.is_scalable(component):
            continue
        if replicas == 0 and component.profile.scalable:
            continue
        remedy = "remove it"
        if component.service.name == names.CORE:
            remedy += ", and add core instances to spec.roles.core.instances to scale"
        yield Problem(
            Reason.NOT_SCALABLE,
            f"{component.spec_path}.replicas: must be 1, as the component keeps state or must not "
            f"run twice; {remedy}",
        )


def _state_without_pvc(components: Iterable[Component]) -> Iterable[Problem]:
    """Components that would lose their data with their pod."""
    for component in _one_per_role(components):
        if not pvcs.keeps_state(component):
            path = component.profile.state_path
            yield Problem(
                Reason.INVALID_COMPOSE_FILE,
                f'{service_location(component)}: "{path}" is not on persistent storage; '
                f"mount {component.service.name}/data/:{path}",
            )


def _shared_existing_pvcs(components: Iterable[Component]) -> Iterable[Problem]:
    """A PVC that the user provides holds the data of one component of one instance."""
    users: dict[str, dict[str, Component]] = {}
    for component in components:
        for pvc in pvcs.pvcs_of(component):
            if pvc.existing:
                user = f"{component.instance.name}/{pvc.owner}"
                users.setdefault(pvc.name, {}).setdefault(user, component)
    for name, found in users.items():
        if len(found) > 1:
            owner = next(iter(found)).partition("/")[2]
            role = next(iter(found.values())).instance.role
            yield Problem(
                Reason.PVC_SHARED,
                f'spec.roles.{role}.components.{owner}.storage.existingClaim: PVC "{name}" would '
                f"hold the data of {_quoted(found)}; use a PVC for one component of one instance",
            )


def _ports_published_twice(components: Iterable[Component]) -> Iterable[Problem]:
    """Ports of a role's external Service that would lead to several ports of containers."""
    targets: dict[tuple[str, int, str], dict[tuple[str, int], None]] = {}
    for component in _one_per_role(components):
        for port in component.service.ports:
            users = targets.setdefault((component.instance.role, port.host, port.protocol), {})
            users[component.service.name, port.container] = None
    for (role, host, protocol), users in targets.items():
        if len({number for _, number in users}) > 1:
            shown = _quoted(f"{service}:{number}" for service, number in users)
            yield Problem(
                Reason.INVALID_COMPOSE_FILE,
                f"{role}/{COMPOSE_FILE}: port {host}/{protocol} is published twice, for {shown}; "
                "publish one of them at another port",
            )


def _invalid_service_names(components: Iterable[Component]) -> Iterable[Problem]:
    """Names of compose services that cannot be made DNS labels."""
    for component in _one_per_role(components):
        if not _LABEL.fullmatch(names.slug(component.service.name)):
            yield Problem(
                Reason.INVALID_COMPOSE_FILE,
                f"{service_location(component)}: not a valid name, it must end with a letter or "
                "a digit; rename the service",
            )


def _long_workload_names(components: Iterable[Component]) -> Iterable[Problem]:
    """Workloads whose pods could not carry the labels of their controller."""
    for component in components:
        if len(component.name) > names.MAX_WORKLOAD_NAME:
            yield Problem(
                Reason.INVALID_COMPOSE_FILE,
                f'{service_location(component)}: the workload\'s name "{component.name}" is longer '
                f"than {names.MAX_WORKLOAD_NAME} characters; shorten the name of the service or of "
                "the platform",
            )


def _ambiguous_workload_names(components: Iterable[Component]) -> Iterable[Problem]:
    """Services whose workloads would have the same name."""
    first: dict[str, str] = {}
    for component in components:
        label = f"{component.instance.name}/{component.service.name}"
        other = first.setdefault(component.name, label)
        if other != label:
            yield Problem(
                Reason.INVALID_COMPOSE_FILE,
                f'{component.instance.role}/{COMPOSE_FILE}: services "{other}" and "{label}" both '
                f"become workload \"{component.name}\" ('_', '.' and '-' count as the same); "
                "rename one of them",
            )


def _ambiguous_service_names(services: Iterable[Object]) -> Iterable[Problem]:
    """Services of the platform that would have the same name."""
    seen: set[str] = set()
    for service in services:
        name = service["metadata"]["name"]
        if name in seen:
            yield Problem(
                Reason.INVALID_COMPOSE_FILE,
                f'{COMPOSE_FILE}: a service leads to Service "{name}", a name that the platform '
                "uses itself; rename the service",
            )
        seen.add(name)


def _one_per_role(components: Iterable[Component]) -> Iterable[Component]:
    """The components of one instance of each role: overrides and compose files are per role."""
    return {
        (component.instance.role, component.service.name): component for component in components
    }.values()


def _quoted(texts: Iterable[str]) -> str:
    return ", ".join(f'"{text}"' for text in texts)
