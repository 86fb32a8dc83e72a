"""From inputs to objects."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Final

from pryv_operator.api import names
from pryv_operator.api.findings import Advisory, Finding, Problem, Waiting
from pryv_operator.api.instances import Instance, instances
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.platform import Platform
from pryv_operator.api.reasons import Reason
from pryv_operator.api.spec import PryvPlatformSpec, ServiceOverrides
from pryv_operator.compose.model import ComposeFile, Service
from pryv_operator.compose.parse import ComposeError, parse
from pryv_operator.desired import restarts, shared_secrets, tls
from pryv_operator.desired.inputs import Inputs
from pryv_operator.desired.render_errors import problem_of
from pryv_operator.leader.taint import RenderError, Value
from pryv_operator.objects import host_aliases, pods, profiles, pvcs
from pryv_operator.objects.configuration import Addressing, Content, ContentTooLargeError, content
from pryv_operator.objects.controllers import controller
from pryv_operator.objects.model import File, FileMount, Part
from pryv_operator.objects.network_policies import network_policy
from pryv_operator.objects.services import REDIS, inner_service, outside_services, slave_service
from pryv_operator.pki.certificate import Certificate
from pryv_operator.rendering.files import IN_A_PASS, RenderedFile, render
from pryv_operator.templates.bundle import Bundle
from pryv_operator.values import computed
from pryv_operator.values.addresses import Address
from pryv_operator.values.resolve import Vocabulary, resolve
from pryv_operator.values.usage import Usage

COMPOSE_FILE: Final = "pryv.yml"
_AUTHORITY: Final = FileMount("authority", "/etc/pryv/authority")
_HOSTS: Final = FileMount("hosts", "/etc/hosts", file="hosts")
#: Stands for a secret when a compose file is read a second time to see where secrets went.
_MASK: Final = "\ue000secret\ue000"


@dataclass(frozen=True)
class WorkloadPlan:
    """A workload that is wanted. ``label`` is what people know it by: ``co1/core``."""

    kind: str
    name: str
    label: str
    tier: int = 1
    migrates: bool = False


@dataclass(frozen=True)
class InstancePlan:
    """What belongs to a role instance: its workloads, those held back included."""

    name: str
    role: str
    address: str | None
    workloads: tuple[WorkloadPlan, ...]


@dataclass(frozen=True)
class Desired:
    """All objects of a platform, and what there is to say.

    With ``problems`` there are no objects: what runs keeps running. With ``waiting`` there are only the Services.
    ``blocked`` workloads wait for something of their own: they are neither applied nor removed.
    """

    release: str
    problems: tuple[Problem, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    warnings: tuple[Advisory, ...] = ()
    services: tuple[Object, ...] = ()
    #: Claims, configuration, policies, then workloads.
    objects: tuple[Object, ...] = ()
    #: cert-manager's Certificate, when the platform asks for one.
    certificate_request: Object | None = None
    blocked: Mapping[str, Finding] = field(default_factory=dict)
    instances: tuple[InstancePlan, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether ``objects`` is all there should be, so that whatever else there is can go."""
        return not self.problems and not self.waiting


def generated_names(platform: Platform, bundle: Bundle) -> tuple[str, ...]:
    """Names of the secret values that are to be generated for a platform."""
    vocabulary = Vocabulary(bundle.variables)
    sources = platform.spec.secrets
    requested = [name for name, source in sources.items() if source.generate is not None]
    provided = [name for name, source in sources.items() if source.secret_key_ref is not None]
    return vocabulary.generated(
        [*requested, *vocabulary.asked_for(platform.spec.variables)], provided
    )


def desired(inputs: Inputs) -> Desired:
    """The complete desired state of a platform. Pure: the same inputs give the same bytes."""
    platform = inputs.platform
    spec = platform.spec
    bundle = inputs.bundle
    placed = computed.placed(instances(spec), spec.variables, bundle.variables)
    layout = placed.instances
    facts = computed.compute(
        platform.name,
        spec.domain,
        layout,
        inputs.addresses,
        cluster_dns=inputs.cluster_dns,
        given=placed.given,
    )
    given = computed.with_providers(placed.given, facts.variables, received=not bundle.jinja)
    resolved = resolve(
        Vocabulary(bundle.variables),
        computed=facts.variables,
        given=given.variables,
        secrets=inputs.secrets,
        is_used=Usage(bundle, {instance.role for instance in layout}, given.variables).uses,
    )
    warnings = (*inputs.warnings, *facts.warnings, *given.warnings, *resolved.warnings)
    problems = (
        *inputs.problems,
        *placed.problems,
        *facts.problems,
        *resolved.problems,
        *_another_domain(spec),
    )
    problems += _missing_roles(bundle, layout)
    if problems:
        return Desired(bundle.version, problems=problems, warnings=warnings)

    try:
        _check_components(layout)
        parts, restart_warnings = restarts.restarted(
            _parts(inputs, bundle, layout, resolved.values), inputs.restart, inputs.restarts
        )
        _check_claims(parts)
        warnings = (*warnings, *restart_warnings)
        return _assemble(inputs, bundle, layout, parts, facts, warnings)
    except RenderError as error:
        found = problem_of(error)
    except ContentTooLargeError as error:
        found = error.problem
    except _SpecError as error:
        found = error.problem
    return Desired(bundle.version, problems=(found,), warnings=warnings)


def _another_domain(spec: PryvPlatformSpec) -> tuple[Problem, ...]:
    """DOMAIN is in names, certificates and files alike: it cannot be one thing here and another there."""
    if spec.variables.get("DOMAIN", spec.domain) == spec.domain and "DOMAIN" not in spec.secrets:
        return ()
    return (
        Problem(
            Reason.INVALID_VARIABLE,
            f"DOMAIN is spec.domain ({spec.domain}): leave it out of variables and secrets",
        ),
    )


def _missing_roles(bundle: Bundle, layout: tuple[Instance, ...]) -> tuple[Problem, ...]:
    missing = sorted({instance.role for instance in layout} - bundle.roles.keys())
    if not missing:
        return ()
    hint = ""
    if names.SINGLE_NODE in bundle.roles:
        hint = "; they are of a single node: say roles: {singlenode: {}}"
    elif names.SINGLE_NODE in missing:
        hint = "; they are of a cluster: leave roles.singlenode out"
    there = ", ".join(sorted(bundle.roles)) or "none at all"
    return (
        Problem(
            Reason.MISSING_ROLE,
            f"the templates have no role {', '.join(missing)} (there is {there}){hint}",
        ),
    )


class _SpecError(ValueError):
    """The spec or a template asks for something that cannot be."""

    def __init__(self, reason: str, message: str) -> None:
        self.problem = Problem(reason, message)
        super().__init__(message)


def _assemble(
    inputs: Inputs,
    bundle: Bundle,
    layout: tuple[Instance, ...],
    parts: tuple[Part, ...],
    facts: computed.Computed,
    warnings: tuple[Advisory, ...],
) -> Desired:
    platform = inputs.platform
    services = _services(platform, layout, parts)
    _check_names(parts, services)
    request = tls.certificate_request(platform)
    waiting = (*facts.waiting, *_without_address(services, inputs.addresses))
    plans = tuple(_plan(instance, parts, facts) for instance in layout)
    base = Desired(
        bundle.version,
        warnings=(
            *warnings,
            *_warnings(parts, layout),
            *_without_upstream(parts, inputs.unresolved),
            *_unused_fields(platform, parts, layout),
            *_unused_variables(platform, bundle, layout),
        ),
        services=services,
        certificate_request=request,
        instances=plans,
    )
    if waiting:
        return replace(base, waiting=waiting)

    addressing = Addressing(inputs.hash_key, inputs.owned_secrets)
    shared_claims = pvcs.shared_claims(parts)
    shared = shared_secrets.shared_secrets(parts, inputs.secrets, inputs.hash_key)
    blocked: dict[str, Finding] = {}
    configs: dict[tuple[str, str], Object] = {}
    workloads: list[Object] = []
    for part in parts:
        certificate = inputs.certificate_of(part.instance.role)
        if part.profile.proxy and isinstance(certificate, Finding):
            blocked[part.name] = certificate
            continue
        built: Content = content(
            platform, part.instance.role, part.service.name, part.files, addressing
        )
        configs |= {(item["kind"], item["metadata"]["name"]): item for item in built.objects}
        workloads.append(
            shared_secrets.annotated(controller(part, built, shared_claims), shared.get(part.name))
        )
    policies = (
        ()
        if platform.spec.network_policy is False
        else tuple(network_policy(part, parts) for part in parts)
    )
    kept_data, claim_warnings = pvcs.claim_objects(parts, inputs.claims)
    objects = (*kept_data, *(configs[name] for name in sorted(configs)), *policies, *workloads)
    return replace(
        base, objects=objects, blocked=blocked, warnings=(*base.warnings, *claim_warnings)
    )


def _services(
    platform: Platform, layout: tuple[Instance, ...], parts: tuple[Part, ...]
) -> tuple[Object, ...]:
    found: list[Object] = []
    for instance in layout:
        mine = [part for part in parts if part.instance == instance]
        found += [service for part in mine if (service := inner_service(part))]
        found += outside_services(platform, instance, mine)
        found += [service for part in mine if (service := slave_service(part))]
    return tuple(found)


def _without_address(
    services: Iterable[Object], addresses: Mapping[str, Address]
) -> tuple[Waiting, ...]:
    missing = sorted(
        service["metadata"]["name"]
        for service in services
        if not addresses.get(service["metadata"]["name"], Address()).cluster_ip
    )
    if not missing:
        return ()
    shown = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
    return (Waiting(Reason.WAITING_FOR_SERVICES, f"waiting for the cluster IP of {shown}"),)


def _plan(instance: Instance, parts: tuple[Part, ...], facts: computed.Computed) -> InstancePlan:
    workloads = tuple(
        WorkloadPlan(
            kind="StatefulSet" if part.profile.stateful else "Deployment",
            name=part.name,
            label=f"{instance.name}/{names.slug(part.service.name)}",
            tier=part.profile.tier,
            migrates=part.profile.migrates,
        )
        for part in parts
        if part.instance == instance
    )
    return InstancePlan(instance.name, instance.role, facts.addresses.get(instance.name), workloads)


def _parts(
    inputs: Inputs, bundle: Bundle, layout: tuple[Instance, ...], values: Mapping[str, Value]
) -> tuple[Part, ...]:
    """Every component of every instance, with the files it mounts."""
    roles = tuple(dict.fromkeys(instance.role for instance in layout))
    rendered = render(bundle, values, roles, limits=IN_A_PASS)
    files_of = {
        role: tuple(File(file.path, file.content.decode(), file.secret) for file in rendered[role])
        for role in roles
    }
    composes = {role: _compose(bundle, role, rendered[role], values) for role in roles}
    cluster_ips = {
        name: address.cluster_ip for name, address in inputs.addresses.items() if address.cluster_ip
    }
    parts: list[Part] = []
    for instance in layout:
        compose, secret_environment = composes[instance.role]
        files = files_of[instance.role]
        for service in compose.services:
            part = _part(
                inputs.platform,
                instance,
                compose,
                service,
                files,
                secret_environment.get(service.name, frozenset()),
            )
            aliases = host_aliases.aliases(
                platform=inputs.platform.name,
                domain=inputs.platform.spec.domain,
                instance=instance,
                compose=compose,
                service=service,
                profile=part.profile,
                instances=layout,
                cluster_ips=cluster_ips,
                nowhere=inputs.unresolved & _public_upstreams(part),
            )
            parts.append(
                _trusting(_resolving(_certified(part, inputs), aliases), inputs.authorities)
            )
    return tuple(parts)


def _compose(
    bundle: Bundle, role: str, files: Iterable[RenderedFile], values: Mapping[str, Value]
) -> tuple[ComposeFile, dict[str, frozenset[str]]]:
    """A role's compose file, and for each service the environment variables that hold a secret."""
    found = {file.path: file for file in files}.get(COMPOSE_FILE)
    if found is None:
        raise _SpecError(
            Reason.MISSING_COMPOSE_FILE,
            f"role {role} has no {COMPOSE_FILE}: nothing says which services it runs",
        )
    if not found.secret:
        return _parsed(role, found), {}
    masked_values = {
        name: Value(_MASK, secret=True) if value.secret else value for name, value in values.items()
    }
    alone = {
        path: content
        for path, content in bundle.roles[role].items()
        if path.removesuffix(".j2") == COMPOSE_FILE
    }
    rendered = render(replace(bundle, roles={role: alone}), masked_values, limits=IN_A_PASS)[role]
    masked = _parsed(role, {file.path: file for file in rendered}[COMPOSE_FILE])
    secret = {
        service.name: frozenset(name for name, value in service.environment if _MASK in value)
        for service in masked.services
    }
    if _MASK in json.dumps(asdict(_without(masked, secret)), ensure_ascii=False):
        raise _SpecError(
            Reason.SECRET_IN_COMPOSE_FILE,
            f"{role}/{COMPOSE_FILE}: a secret may stand in a value of environment only; every other field is readable to all",
        )
    try:
        compose = parse(found.content.decode())
    except ComposeError:  # whose message could quote the secret
        compose = None
    if compose is None or _without(compose, secret) != _without(masked, secret):
        raise _SpecError(
            Reason.INVALID_COMPOSE_FILE,
            f"{role}/{COMPOSE_FILE}: a secret that is put in breaks it (often a quote, a line break or a dollar sign)",
        )
    if (
        bundle.secret
    ):  # what a container is started with has to be readable; its environment has not
        secret = {
            service.name: frozenset(name for name, _ in service.environment)
            for service in compose.services
        }
    return compose, secret


def _without(compose: ComposeFile, secret: Mapping[str, frozenset[str]]) -> ComposeFile:
    """The compose file without the values that are secrets."""

    def visible(service: Service) -> tuple[tuple[str, str], ...]:
        hidden = secret.get(service.name, frozenset())
        return tuple((name, "" if name in hidden else value) for name, value in service.environment)

    return replace(
        compose,
        services=tuple(
            replace(service, environment=visible(service)) for service in compose.services
        ),
    )


def _parsed(role: str, file: RenderedFile) -> ComposeFile:
    try:
        return parse(file.content.decode())
    except ComposeError as error:
        raise _SpecError(Reason.INVALID_COMPOSE_FILE, f"{role}/{COMPOSE_FILE}: {error}") from None


def _part(
    platform: Platform,
    instance: Instance,
    compose: ComposeFile,
    service: Service,
    files: tuple[File, ...],
    secret_environment: frozenset[str],
) -> Part:
    profile = profiles.profile(service.name)
    overrides = instance.component(service.name)
    _check_affinity(f"spec.roles.{instance.role}.components.{service.name}", overrides.affinity)
    if overrides.replicas not in (None, 1) and not profile.scalable:
        how = (
            "add core instances to scale core"
            if service.name == "core"
            else "it keeps state of its own"
        )
        raise _SpecError(
            Reason.NOT_SCALABLE,
            f"{instance.role}/{service.name} runs once: leave replicas out; {how}",
        )
    mine = [
        file
        for file in files
        if any(
            file.path.startswith(mount.source + "/")
            for mount in service.mounts
            if not mount.of_machine
        )
    ]
    folders = [
        FileMount(mount.source, mount.target)
        for mount in service.mounts
        if any(file.path.startswith(mount.source + "/") for file in mine)
    ]
    environment = dict(service.environment)
    mine += [
        File(pods.environment_path(name), environment[name], secret=True)
        for name in sorted(secret_environment)
    ]
    return Part(
        platform=platform,
        instance=instance,
        compose=compose,
        service=replace(service, ports=()) if profile.store else service,
        profile=profile,
        overrides=overrides,
        files=tuple(mine),
        file_mounts=tuple(folders),
        environment=service.environment,
        secret_environment=secret_environment,
        upstream_ports=_upstream_ports(service.name, files),
    )


def _check_affinity(where: str, affinity: Mapping[str, object] | None) -> None:
    """What is added to has to have the form of a pod's; the rest is judged by the API server."""
    pods_affinity = (affinity or {}).get("podAffinity") or {}
    terms = (
        pods_affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or []
        if isinstance(pods_affinity, Mapping)
        else None
    )
    if not isinstance(terms, list):
        raise _SpecError(
            Reason.INVALID_AFFINITY, f"{where}.affinity.podAffinity is none as a pod has it"
        )


def _check_components(layout: Iterable[Instance]) -> None:
    """Two spellings of one component (reverse_proxy, reverse-proxy): one of them would be passed over."""
    for instance in layout:
        seen: dict[str, str] = {}
        for name in sorted(instance.components):
            other = seen.setdefault(names.slug(name), name)
            if other != name:
                raise _SpecError(
                    Reason.DUPLICATE_COMPONENT,
                    f"spec.roles.{instance.role}.components: {other} and {name} are one: keep one of them",
                )


def _check_names(parts: Iterable[Part], services: Iterable[Object]) -> None:
    """Services of compose files whose objects would have one name, or none that is possible."""
    seen: dict[str, str] = {}
    for part in parts:
        where, plain = f"{part.instance.role}/{COMPOSE_FILE}", names.slug(part.service.name)
        if not re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", plain):
            raise _SpecError(
                Reason.INVALID_COMPOSE_FILE,
                f"{where}: the service {part.service.name} must end with a letter or digit",
            )
        if len(part.name) > names.MAX_WORKLOAD_NAME:
            raise _SpecError(
                Reason.INVALID_COMPOSE_FILE,
                f"{where}: the service {part.service.name} makes the name {part.name}, which is longer than {names.MAX_WORKLOAD_NAME} "
                "characters: shorten its name, or the platform's",
            )
        label = f"{part.instance.name}/{part.service.name}"
        other = seen.setdefault(part.name, label)
        if other != label:
            raise _SpecError(
                Reason.INVALID_COMPOSE_FILE,
                f"{where}: the services {other} and {label} are both {part.name} here ('_', '.' and '-' count as one): rename one of them",
            )
    taken: set[str] = set()
    for service in services:
        name = service["metadata"]["name"]
        if name in taken:
            raise _SpecError(
                Reason.INVALID_COMPOSE_FILE,
                f"{COMPOSE_FILE}: a service has a name that the platform uses itself (Service {name}): rename it",
            )
        taken.add(name)


def _check_claims(parts: Iterable[Part]) -> None:
    """A claim that the user brings holds the data of one component of one instance."""
    owners: dict[str, tuple[str, str]] = {}
    for part in parts:
        for claim in pvcs.claims_of(part):
            owner = (part.instance.name, claim.owner)
            if claim.existing and owners.setdefault(claim.name, owner) != owner:
                raise _SpecError(
                    Reason.PVC_SHARED,
                    f"the existing claim {claim.name} would hold the data of {'/'.join(owners[claim.name])} and of {'/'.join(owner)}: "
                    "each needs one of its own (for all cores at once there is none)",
                )


def _upstream_ports(service: str, files: Iterable[File]) -> tuple[int, ...]:
    """Every port under which rendered files name a service, listening or not: an unlisted port of a cluster IP hangs."""
    pattern = re.compile(rf"(?<![\w.-]){re.escape(service)}:(\d{{2,5}})\b")
    found = {
        int(port)
        for file in files
        if file.path != COMPOSE_FILE
        for port in pattern.findall(file.text)
    }
    return tuple(sorted(port for port in found if port < 65536))


def _certified(part: Part, inputs: Inputs) -> Part:
    """A reverse proxy mounts the certificate among its configuration, where compose installations had it."""
    certificate = inputs.certificate_of(part.instance.role)
    if not part.profile.proxy or not isinstance(certificate, Certificate):
        return part
    mount = next((mount for mount in part.service.mounts if mount.target == "/app/conf"), None)
    if mount is None:
        return part
    files = tls.files(mount.source, inputs.platform.spec.domain, certificate)
    mounts = (
        part.file_mounts
        if any(each.folder == mount.source for each in part.file_mounts)
        else (
            *part.file_mounts,
            FileMount(mount.source, mount.target),
        )
    )
    return replace(part, files=(*part.files, *files), file_mounts=mounts)


def _resolving(part: Part, aliases: host_aliases.Aliases) -> Part:
    if not host_aliases.needs_hosts_file(aliases):
        return replace(part, host_aliases=aliases)
    file = File(f"{_HOSTS.folder}/{_HOSTS.file}", host_aliases.hosts_file(aliases), secret=False)
    return replace(part, files=(*part.files, file), file_mounts=(*part.file_mounts, _HOSTS))


def _trusting(part: Part, authorities: str) -> Part:
    """Node.js trusts what NODE_EXTRA_CA_CERTS names, besides the public authorities."""
    if not authorities or not part.profile.node:
        return part
    file = File(f"{_AUTHORITY.folder}/ca.crt", authorities, secret=False)
    return replace(
        part,
        files=(*part.files, file),
        file_mounts=(*part.file_mounts, _AUTHORITY),
        environment=(*part.environment, ("NODE_EXTRA_CA_CERTS", f"{_AUTHORITY.target}/ca.crt")),
    )


def _unused_variables(
    platform: Platform, bundle: Bundle, layout: tuple[Instance, ...]
) -> tuple[Advisory, ...]:
    """What is said about a variable that no template of the wanted roles names, nor the value of another one."""
    names_of = Vocabulary(bundle.variables)
    roles = {instance.role for instance in layout}
    texts = [
        *(content for role in roles for content in bundle.roles[role].values()),
        *bundle.shared.values(),
    ]
    values = repr([variable.default for variable in bundle.variables.values()]) + repr(
        platform.spec.variables.values()
    )
    found: list[Advisory] = []
    for field_name, given in (
        ("variables", platform.spec.variables),
        ("secrets", platform.spec.secrets),
    ):
        for name in sorted(given):
            place = names_of.place(name)
            wanted = place.variable.encode(errors="replace")
            if (
                names_of.knows(place)
                and place.variable not in values
                and not any(wanted in text for text in texts)
            ):
                found.append(
                    Advisory(
                        Reason.UNUSED_VARIABLE,
                        f"{field_name}.{name}: no template of this platform uses it, so it has no effect",
                    )
                )
    return tuple(found)


def _unused_fields(
    platform: Platform, parts: tuple[Part, ...], layout: tuple[Instance, ...]
) -> tuple[Advisory, ...]:
    """Fields of the spec that the templates give no meaning."""
    templates = platform.spec.templates
    found: list[str] = []
    if templates and platform.spec.release:
        found.append("spec.release: templates take its place")
    wanted = {instance.role for instance in layout}
    given = {source.role for source in (templates.files if templates else None) or ()}
    found += [
        f"spec.templates.files: nobody wants the role {role}" for role in sorted(given - wanted)
    ]
    for instance in layout:
        mine = [part for part in parts if part.instance == instance]
        if instance.tls_secret and not any(part.profile.proxy for part in mine):
            found.append(f"spec.roles.{instance.role}.tls: the role has no reverse proxy")
        if instance.service != ServiceOverrides() and not any(part.service.ports for part in mine):
            found.append(f"spec.roles.{instance.role}.service: the role publishes no port")
    return tuple(
        Advisory(Reason.UNUSED_OVERRIDE, f"{each}, so it has no effect")
        for each in dict.fromkeys(found)
    )


def _public_upstreams(part: Part) -> frozenset[str]:
    return (
        host_aliases.public_upstreams(file.text for file in part.files)
        if part.profile.proxy
        else frozenset()
    )


def _without_upstream(parts: Iterable[Part], unresolved: frozenset[str]) -> tuple[Advisory, ...]:
    found = {
        (part.instance.role, host): part.service.name
        for part in parts
        for host in sorted(unresolved & _public_upstreams(part))
    }
    return tuple(
        Advisory(
            Reason.UPSTREAM_UNRESOLVED,
            f"{role}/{service}: its templates take pages from {host}, which cannot be resolved in this cluster: an alias stands in for it, "
            "as nginx would not start otherwise; those pages fail, and nothing else",
        )
        for (role, host), service in found.items()
    )


def _warnings(parts: tuple[Part, ...], layout: tuple[Instance, ...]) -> tuple[Advisory, ...]:
    """What would otherwise be passed over in silence."""
    found: list[Advisory] = []
    for part in parts:
        where = f"{part.instance.role}/{part.service.name}"
        if part.service.name not in profiles.KNOWN:
            found.append(
                Advisory(
                    Reason.UNKNOWN_SERVICE,
                    f"{where} is no service of Pryv's that is known: it runs with a plain profile",
                )
            )
        found += [
            Advisory(
                Reason.HOST_PATH_NOT_MOUNTED,
                f"{where}: {mount.source} of the machine is not mounted into pods",
            )
            for mount in part.service.mounts
            if mount.of_machine
        ]
        found += [
            Advisory(
                Reason.STORE_NOT_PUBLISHED,
                f"{where}: port {port.container} of its compose file is not published, as it has no password; a reg-slave of the platform "
                f"reaches redis anyway, one outside of the cluster by roles.{names.REG_MASTER}.externalSlave",
            )
            for original in part.compose.services
            if part.profile.store and original.name == part.service.name
            for port in original.ports
        ]
        if part.overrides.storage and not pvcs.claims_of(part):
            found.append(
                Advisory(
                    Reason.UNUSED_OVERRIDE,
                    f"{where} keeps no data: its storage override has no effect",
                )
            )
        found += [
            Advisory(
                Reason.UNKNOWN_COMPOSE_KEY,
                f"{part.instance.role}/{COMPOSE_FILE}: {key} is passed over",
            )
            for key in part.compose.unknown
        ]
    for instance in layout:
        if instance.external_slave and not any(
            part.instance == instance and part.service.name == REDIS for part in parts
        ):
            found.append(
                Advisory(
                    Reason.UNUSED_OVERRIDE,
                    f"spec.roles.{instance.role}.externalSlave: the role has no service {REDIS} to publish",
                )
            )
        services = {names.slug(part.service.name) for part in parts if part.instance == instance}
        found += [
            Advisory(
                Reason.UNUSED_OVERRIDE,
                f"spec.roles.{instance.role}.components.{name}: the role has no such service",
            )
            for name in sorted(instance.components)
            if names.slug(name) not in services
        ]
    return tuple(dict.fromkeys(found))
