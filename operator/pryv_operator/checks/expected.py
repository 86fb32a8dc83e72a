"""What has to be the case around a platform, from its inputs. Pure.

Everything that is compared with the world outside is derived from the same files and objects that
the operator creates: the DNS zone and the service information from register's rendered file,
images and storage from the workloads and PVCs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pryv_operator.api import names
from pryv_operator.api.kubernetes import WORKLOAD_KINDS, Object
from pryv_operator.desired.certificates import dns_names, role_dns_names, role_secret_names
from pryv_operator.desired.certificates import secret_name as certificate_secret
from pryv_operator.desired.inputs import Inputs
from pryv_operator.desired.state import Desired
from pryv_operator.rendering.files import RenderedFile
from pryv_operator.values.addresses import is_ipv4

#: The file of register and of dns, which are one program.
_REGISTER_FILES: Final = ("register/conf/register.json", "dns/conf/dns.json")
#: Host names that each role's reverse proxy serves, besides those of core instances.
_SERVED: Final[Mapping[str, tuple[str, ...]]] = {
    names.REG_MASTER: ("reg", "access"),
    names.STATIC: ("sw",),
    names.REG_SLAVE: ("reg2",),
    names.SINGLE_NODE: ("reg", "access", "sw", "co1"),
}
#: Ports of clients. Others that are published, such as redis for a reg-slave, are not for all.
_WEB_PORTS: Final = (443, 80)
DNS_PORT: Final = 53


@dataclass(frozen=True)
class NameServer:
    """A name server of the domain; ``address`` None: not known before it is installed."""

    name: str
    address: str | None


@dataclass(frozen=True)
class Host:
    """A host name of the platform and the address that its DNS server answers with."""

    name: str
    address: str | None


@dataclass(frozen=True)
class WebServer:
    """The reverse proxy of a role instance: the name to ask it for, and its address."""

    instance: str
    host: str
    address: str | None
    #: Names that its certificate has to cover.
    dns_names: tuple[str, ...]
    #: TCP ports that it publishes for clients.
    ports: tuple[int, ...] = ()


@dataclass(frozen=True)
class CertificateSecret:
    """A Secret that has to hold a certificate for these names."""

    secret: str
    dns_names: tuple[str, ...]


@dataclass(frozen=True)
class MailSettings:
    """How e-mails are sent; ``problem``: why no server can be asked."""

    sender: str
    host: str = ""
    port: int = 0
    #: TLS from the beginning; else STARTTLS where the server offers it.
    implicit_tls: bool = False
    require_tls: bool = False
    verify: bool = True
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    problem: str = ""

    @property
    def server(self) -> str:
        """Host and port."""
        return f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Image:
    """An image, which components use it, and the Secrets with logins for its registry."""

    image: str
    components: tuple[str, ...]
    pull_secrets: tuple[str, ...]


@dataclass(frozen=True)
class Storage:
    """PVCs that ask for one storage class. ``storage_class`` None: the default one."""

    storage_class: str | None
    pvcs: tuple[str, ...]


@dataclass(frozen=True)
class Zone:
    """The DNS zone of the platform."""

    domain: str
    name_servers: tuple[NameServer, ...] = ()
    hosts: tuple[Host, ...] = ()
    #: Whether port 53 is published by TCP as well; the DNS server of Pryv speaks UDP only.
    tcp: bool = False


# --- DNS, from register's rendered file ---


def register_settings(files: Mapping[str, Iterable[RenderedFile]]) -> dict[str, Any]:
    """What register and dns read, of the first role that has the file; empty: no role has it."""
    for path in _REGISTER_FILES:
        for role in names.ROLES:
            for file in files.get(role, ()):
                if file.path == path:
                    try:
                        found = json.loads(file.content)
                    except ValueError:
                        return {}
                    return found if isinstance(found, dict) else {}
    return {}


def expected_zone(
    domain: str,
    settings: Mapping[str, Any],
    known: frozenset[str],
    published: Mapping[str, frozenset[int]],
) -> Zone:
    """The zone that the platform's DNS server serves.

    Args:
        domain: the platform's domain.
        settings: those of ``register_settings``.
        known: addresses that are not placeholders.
        published: that of ``published_ports``.
    """
    dns = _mapping(settings.get("dns"))
    servers = [each for each in dns.get("nameserver") or () if isinstance(each, Mapping)]
    static = {
        str(name): entry
        for name, entry in _mapping(dns.get("staticDataInDomain")).items()
        if isinstance(entry, Mapping)
    }

    def address_of(entry: Mapping[str, Any], depth: int = 4) -> str | None:
        if "ip" in entry:
            return _known(entry["ip"], known)
        alias = str(_mapping(entry.get("alias")).get("name", "")).removesuffix(f".{domain}")
        return address_of(static[alias], depth - 1) if alias in static and depth else None

    hosts = {f"{name}.{domain}": address_of(entry) for name, entry in static.items()}
    hosts |= {
        f"{core}.{domain}": _known(_mapping(entry).get("ip"), known)
        for cores in _mapping(_mapping(settings.get("net")).get("hostings")).values()
        for core, entry in _mapping(cores).items()
        if _mapping(entry).get("ip")
    }
    if dns.get("domain_A"):
        hosts[domain] = _known(dns["domain_A"], known)
    shown = [name for name in hosts if name.removesuffix(f".{domain}") not in _NOT_SHOWN]
    return Zone(
        domain,
        tuple(
            NameServer(str(each.get("name", "")), _known(each.get("ip"), known)) for each in servers
        ),
        tuple(Host(name, hosts[name]) for name in sorted(shown)),
        tcp=any(DNS_PORT in ports for ports in published.values()),
    )


#: Names for other components only, or of name servers, which have rows of their own.
_NOT_SHOWN: Final = ("local", "mail", "service", "dns1", "dns2")


def expected_service_information(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What register answers at ``/service/info``."""
    return dict(_mapping(settings.get("service")))


def _known(ip: Any, known: frozenset[str]) -> str | None:
    return ip if isinstance(ip, str) and ip in known else None


# --- servers and certificates ---


def published_ports(desired: Desired, platform: str) -> dict[str, frozenset[int]]:
    """External Service of an instance → its TCP ports."""
    external = {names.external_service(platform, each.name) for each in desired.instances}
    return {
        item["metadata"]["name"]: frozenset(
            each["port"] for each in item["spec"]["ports"] if each.get("protocol", "TCP") == "TCP"
        )
        for item in desired.services
        if item["metadata"]["name"] in external
    }


def expected_web_servers(
    inputs: Inputs,
    desired: Desired,
    known: frozenset[str],
    published: Mapping[str, frozenset[int]],
) -> list[WebServer]:
    """The reverse proxies, each with one of the names that it serves."""
    domain = inputs.platform.spec.domain
    own = role_secret_names(inputs.platform)
    found: list[WebServer] = []
    for instance in desired.instances:
        hosts = _SERVED.get(instance.role, (instance.name,))
        covered = (
            role_dns_names(instance.role, domain) if instance.role in own else dns_names(domain)
        )
        service = names.external_service(inputs.platform.name, instance.name)
        ports = published.get(service, frozenset())
        found.append(
            WebServer(
                instance.name,
                f"{hosts[0]}.{domain}",
                _known(instance.address, known),
                tuple(covered),
                tuple(port for port in _WEB_PORTS if port in ports),
            )
        )
    return found


def ports_of(zone: Zone, servers: Iterable[WebServer]) -> list[tuple[str, str | None, int]]:
    """Subject, address and TCP port of everything that clients connect to."""
    found = [
        (f"{each.instance} ({each.host})", each.address, port)
        for each in servers
        for port in each.ports
    ]
    if zone.tcp:
        found += [(each.name, each.address, DNS_PORT) for each in zone.name_servers]
    return found


def expected_certificates(inputs: Inputs) -> list[CertificateSecret]:
    """The Secrets with certificates of the user or of cert-manager; none: a private authority's."""
    domain = inputs.platform.spec.domain
    name = certificate_secret(inputs.platform)
    found = [CertificateSecret(name, tuple(dns_names(domain)))] if name else []
    found += [
        CertificateSecret(secret, tuple(role_dns_names(role, domain)))
        for role, secret in role_secret_names(inputs.platform).items()
    ]
    return found


# --- e-mail ---


def expected_mail(values: Mapping[str, Any]) -> MailSettings | None:
    """How the platform sends e-mails; None: it sends none.

    ``values``: variable → its value, with the password if that is known. The settings are those of
    nodemailer, which service-mail gives them to: ``secure`` is TLS from the beginning, else
    STARTTLS is used if it is offered, unless ``ignoreTLS``.
    """
    activation = values.get("EMAIL_ACTIVATION")
    settings = _mapping(values.get("EMAIL_SMTP_SETTINGS"))
    if isinstance(activation, Mapping):
        if not any(each is True for each in activation.values()):
            return None
        sender = str(_mapping(values.get("EMAIL_SENDER")).get("address", ""))
        if _mapping(values.get("EMAIL_SENDMAIL_SETTINGS")).get("active") is True:
            return MailSettings(sender, problem="e-mails are sent by sendmail, not by SMTP")
    else:
        settings = {
            "host": values.get("MAIL_SMTP_HOST"),
            "port": values.get("MAIL_SMTP_PORT"),
            "auth": {"user": values.get("MAIL_SMTP_USER"), "pass": values.get("MAIL_SMTP_PASS")},
        }
        sender = str(values.get("MAIL_FROM_ADDRESS") or "")
        if settings["host"] in (None, "", "MAIL_SMTP_HOST"):
            return None
    return _mail_settings(sender, settings)


def _mail_settings(sender: str, settings: Mapping[str, Any]) -> MailSettings:
    if settings.get("url") or settings.get("service"):
        return MailSettings(
            sender, problem="the settings have a url or a service, which nodemailer resolves"
        )
    auth = _mapping(settings.get("auth"))
    if str(auth.get("type") or "login").lower() != "login":
        return MailSettings(sender, problem="the login is by OAuth2, which this command cannot do")
    secure = settings.get("secure") is True
    try:
        port = int(settings.get("port") or (465 if secure else 587))
    except (TypeError, ValueError):
        return MailSettings(sender, problem="the port is not a number")
    user, password = auth.get("user"), auth.get("pass")
    return MailSettings(
        sender,
        host=str(settings.get("host") or "localhost"),
        port=port,
        implicit_tls=secure or port == 465,
        require_tls=settings.get("requireTLS") is True,
        verify=_mapping(settings.get("tls")).get("rejectUnauthorized") is not False,
        user=str(user) if user else None,
        password=str(password) if password else None,
    )


# --- images and storage ---


def expected_images(desired: Desired) -> list[Image]:
    """The images of all workloads, init containers and sidecars included."""
    labels = {each.name: each.label for plan in desired.instances for each in plan.workloads}
    users: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for item in desired.objects:
        if item["kind"] not in WORKLOAD_KINDS:
            continue
        pod = item["spec"]["template"]["spec"]
        secrets = tuple(each["name"] for each in pod.get("imagePullSecrets") or ())
        label = labels.get(item["metadata"]["name"], item["metadata"]["name"])
        for container in (*(pod.get("initContainers") or ()), *pod["containers"]):
            using = users.setdefault((container["image"], secrets), [])
            if label not in using:
                using.append(label)
    return [
        Image(image, tuple(using), secrets) for (image, secrets), using in sorted(users.items())
    ]


def expected_storage(objects: Iterable[Object]) -> list[Storage]:
    """The PVCs by the storage class that they ask for."""
    found: dict[str | None, list[str]] = {}
    for item in objects:
        if item["kind"] == "PersistentVolumeClaim":
            found.setdefault(item["spec"].get("storageClassName"), []).append(
                item["metadata"]["name"]
            )
    return [
        Storage(name, tuple(sorted(pvcs)))
        for name, pvcs in sorted(found.items(), key=lambda entry: entry[0] or "")
    ]


def known_addresses(
    inputs: Inputs, desired: Desired, placeholders: Iterable[str]
) -> frozenset[str]:
    """Addresses that the spec, variables or the cluster give, none of which is a placeholder."""
    texts = {each.address for each in desired.instances}
    for address in inputs.addresses.values():
        texts |= {address.cluster_ip, address.load_balancer_ip}
    found = {each for each in texts if each and is_ipv4(each)}
    found |= {
        each for each in _texts(inputs.platform.spec.model_dump(mode="json")) if is_ipv4(each)
    }
    return frozenset(found) - frozenset(placeholders)


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for child in value.values():
            yield from _texts(child)
    elif isinstance(value, list):
        for child in value:
            yield from _texts(child)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
