"""What works but should be known: each warning is one function, listed in ``_WARNINGS``.

Most are about fields of the spec, or lines of the templates, that would be ignored in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names
from pryv_operator.api.findings import Advisory
from pryv_operator.api.instances import Instance
from pryv_operator.api.platform import Platform
from pryv_operator.api.reasons import Reason
from pryv_operator.api.spec import ServiceOverrides
from pryv_operator.compose.model import Mount
from pryv_operator.desired.components import public_upstreams
from pryv_operator.desired.compose_files import COMPOSE_FILE, service_location
from pryv_operator.desired.file_readers import is_read_only_replica, reads_hjson
from pryv_operator.objects import pods, profiles, pvcs
from pryv_operator.objects.model import Component
from pryv_operator.objects.services import REDIS
from pryv_operator.rendering.parse_checks import DoesNotParseError, check_strict_json
from pryv_operator.templates.bundle import Bundle
from pryv_operator.templates.user_templates import uses_builtin_release
from pryv_operator.values.usage import unused_variables

#: How many instances a message lists.
_SHOWN: Final = 8


@dataclass(frozen=True)
class Subject:
    """What the warnings are about."""

    platform: Platform
    bundle: Bundle
    instances: tuple[Instance, ...]
    components: tuple[Component, ...]
    #: Public hosts that cannot be resolved in this cluster.
    unresolved: frozenset[str]
    #: Addresses of the platform's Services and instances.
    own_addresses: frozenset[str] = frozenset()

    def of(self, instance: Instance) -> list[Component]:
        """The components of an instance."""
        return [each for each in self.components if each.instance.key == instance.key]


def compute_warnings(subject: Subject) -> tuple[Advisory, ...]:
    """All warnings about a platform, each once."""
    return tuple(dict.fromkeys(advisory for warning in _WARNINGS for advisory in warning(subject)))


def cut_over_warnings(platform: Platform, instances: Iterable[Instance]) -> tuple[Advisory, ...]:
    """What keeps the users of an imported platform on the old machines."""
    if not platform.cut_over_pending:
        return ()
    unpublished = [
        each.name
        for each in instances
        if each.address and (each.service.type or "ClusterIP") == "ClusterIP"
    ]
    listed = ", ".join(unpublished[:_SHOWN]) + (" and others" if unpublished[_SHOWN:] else "")
    unreachable = (
        f"no client reaches {listed}: address is the old machine's, and the Service has type "
        "ClusterIP; "
        if unpublished
        else ""
    )
    return (
        Advisory(
            Reason.CUT_OVER_PENDING,
            f"metadata.annotations[{keys.CUT_OVER}]: imported, not cut over: the stores are empty "
            f"until the old data are restored; {unreachable}follow docs/migrate.md (Cut over), "
            "then remove the annotation",
        ),
    )


def _unknown_services(subject: Subject) -> Iterable[Advisory]:
    """Services of compose files that neither their name nor their image makes known."""
    for component in subject.components:
        if component.profile == profiles.PLAIN:
            yield Advisory(
                Reason.UNKNOWN_SERVICE,
                f"{service_location(component)} is not a known service of Pryv.io and runs with "
                f"default settings; set what it needs in {component.spec_path}",
            )


def _host_paths(subject: Subject) -> Iterable[Advisory]:
    """Volumes of compose files that are paths of the host: they are not mounted."""
    for component in subject.components:
        for mount in _declared_mounts(component):
            if mount.is_host_path and not mount.is_syslog:
                remedy = (
                    f'; a PersistentVolumeClaim is mounted at "{mount.target}"; copy the data to it'
                    if _has_pvc_at(component, mount.target)
                    else "; remove the volume, or ignore this"
                )
                yield Advisory(
                    Reason.HOST_PATH_NOT_MOUNTED,
                    f'{service_location(component)}: host path "{mount.source}" is not mounted '
                    f"into pods{remedy}",
                )


def _replaced_tmpfs(subject: Subject) -> Iterable[Advisory]:
    """Mounts of tmpfs in the place of state, which is kept instead."""
    for component in subject.components:
        for mount in _declared_mounts(component):
            if mount.kind == "tmpfs" and _has_pvc_at(component, mount.target):
                yield Advisory(
                    Reason.TMPFS_NOT_MOUNTED,
                    f'{service_location(component)}: the tmpfs at "{mount.target}" is not mounted, '
                    "as the component keeps its state there; a PersistentVolumeClaim is mounted "
                    "instead; remove the tmpfs",
                )


def _declared_mounts(component: Component) -> tuple[Mount, ...]:
    """The mounts of a component as its compose file declares them."""
    services = component.compose.services
    return next(
        (each.mounts for each in services if each.name == component.service.name),
        component.service.mounts,
    )


def _has_pvc_at(component: Component, target: str) -> bool:
    return any(
        mount.target == target and pvcs.pvc_of(component, mount)
        for mount in component.service.mounts
    )


def _unpublished_stores(subject: Subject) -> Iterable[Advisory]:
    """Ports of stores in compose files: stores have no password and are never published."""
    for component in subject.components:
        published = (
            port
            for service in component.compose.services
            if component.profile.store and service.name == component.service.name
            for port in service.ports
        )
        for port in published:
            yield Advisory(
                Reason.STORE_NOT_PUBLISHED,
                f"{service_location(component)}: port {port.container} is not published, as stores "
                "have no password; for a reg-slave outside of the cluster set "
                f"spec.roles.{names.REG_MASTER}.externalSlave",
            )


def _narrow_ports(subject: Subject) -> Iterable[Advisory]:
    """Ports that the compose file publishes on the loopback, on one address, or on any port."""
    for component in subject.components:
        if component.profile.store:
            continue
        where = service_location(component)
        for inner in component.service.unfixed_ports:
            yield Advisory(
                Reason.PORT_NOT_PUBLISHED,
                f"{where}: port {inner.number} has no port of the host and is not published; "
                "write HOST:CONTAINER to publish it, or move it to expose",
            )
        for port in component.service.loopback_ports:
            yield Advisory(
                Reason.PORT_NOT_PUBLISHED,
                f"{where}: port {port.host} is bound to the loopback and is not published; "
                "remove the address to publish it",
            )
        for address, port in component.service.bound_ports:
            if address in subject.own_addresses:
                continue  # it is published at just this address
            yield Advisory(
                Reason.PORT_PUBLISHED_WIDER,
                f'{where}: port {port.host} is bound to "{address}" and is published on every '
                f"address of its Service; restrict it with "
                f"spec.roles.{component.instance.role}.service.loadBalancerSourceRanges, or remove "
                "the address",
            )


def _storage_without_data(subject: Subject) -> Iterable[Advisory]:
    """Storage overrides of components that mount no PVC."""
    for component in subject.components:
        if component.overrides.storage and not pvcs.pvcs_of(component):
            yield _unused(f"{component.spec_path}.storage", "the component keeps no data")


def _unknown_compose_keys(subject: Subject) -> Iterable[Advisory]:
    """Keys of compose files that mean nothing in a cluster."""
    for component in subject.components:
        for key in component.compose.unknown_keys:
            yield Advisory(
                Reason.UNKNOWN_COMPOSE_KEY,
                f'{component.instance.role}/{COMPOSE_FILE}: "{key}" is ignored',
            )


def _unset_compose_variables(subject: Subject) -> Iterable[Advisory]:
    """Variables of the machine in compose files: pods do not have them."""
    for component in subject.components:
        for path, name in component.compose.unset_variables:
            yield Advisory(
                Reason.UNSET_COMPOSE_VARIABLE,
                f'{component.instance.role}/{COMPOSE_FILE}: {path}: "{name}" is a variable of the '
                "machine, which is unset in pods; write the value itself",
            )


def _nothing_to_mount(subject: Subject) -> Iterable[Advisory]:
    """Read-only volumes, and files, that neither the templates nor another service fill."""
    for component in subject.components:
        for mount in component.service.mounts:
            if (
                mount.is_role_path
                and not pvcs.is_log(mount)
                and not pvcs.is_rendered(mount)
                and not pvcs.has_files(component, mount)
                and not pvcs.pvc_of(component, mount)
            ):
                yield Advisory(
                    Reason.NOTHING_TO_MOUNT,
                    f'{service_location(component)}: "{mount.source}" is not in the templates, so '
                    f'nothing is mounted at "{mount.target}"; add it to the templates, or remove '
                    "the volume",
                )


def _external_slave_without_redis(subject: Subject) -> Iterable[Advisory]:
    """``externalSlave`` of a role whose templates run no redis."""
    for instance in subject.instances:
        services = {component.service.name for component in subject.of(instance)}
        if instance.external_slave and REDIS not in services:
            yield _unused(
                f"spec.roles.{instance.role}.externalSlave", f'the role has no service "{REDIS}"'
            )


def _unknown_components(subject: Subject) -> Iterable[Advisory]:
    """Overrides of components that the role does not have."""
    for instance in subject.instances:
        services = {names.slug(component.service.name) for component in subject.of(instance)}
        for name in sorted(instance.components):
            if names.slug(name) not in services:
                yield _unused(
                    f"spec.roles.{instance.role}.components.{name}", "the role has no such service"
                )


def _unresolved_upstreams(subject: Subject) -> Iterable[Advisory]:
    """Public hosts that reverse proxies pass requests to, and that the cluster cannot resolve."""
    found = {
        (component.instance.role, host): component.service.name
        for component in subject.components
        for host in sorted(subject.unresolved & public_upstreams(component))
    }
    for (role, host), service in found.items():
        yield Advisory(
            Reason.UPSTREAM_UNRESOLVED,
            f'{role}/{service}: upstream "{host}" cannot be resolved in this cluster: requests for '
            "its pages fail, everything else works; allow the cluster's DNS to resolve it",
        )


def _release_beside_templates(subject: Subject) -> Iterable[Advisory]:
    """``release`` of a platform that has its own templates."""
    spec = subject.platform.spec
    if spec.release and not uses_builtin_release(spec):
        yield _unused("spec.release", "spec.templates.archive takes precedence")


def _files_of_unused_roles(subject: Subject) -> Iterable[Advisory]:
    """Template files of roles that the platform does not run."""
    templates = subject.platform.spec.templates
    used = {instance.role for instance in subject.instances}
    declared = {source.role for source in (templates.files if templates else None) or ()}
    for role in sorted(declared - used):
        yield _unused("spec.templates.files", f'the platform does not run role "{role}"')


def _certificate_without_proxy(subject: Subject) -> Iterable[Advisory]:
    """Certificates of roles that have no reverse proxy to serve them."""
    for instance in subject.instances:
        if instance.tls_secret and not any(each.profile.proxy for each in subject.of(instance)):
            yield _unused(f"spec.roles.{instance.role}.tls", "the role has no reverse proxy")


def _service_without_ports(subject: Subject) -> Iterable[Advisory]:
    """``service`` of roles whose compose file publishes nothing."""
    for instance in subject.instances:
        publishes = any(each.service.ports for each in subject.of(instance))
        if instance.service != ServiceOverrides() and not publishes:
            yield _unused(f"spec.roles.{instance.role}.service", "the role publishes no port")


def _read_only_replicas(subject: Subject) -> Iterable[Advisory]:
    """Files that make redis a replica that refuses writes.

    register and dns, which are one program, write to redis when they start
    (``src/storage/database.js`` in service-register), and Pryv's own templates forbid it.
    """
    for component in subject.components:
        if component.service.name != REDIS:
            continue
        for file in component.files:
            if file.path.endswith(".conf") and is_read_only_replica(file.visible):
                yield Advisory(
                    Reason.READ_ONLY_REPLICA,
                    f"{component.instance.role}/{file.path}: redis refuses writes, and register "
                    "and dns write when they start, so the second name server does not answer; "
                    'replace the file by one with "replica-read-only no" (spec.templates.files)',
                )


def _hjson_for_readers_of_json(subject: Subject) -> Iterable[Advisory]:
    """Hjson files that are not strict JSON, of images that read them as JSON."""
    for component in subject.components:
        image = pods.image(component)
        if reads_hjson(image):
            continue
        for file in component.files:
            if not file.path.endswith(".hjson"):
                continue
            try:
                check_strict_json(file.visible)
            except DoesNotParseError as error:
                place = f" (line {error.line})" if error.line else ""
                yield Advisory(
                    Reason.NOT_STRICT_JSON,
                    f"{component.instance.role}/{file.path}: not strict JSON{place}, and "
                    f'{component.service.name} of image "{image}" requires it; remove comments, '
                    "quote all keys and strings, and write all commas",
                )


def _unused_variables(subject: Subject) -> Iterable[Advisory]:
    """Variables that neither a template of the roles nor the value of a used variable names."""
    roles = {instance.role for instance in subject.instances}
    return unused_variables(subject.platform.spec, subject.bundle, roles)


#: In the order in which they are reported.
_WARNINGS: Final[tuple[Callable[[Subject], Iterable[Advisory]], ...]] = (
    _unknown_services,
    _host_paths,
    _replaced_tmpfs,
    _unpublished_stores,
    _narrow_ports,
    _storage_without_data,
    _unknown_compose_keys,
    _unset_compose_variables,
    _nothing_to_mount,
    _external_slave_without_redis,
    _unknown_components,
    _unresolved_upstreams,
    _release_beside_templates,
    _files_of_unused_roles,
    _certificate_without_proxy,
    _service_without_ports,
    _read_only_replicas,
    _hjson_for_readers_of_json,
    _unused_variables,
)


def _unused(field: str, why: str) -> Advisory:
    return Advisory(Reason.UNUSED_OVERRIDE, f"{field}: {why}, so it has no effect; remove it")
