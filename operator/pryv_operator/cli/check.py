"""``kubectl-pryv check``: reads and asks what the checks judge, all at once."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from pryv_operator import __version__
from pryv_operator.api.crd import definition
from pryv_operator.api.findings import Finding, Problem
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.platform import Platform
from pryv_operator.checks import certificates, cluster, dns, expected, rows, services
from pryv_operator.checks import platform as platform_checks
from pryv_operator.checks.declarations import Check, Section
from pryv_operator.checks.rows import Row, skipped, warn
from pryv_operator.cli.cluster import Cluster
from pryv_operator.cli.live_platform import platform_of, read_bundle
from pryv_operator.cli.probes.cluster import (
    ClusterFacts,
    pull_config,
    read_cluster,
    read_secrets,
)
from pryv_operator.cli.probes.dns import DnsProbe
from pryv_operator.cli.probes.mail import ask_mail_server
from pryv_operator.cli.probes.registry import RegistryProbe, parse_reference
from pryv_operator.cli.probes.routes import Routes, parse_routes, parse_server
from pryv_operator.cli.probes.web import WebProbe, trusting_context
from pryv_operator.desired.inputs import Inputs
from pryv_operator.desired.state import Desired, compute_desired
from pryv_operator.offline.documents import Documents, load_bundle
from pryv_operator.offline.preview import OfflineError, placeholder_inputs, render_files
from pryv_operator.pki.certificate import Certificate
from pryv_operator.pki.pem import pem_text
from pryv_operator.reconcile.secret_data import decoded_bytes, decoded_text
from pryv_operator.reconcile.service_addresses import recorded_addresses
from pryv_operator.reconcile.stored_status import stored_status
from pryv_operator.rollout.revision_inputs import secret_input
from pryv_operator.templates.bundle import Bundle
from pryv_operator.values.addresses import UNKNOWN_ADDRESS, Address
from pryv_operator.values.catalogue import Catalogue
from pryv_operator.values.platform_values import resolve_platform_values

#: Without these, no Secret is read.
_SECTIONS_WITH_SECRETS: Final = (Section.CERTIFICATE, Section.MAIL, Section.IMAGES)
_MAIL: Final = ("EMAIL_SMTP_SETTINGS", "MAIL_SMTP_PASS")
#: Secrets: what was read of each, or why it was not; see ``read_secrets``.
Secrets = Mapping[str, Object | str | None]


@dataclass(frozen=True)
class Options:
    """Options of the command, as its help describes them."""

    resolver: str | None
    connect_to: Sequence[str]
    ca_file: Path | None
    only: Sequence[str]
    send_mail_to: str | None
    timeout: float


@dataclass(frozen=True)
class CheckView:
    """The rows of a check."""

    rows: tuple[Row, ...]
    color: bool = False

    def table(self, *, wide: bool) -> str:
        """A line for each, by section."""
        del wide
        return rows.text(self.rows, color=self.color)

    def names(self) -> Sequence[str]:
        """The checks with their subjects."""
        return [f"{row.check}/{row.subject}" for row in self.rows]

    def document(self) -> dict[str, Any]:
        """What JSON and YAML hold."""
        return rows.document(self.rows)

    @property
    def failed(self) -> bool:
        """Whether a check has failed."""
        return rows.has_failed(self.rows)


@dataclass(frozen=True)
class _Probes:
    """What asks the world outside."""

    dns: DnsProbe
    web: WebProbe
    registry: RegistryProbe
    context: ssl.SSLContext
    routes: Routes
    options: Options


@dataclass(frozen=True)
class _Subject:
    """A platform, and what has to be the case around it."""

    platform: Platform
    inputs: Inputs
    desired: Desired
    zone: expected.Zone
    service_information: Mapping[str, Any]
    servers: tuple[expected.WebServer, ...]


async def check_platform(cluster_: Cluster, name: str, options: Options) -> CheckView:
    """Check a live platform."""
    resource = await cluster_.read_platform(name)
    platform = platform_of(resource)
    status = stored_status(resource)
    bundle = await read_bundle(cluster_, platform, status.release)
    about = platform_checks.status_rows(resource)
    facts = await read_cluster(cluster_, name)
    if isinstance(bundle, Problem):
        found = [*about, *platform_checks.spec_rows([bundle]), *_cluster_rows(facts, platform)]
        return _view(found, options)
    return await _check(
        cluster_, platform, bundle, recorded_addresses(status), about, facts, options
    )


async def check_documents(cluster_: Cluster, documents: Documents, options: Options) -> CheckView:
    """Check what a platform in files would depend on, before it exists."""
    platform = replace(documents.platform, namespace=cluster_.namespace)
    bundle = load_bundle(documents)
    facts = await read_cluster(cluster_, None)
    about = [warn(Check.SPEC, each.reason, each.message) for each in documents.warnings]
    return await _check(cluster_, platform, bundle, None, about, facts, options)


async def _check(
    cluster_: Cluster,
    platform: Platform,
    bundle: Bundle,
    addresses: Mapping[str, Address] | None,
    about: list[Row],
    facts: ClusterFacts,
    options: Options,
) -> CheckView:
    probes = _probes(options)
    found = [*about, *_cluster_rows(facts, platform)]
    subject = _subject(platform, bundle, addresses)
    if not isinstance(subject, _Subject):
        return _view([*found, *platform_checks.spec_rows(subject)], options)
    if addresses is None:
        found += platform_checks.spec_rows(subject.desired.warnings)
    needs_secrets = any(_is_chosen(each, options) for each in _SECTIONS_WITH_SECRETS)
    secrets = await read_secrets(cluster_, _wanted_secrets(subject) if needs_secrets else ())
    parts: dict[Section, Callable[[], Awaitable[list[Row]]]] = {
        Section.DNS: lambda: _dns_rows(subject, probes),
        Section.CERTIFICATE: lambda: _certificate_rows(subject, secrets, probes),
        Section.PORTS: lambda: _port_rows(subject, probes),
        Section.MAIL: lambda: _mail_rows(subject, secrets, probes),
        Section.IMAGES: lambda: _image_rows(subject, secrets, facts, probes),
    }
    chosen = [ask() for section, ask in parts.items() if _is_chosen(section, options)]
    for group in await asyncio.gather(*chosen):
        found += group
    for storage in expected.expected_storage(subject.desired.objects):
        found += cluster.storage_rows(storage, facts.storage_classes, facts.bound)
    return _view(found, options)


def _is_chosen(section: Section, options: Options) -> bool:
    return not options.only or section.option in options.only


def _view(found: Sequence[Row], options: Options) -> CheckView:
    chosen = [row for row in found if _is_chosen(row.check.section, options)]
    return CheckView(tuple(rows.in_order(chosen)))


def _probes(options: Options) -> _Probes:
    context = trusting_context(options.ca_file)
    routes = parse_routes(options.connect_to)
    resolver = parse_server(options.resolver, "--resolver") if options.resolver else None
    return _Probes(
        DnsProbe(resolver, routes, options.timeout),
        WebProbe(context, routes, options.timeout),
        RegistryProbe(context, routes, options.timeout),
        context,
        routes,
        options,
    )


def _subject(
    platform: Platform, bundle: Bundle, addresses: Mapping[str, Address] | None
) -> _Subject | tuple[Finding, ...]:
    """The platform with what is expected, or the problems that forbid to say."""
    try:
        inputs = placeholder_inputs(platform, bundle, addresses)
        desired = compute_desired(inputs)
        if desired.problems:
            return (*desired.problems, *desired.warnings)
        settings = expected.register_settings(render_files(inputs).by_role)
    except OfflineError as error:
        return error.problems
    invented = {
        ip
        for name, each in inputs.addresses.items()
        if name not in (addresses or {})
        for ip in (each.cluster_ip, each.load_balancer_ip)
        if ip
    }
    known = expected.known_addresses(inputs, desired, {*invented, UNKNOWN_ADDRESS})
    published = expected.published_ports(desired, platform.name)
    return _Subject(
        platform,
        inputs,
        desired,
        expected.expected_zone(platform.spec.domain, settings, known, published),
        expected.expected_service_information(settings),
        tuple(expected.expected_web_servers(inputs, desired, known, published)),
    )


# --- the cluster ---


def _cluster_rows(facts: ClusterFacts, platform: Platform) -> list[Row]:
    now = dt.datetime.now(dt.UTC)
    crd = (
        cluster.custom_resource(facts.crd, definition())
        if facts.crd_readable
        else skipped(Check.CUSTOM_RESOURCE, "pryvplatforms.pryv.io", "you may not read it")
    )
    version = cluster.operator_version(facts.deployments or (), __version__)
    return [
        cluster.kubernetes_version(facts.version),
        crd,
        cluster.operator(facts.leases, now)
        if facts.leases is not None
        else skipped(Check.OPERATOR, "leader", "you may not list Leases of all namespaces"),
        *([version] if version else []),
        cluster.network_policies(
            facts.daemon_sets, enabled=platform.spec.network_policy is not False
        ),
    ]


# --- DNS ---


async def _dns_rows(subject: _Subject, probes: _Probes) -> list[Row]:
    zone, probe = subject.zone, probes.dns
    if not zone.name_servers:
        return [skipped(Check.DELEGATION, zone.domain, "the templates have no DNS server")]
    names = [each.name for each in zone.hosts]
    protocols = {"UDP": False, "TCP": True} if zone.tcp else {"UDP": False}
    asked = [(each, by) for each in zone.name_servers if each.address for by in protocols]
    delegation, referral, servers, hosts, direct = await asyncio.gather(
        probe.resolve(zone.domain, "NS"),
        probe.referral(zone.domain),
        asyncio.gather(*(probe.resolve(each.name, "A") for each in zone.name_servers)),
        asyncio.gather(*(probe.resolve(name, "A") for name in names)),
        asyncio.gather(
            *(probe.ask_all(each.address or "", names, tcp=protocols[by]) for each, by in asked)
        ),
    )
    unknown = [each for each in zone.name_servers if not each.address]
    return [
        dns.delegation(zone, delegation),
        *dns.glue(zone, referral),
        *(
            dns.name_server_address(each, answer)
            for each, answer in zip(zone.name_servers, servers, strict=True)
        ),
        *(dns.host_address(each, answer) for each, answer in zip(zone.hosts, hosts, strict=True)),
        *(
            dns.dns_server(each, protocol, zone.hosts, answers)
            for (each, protocol), answers in zip(asked, direct, strict=True)
        ),
        *(dns.dns_server(each, "UDP", zone.hosts, {}) for each in unknown),
    ]


# --- certificates, ports, service information ---


async def _certificate_rows(subject: _Subject, secrets: Secrets, probes: _Probes) -> list[Row]:
    now = dt.datetime.now(dt.UTC)
    roots = probes.context.get_ca_certs(binary_form=True)
    found: list[Row] = []
    leaves: dict[str, bytes | None] = {}
    wanted = expected.expected_certificates(subject.inputs)
    for each in wanted:
        secret = secrets.get(each.secret)
        if isinstance(secret, str):
            found.append(skipped(Check.CERTIFICATE, each.secret, secret))
        elif (certificate := _certificate(secret)) is None:
            text = f'Secret "{each.secret}" with tls.crt and tls.key not found'
            found.append(rows.fail(Check.CERTIFICATE, each.secret, text, "create it"))
        else:
            found += certificates.secret_rows(each, certificate, roots, now)
            leaves[each.secret] = certificates.leaf_of(certificate)
    if not any("*" in each.dns_names[-1] for each in wanted):
        found.append(certificates.private_authority())
    served = await asyncio.gather(
        *(
            probes.web.handshake(each.address or UNKNOWN_ADDRESS, each.host)
            if each.address
            else _nothing()
            for each in subject.servers
        )
    )
    by_names = {each.dns_names: leaves.get(each.secret) for each in wanted}
    found += [
        certificates.served_row(server, each, by_names.get(server.dns_names), now)
        for server, each in zip(subject.servers, served, strict=True)
    ]
    return found


async def _nothing() -> certificates.Served:
    return certificates.Served()


def _certificate(secret: Object | None) -> Certificate | None:
    chain = decoded_bytes(secret, "tls.crt") if secret else None
    key = decoded_bytes(secret, "tls.key") if secret else None
    return Certificate(pem_text(chain), pem_text(key)) if chain and key else None


async def _port_rows(subject: _Subject, probes: _Probes) -> list[Row]:
    ports = expected.ports_of(subject.zone, subject.servers)

    async def row(title: str, address: str | None, port: int) -> Row:
        error = await probes.web.connect(address, port) if address else ""
        return services.port_row(title, address, port, error)

    found = list(await asyncio.gather(*(row(*each) for each in ports)))
    register = next((each for each in subject.servers if each.host.startswith("reg.")), None)
    if register is None or not subject.service_information:
        return found
    answer = (
        await probes.web.get(register.address, register.host, "/service/info")
        if register.address
        else services.HttpAnswer()
    )
    url = f"https://{register.host}/service/info"
    return [
        *found,
        services.service_information(url, register.address, subject.service_information, answer),
    ]


# --- e-mail ---


async def _mail_rows(subject: _Subject, secrets: Secrets, probes: _Probes) -> list[Row]:
    settings = expected.expected_mail(_mail_values(subject, secrets))
    if settings is None:
        return [skipped(Check.MAIL_SERVER, "e-mail", "no kind of e-mail is activated")]
    if settings.problem:
        return services.mail_rows(settings, None, None)
    options = probes.options
    answer = await ask_mail_server(
        settings, probes.context, probes.routes, options.timeout, options.send_mail_to
    )
    return services.mail_rows(settings, answer, options.send_mail_to)


def _mail_values(subject: _Subject, secrets: Secrets) -> dict[str, Any]:
    """The values of all variables; of secrets only those of the mail server, if they are known."""
    inputs = subject.inputs
    names = _mail_secrets(inputs)
    known: dict[str, str] = {}
    for name in names:
        source = secret_input(subject.platform, name)
        secret = secrets.get(source.secret)
        text = decoded_text(secret, source.key) if isinstance(secret, dict) else None
        if text is not None:
            known[name] = text
    unknown = set(names) - known.keys()
    found = resolve_platform_values(
        inputs.platform,
        inputs.bundle,
        addresses=inputs.addresses,
        secrets={name: known.get(name, text) for name, text in inputs.secrets.items()},
        cluster_dns=inputs.cluster_dns,
    )
    values: dict[str, Any] = {name: each.value for name, each in found.values.items()}
    for name in unknown:
        place = Catalogue(inputs.bundle.variables).place(name)
        if place.path == ("auth", "pass"):
            settings = dict(values[place.variable])
            settings["auth"] = {**settings["auth"], "pass": None}
            values[place.variable] = settings
        else:
            values[place.variable] = None
    return values


def _mail_secrets(inputs: Inputs) -> list[str]:
    catalogue = Catalogue(inputs.bundle.variables)
    return [name for name in inputs.secrets if catalogue.place(name).variable in _MAIL]


# --- images ---


async def _image_rows(
    subject: _Subject, secrets: Secrets, facts: ClusterFacts, probes: _Probes
) -> list[Row]:
    async def row(image: expected.Image) -> Row:
        if not services.needs_registry(image, facts.pods):
            return services.image_row(image, facts.pods, None)
        unreadable = [
            each for name in image.pull_secrets if isinstance(each := secrets.get(name), str)
        ]
        missing = [name for name in image.pull_secrets if secrets.get(name) is None]
        if unreadable:
            answer = services.RegistryAnswer(skipped=unreadable[0])
        elif missing:
            return rows.fail(
                Check.IMAGE, image.image, f'pull Secret "{missing[0]}" not found', "create it"
            )
        else:
            configs = [
                pull_config(each)
                for name in image.pull_secrets
                if isinstance(each := secrets.get(name), dict)
            ]
            reference = parse_reference(image.image)
            login = services.pull_login(reference.registry, configs)
            answer = await probes.registry.ask(reference, login)
        return services.image_row(image, facts.pods, answer)

    return list(await asyncio.gather(*map(row, expected.expected_images(subject.desired))))


def _wanted_secrets(subject: _Subject) -> set[str]:
    """Names of the Secrets that are read: certificates, pull Secrets, the mail server's."""
    wanted = {each.secret for each in expected.expected_certificates(subject.inputs)}
    for image in expected.expected_images(subject.desired):
        wanted |= set(image.pull_secrets)
    wanted |= {
        secret_input(subject.platform, name).secret for name in _mail_secrets(subject.inputs)
    }
    return wanted
