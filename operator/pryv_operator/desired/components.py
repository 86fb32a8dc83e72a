"""Rendered files become components: every service of every role instance, with what it mounts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from pryv_operator.api import names
from pryv_operator.api.findings import Problem
from pryv_operator.api.instances import Instance
from pryv_operator.compose.model import ComposeFile, Mount, Service
from pryv_operator.desired import certificates, output_limits
from pryv_operator.desired.boot_inputs import with_boot_inputs
from pryv_operator.desired.compose_files import (
    COMPOSE_FILE,
    RoleServices,
    masked_compose_files,
    read_compose_file,
)
from pryv_operator.desired.hosts_and_ports import hosts_and_ports
from pryv_operator.desired.inputs import Inputs
from pryv_operator.desired.render_errors import problem_of
from pryv_operator.leader.render_error import RenderError
from pryv_operator.leader.taint import Value
from pryv_operator.objects import host_aliases, pods, pvcs
from pryv_operator.objects.model import Component, File, FileMount, Relay
from pryv_operator.objects.profiles import profile_of
from pryv_operator.pki.certificate import Certificate
from pryv_operator.rendering.files import RenderedFile, render
from pryv_operator.rendering.limits import RECONCILIATION_LIMITS

_AUTHORITIES: Final = FileMount("authority", "/etc/pryv/authority")
_HOSTS_FILE: Final = FileMount("hosts", "/etc/hosts", file="hosts")
#: Where the images of all releases read their configuration, and the certificate.
_CONFIGURATION: Final = "/app/conf"
_CERTIFICATE_FOLDER: Final = f"{_CONFIGURATION}/secret"


@dataclass(frozen=True)
class _Prepared:
    """A service of a role with all that its instances share."""

    service: Service
    files: tuple[File, ...]
    file_mounts: tuple[FileMount, ...]
    secret_environment: frozenset[str]
    upstream_ports: tuple[int, ...]


@dataclass(frozen=True)
class _Role:
    """A role's compose file and its services, in the order of the file."""

    compose: ComposeFile
    services: tuple[_Prepared, ...]
    #: Folders of the role that its services may write to.
    written: frozenset[str]


def build_components(
    inputs: Inputs, instances: tuple[Instance, ...], values: Mapping[str, Value]
) -> tuple[tuple[Component, ...], tuple[Problem, ...]]:
    """All components of all instances in the order of the compose files, or their problems.

    Args:
        inputs: what the platform depends on.
        instances: the role instances, all of roles that the templates have.
        values: the values of all variables.
    """
    roles, problems = _prepare_roles(inputs, instances, values)
    problems = problems or output_limits.check_workloads(
        len(roles[instance.role].services) for instance in instances
    )
    if problems:
        return (), problems
    cluster_ips = inputs.cluster_ips
    components = tuple(
        _complete(
            _component(inputs, instance, service, roles[instance.role], cluster_ips),
            inputs,
            instances,
            cluster_ips,
        )
        for instance in instances
        for service in roles[instance.role].services
    )
    components = with_boot_inputs(components)
    return components, output_limits.check_configuration(components)


def _prepare_roles(
    inputs: Inputs, instances: tuple[Instance, ...], values: Mapping[str, Value]
) -> tuple[dict[str, _Role], tuple[Problem, ...]]:
    """The roles by name, each rendered and searched once however many instances it has."""
    bundle = inputs.bundle
    names = tuple(dict.fromkeys(instance.role for instance in instances))
    try:
        masked = masked_compose_files(bundle, names, values)
        public = {place: text for place, text in masked.items() if not text.secret}
        rendered = render(bundle, values, names, limits=RECONCILIATION_LIMITS, known=public)
    except RenderError as error:
        return {}, (problem_of(error),)
    services = {
        name: read_compose_file(bundle, name, rendered[name], masked.get((name, COMPOSE_FILE)))
        for name in names
    }
    roles = {
        name: _role(inputs, name, found, rendered[name])
        for name, found in services.items()
        if isinstance(found, RoleServices)
    }
    return roles, tuple(found for found in services.values() if isinstance(found, Problem))


def _role(
    inputs: Inputs, name: str, services: RoleServices, rendered: Iterable[RenderedFile]
) -> _Role:
    files = tuple(
        File(file.path, file.content.decode(), file.secret, masked=file.masked or "")
        for file in rendered
    )
    resolved = tuple(pvcs.resolve_mounts(services.compose).values())
    ports = _upstream_ports(services.compose, files)
    prepared = tuple(
        _prepared(inputs, name, service, services, files, ports[service.name])
        for service in resolved
    )
    return _Role(services.compose, prepared, pvcs.written_folders(resolved))


def _prepared(
    inputs: Inputs,
    role: str,
    service: Service,
    services: RoleServices,
    files: tuple[File, ...],
    upstream_ports: tuple[int, ...],
) -> _Prepared:
    """A service with the rendered files below the folders that it mounts."""
    masked = services.secret_environment.get(service.name, {})
    environment = dict(service.environment)
    certified = _with_certificate(service, inputs, role)
    mounted = _mounted_files(certified.service, (*files, *certified.files))
    values = tuple(
        File(pods.environment_path(name), environment[name], secret=True, masked=masked[name])
        for name in sorted(masked)
    )
    return _Prepared(
        certified.service,
        (*mounted.files, *values),
        mounted.mounts,
        frozenset(masked),
        upstream_ports,
    )


def _component(
    inputs: Inputs,
    instance: Instance,
    prepared: _Prepared,
    role: _Role,
    cluster_ips: Mapping[str, str],
) -> Component:
    service = prepared.service
    profile = profile_of(service.name, service.image)
    return Component(
        platform=inputs.platform,
        instance=instance,
        compose=role.compose,
        service=replace(service, ports=()) if profile.store else service,
        profile=profile,
        overrides=instance.overrides_of(service.name),
        files=prepared.files,
        file_mounts=prepared.file_mounts,
        environment=service.environment,
        secret_environment=prepared.secret_environment,
        relay=_relay(
            names.workload(inputs.platform.name, instance.name, profile.relays),
            prepared,
            role,
            cluster_ips,
        ),
        upstream_ports=prepared.upstream_ports,
        written=role.written,
    )


def _relay(
    workload: str, prepared: _Prepared, role: _Role, cluster_ips: Mapping[str, str]
) -> Relay | None:
    """What a component reaches through a sidecar: a service on one of its networks, if it has one.

    A port at which it listens itself cannot be a relay's. ``workload``: that of the service.
    """
    service = prepared.service
    profile = profile_of(service.name, service.image)
    peers = {peer.name for peer in role.compose.peers(service)}
    store = next(
        (each for each in role.services if each.service.name in peers & {profile.relays}), None
    )
    if store is None:
        return None
    address = cluster_ips.get(workload)
    ports = {*profile_of(store.service.name, store.service.image).ports, *store.upstream_ports}
    if address is None or not ports or not ports.isdisjoint(profile.ports):
        return None
    return Relay(profile.relays, address, tuple(sorted(ports)))


@dataclass(frozen=True)
class _Certified:
    """A service that mounts the folder of the certificate, and the files in it."""

    service: Service
    files: tuple[File, ...] = ()


def _with_certificate(service: Service, inputs: Inputs, role: str) -> _Certified:
    """A reverse proxy with the certificate in its configuration, as in a compose installation."""
    certificate = inputs.certificate_of(role)
    if not profile_of(service.name, service.image).proxy or not isinstance(
        certificate, Certificate
    ):
        return _Certified(service)
    around = [
        mount
        for mount in service.mounts
        if mount.is_role_path and mount.target in (_CONFIGURATION, _CERTIFICATE_FOLDER)
    ]
    mounts = service.mounts
    if not around:
        around = [Mount("certificate", _CERTIFICATE_FOLDER, read_only=True)]
        mounts = (*mounts, *around)
    inner = max(around, key=lambda mount: len(mount.target))
    folder = inner.source + _CERTIFICATE_FOLDER.removeprefix(inner.target)
    domain = inputs.platform.spec.domain
    files = certificates.certificate_files(folder, domain, certificate)
    # Mounts of the files themselves are of what the machine had there.
    places = {file.path.replace(folder, _CERTIFICATE_FOLDER, 1) for file in files}
    mounts = tuple(mount for mount in mounts if mount.target not in places)
    return _Certified(replace(service, mounts=mounts), files)


@dataclass(frozen=True)
class _MountedFiles:
    """Files of a component, and where they are mounted."""

    files: tuple[File, ...]
    mounts: tuple[FileMount, ...]


def _mounted_files(service: Service, files: tuple[File, ...]) -> _MountedFiles:
    """The rendered files that a service mounts: folders, and single files.

    A file inside of a mounted folder becomes a file of that folder: the folder is read-only, so
    the container runtime could not create the place to mount the file at.
    """
    paths = [mount for mount in service.mounts if mount.is_role_path]
    sources = {mount.source for mount in paths}
    single = {file.path: file for file in files if file.path in sources}
    mounted = {
        file.path: file for file in files if not sources.isdisjoint(_folders_above(file.path))
    }
    filled = {folder for path in mounted for folder in _folders_above(path)}
    folders = tuple(
        FileMount(mount.source, mount.target) for mount in paths if mount.source in filled
    )
    file_mounts = list(folders)
    for mount in paths:
        if (file := single.get(mount.source)) is None:
            continue
        mounted.setdefault(file.path, file)
        if place := _place_in(folders, mount.target):
            mounted[place] = replace(file, path=place)
        else:
            name = file.path.rpartition("/")[2]
            file_mounts.append(FileMount(file.path, mount.target, file=name))
    return _MountedFiles(tuple(mounted.values()), tuple(file_mounts))


@lru_cache(maxsize=2048)
def _folders_above(path: str) -> tuple[str, ...]:
    parts = path.split("/")
    return tuple("/".join(parts[:end]) for end in range(1, len(parts)))


def _place_in(folders: Iterable[FileMount], target: str) -> str | None:
    """The path of a file that is at the target inside of the innermost mounted folder."""
    around = [each for each in folders if target.startswith(f"{each.target.rstrip('/')}/")]
    if not around:
        return None
    inner = max(around, key=lambda each: len(each.target))
    return f"{inner.folder}/{target.removeprefix(inner.target.rstrip('/')).lstrip('/')}"


def _named_ports(files: Iterable[File]) -> dict[str, set[int]]:
    """Every port that rendered files name, by the host it is of: ``core:3000``."""
    ports: dict[str, set[int]] = {}
    for file in files:
        if file.path != COMPOSE_FILE:
            for host, port in hosts_and_ports(file.visible):
                ports.setdefault(host, set()).add(port)
    return ports


def _upstream_ports(compose: ComposeFile, files: Iterable[File]) -> dict[str, tuple[int, ...]]:
    """Service → every port that rendered files name for it, whether it listens there or not.

    A connection to a port that the Service of a cluster IP does not list times out instead of
    being refused. The files are searched once for all services.
    """
    named = _named_ports(files)
    found: dict[str, tuple[int, ...]] = {}
    for service in compose.services:
        aliases = {name for peer in compose.services for name in compose.names_of(service, peer)}
        ports = {port for name in {service.name, *aliases} for port in named.get(name, ())}
        found[service.name] = tuple(sorted(port for port in ports if port < 65536))
    return found


def _complete(
    component: Component,
    inputs: Inputs,
    instances: tuple[Instance, ...],
    cluster_ips: Mapping[str, str],
) -> Component:
    """The component with what no template provides: host names and authorities."""
    aliases = host_aliases.host_aliases(
        component,
        instances,
        cluster_ips,
        inputs.unresolved & public_upstreams(component),
    )
    return _with_authorities(_with_host_aliases(component, aliases), inputs.authorities)


def public_upstreams(component: Component) -> frozenset[str]:
    """Public hosts that a reverse proxy resolves when it starts."""
    if not component.profile.proxy:
        return frozenset()
    return frozenset(host for file in component.files for host in file.public_upstreams)


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
