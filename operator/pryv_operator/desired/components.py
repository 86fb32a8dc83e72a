"""Rendered files become components: every service of every role instance, with what it mounts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from pryv_operator.api.findings import Problem
from pryv_operator.api.instances import Instance
from pryv_operator.compose.model import Service
from pryv_operator.desired import certificates
from pryv_operator.desired.compose_files import COMPOSE_FILE, RoleServices, read_compose_file
from pryv_operator.desired.inputs import Inputs
from pryv_operator.desired.render_errors import problem_of
from pryv_operator.leader.render_error import RenderError
from pryv_operator.leader.taint import Value
from pryv_operator.objects import host_aliases, pods, pvcs
from pryv_operator.objects.model import Component, File, FileMount
from pryv_operator.objects.profiles import profile_of
from pryv_operator.pki.certificate import Certificate
from pryv_operator.rendering.files import render
from pryv_operator.rendering.limits import RECONCILIATION_LIMITS
from pryv_operator.templates.bundle import Bundle

_AUTHORITIES: Final = FileMount("authority", "/etc/pryv/authority")
_HOSTS_FILE: Final = FileMount("hosts", "/etc/hosts", file="hosts")
#: Where the images of all releases read their configuration.
_CONFIGURATION: Final = "/app/conf"


@dataclass(frozen=True)
class _Role:
    """A role's services and its rendered files."""

    services: RoleServices
    files: tuple[File, ...]


def build_components(
    inputs: Inputs, instances: tuple[Instance, ...], values: Mapping[str, Value]
) -> tuple[tuple[Component, ...], tuple[Problem, ...]]:
    """All components of all instances in the order of the compose files, or their problems.

    Args:
        inputs: what the platform depends on.
        instances: the role instances, all of roles that the templates have.
        values: the values of all variables.
    """
    roles, problems = _render_roles(inputs.bundle, instances, values)
    if problems:
        return (), problems
    components = tuple(
        _complete(_component(inputs, instance, service, roles[instance.role]), inputs, instances)
        for instance in instances
        for service in roles[instance.role].services.compose.services
    )
    return components, ()


def _render_roles(
    bundle: Bundle, instances: tuple[Instance, ...], values: Mapping[str, Value]
) -> tuple[dict[str, _Role], tuple[Problem, ...]]:
    names = tuple(dict.fromkeys(instance.role for instance in instances))
    try:
        rendered = render(bundle, values, names, limits=RECONCILIATION_LIMITS)
        services = {name: read_compose_file(bundle, name, rendered[name], values) for name in names}
    except RenderError as error:
        return {}, (problem_of(error),)
    roles = {
        name: _Role(
            found,
            tuple(File(file.path, file.content.decode(), file.secret) for file in rendered[name]),
        )
        for name, found in services.items()
        if isinstance(found, RoleServices)
    }
    return roles, tuple(found for found in services.values() if isinstance(found, Problem))


def _component(inputs: Inputs, instance: Instance, service: Service, role: _Role) -> Component:
    """A component with the rendered files below the folders that its service mounts."""
    profile = profile_of(service.name)
    service = pvcs.with_state(service, profile)
    secret_environment = role.services.secret_environment.get(service.name, frozenset())
    environment = dict(service.environment)
    folders = {mount.source for mount in service.mounts if not mount.is_host_path}
    mounted = tuple(
        file for file in role.files if any(file.path.startswith(f"{folder}/") for folder in folders)
    )
    return Component(
        platform=inputs.platform,
        instance=instance,
        compose=role.services.compose,
        service=replace(service, ports=()) if profile.store else service,
        profile=profile,
        overrides=instance.overrides_of(service.name),
        files=(
            *mounted,
            *(
                File(pods.environment_path(name), environment[name], secret=True)
                for name in sorted(secret_environment)
            ),
        ),
        file_mounts=tuple(
            FileMount(mount.source, mount.target)
            for mount in service.mounts
            if any(file.path.startswith(f"{mount.source}/") for file in mounted)
        ),
        environment=service.environment,
        secret_environment=secret_environment,
        upstream_ports=_upstream_ports(service.name, role.files),
    )


def _upstream_ports(service: str, files: Iterable[File]) -> tuple[int, ...]:
    """Every port that rendered files name for a service, whether it listens there or not.

    A connection to a port that the Service of a cluster IP does not list times out instead of
    being refused.
    """
    pattern = re.compile(rf"(?<![\w.-]){re.escape(service)}:(\d{{2,5}})\b")
    found = {
        int(port)
        for file in files
        if file.path != COMPOSE_FILE
        for port in pattern.findall(file.text)
    }
    return tuple(sorted(port for port in found if port < 65536))


def _complete(component: Component, inputs: Inputs, instances: tuple[Instance, ...]) -> Component:
    """The component with what no template provides: certificate, host names, authorities."""
    aliases = host_aliases.host_aliases(
        component,
        instances,
        inputs.cluster_ips,
        inputs.unresolved & public_upstreams(component),
    )
    certified = _with_certificate(component, inputs)
    return _with_authorities(_with_host_aliases(certified, aliases), inputs.authorities)


def public_upstreams(component: Component) -> frozenset[str]:
    """Public hosts that a reverse proxy resolves when it starts."""
    if not component.profile.proxy:
        return frozenset()
    return host_aliases.public_upstreams(file.text for file in component.files)


def _with_certificate(component: Component, inputs: Inputs) -> Component:
    """A reverse proxy with the certificate in its configuration, as in a compose installation."""
    certificate = inputs.certificate_of(component.instance.role)
    if not component.profile.proxy or not isinstance(certificate, Certificate):
        return component
    mounts = component.service.mounts
    folder = next((mount.source for mount in mounts if mount.target == _CONFIGURATION), None)
    if folder is None:
        return component
    files = certificates.certificate_files(folder, inputs.platform.spec.domain, certificate)
    file_mounts = component.file_mounts
    if all(mount.folder != folder for mount in file_mounts):
        file_mounts = (*file_mounts, FileMount(folder, _CONFIGURATION))
    return replace(component, files=(*component.files, *files), file_mounts=file_mounts)


def _with_host_aliases(component: Component, aliases: host_aliases.HostAliases) -> Component:
    """The component with host aliases, or with a hosts file where these cannot hold a name."""
    if not host_aliases.needs_hosts_file(aliases):
        return replace(component, host_aliases=aliases)
    file = File(
        f"{_HOSTS_FILE.folder}/{_HOSTS_FILE.file}", host_aliases.hosts_file(aliases), secret=False
    )
    return replace(
        component,
        files=(*component.files, file),
        file_mounts=(*component.file_mounts, _HOSTS_FILE),
    )


def _with_authorities(component: Component, authorities: str) -> Component:
    """A component that trusts these authorities (PEM) besides the public ones.

    Node.js reads them from the file in ``NODE_EXTRA_CA_CERTS``; other components call no one
    by TLS.
    """
    if not authorities or not component.profile.nodejs:
        return component
    file = File(f"{_AUTHORITIES.folder}/ca.crt", authorities, secret=False)
    variable = ("NODE_EXTRA_CA_CERTS", f"{_AUTHORITIES.target}/ca.crt")
    return replace(
        component,
        files=(*component.files, file),
        file_mounts=(*component.file_mounts, _AUTHORITIES),
        environment=(*component.environment, variable),
    )
