"""Host names inside the pods: the compose names, and the platform's own under DOMAIN, as addresses of Services.

nginx resolves its upstreams once, at start, and refuses to start on a name it does not know.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from pryv_operator.api import names
from pryv_operator.api.instances import Instance
from pryv_operator.compose.model import ComposeFile, Service
from pryv_operator.objects import profiles
from pryv_operator.objects.profiles import Profile

Aliases = tuple[tuple[str, tuple[str, ...]], ...]

_LOOPBACK: Final = "127.0.0.1"
#: Stands for a host that cannot be resolved: connecting to the broadcast address fails at once, wherever it is tried.
UNREACHABLE: Final = "255.255.255.255"
#: Where all releases take some web pages from; nginx looks it up when it starts, and does not start without an answer.
_PUBLIC_UPSTREAM: Final = re.compile(
    r"^[^#\n]*\b(?:server|proxy_pass)\s+(?:https?://)?(pryv\.github\.io)(?![\w.-])", re.MULTILINE
)
#: Services of the machine, once: received templates still name them, and nginx must resolve them.
_GONE: Final = ("config-follower", "config-leader")
_DNS_NAME: Final = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
#: Host names of a role besides its own: what the platform's zone points there.
_ALSO: Final[Mapping[str, tuple[str, ...]]] = {
    names.REG_MASTER: ("access", "mail", "service"),
    names.STATIC: ("mfa",),
    names.CORE: (),
    names.REG_SLAVE: (),
    names.SINGLE_NODE: ("access", "co1", "mail", "mfa", "service", "sw"),
}


def aliases(
    *,
    platform: str,
    domain: str,
    instance: Instance,
    compose: ComposeFile,
    service: Service,
    profile: Profile,
    instances: Iterable[Instance],
    cluster_ips: Mapping[str, str],
    nowhere: Collection[str] = (),
) -> Aliases:
    """Addresses with their names for one component, one entry an address (server-side apply merges by address), sorted by names.

    A passive component calls nobody. Everyone else reaches its compose peers, the register and the static pages, and its own instance;
    the register also calls each core. Others do not name the cores: a new core must not roll the ones that are there.
    ``nowhere`` are names that lead nowhere, so that they are known at all.
    """
    if profile.passive:
        return ()
    by_ip: dict[str, set[str]] = {}

    def add(ip: str | None, *host_names: str) -> None:
        if ip and host_names:
            by_ip.setdefault(ip, set()).update(host_names)

    for peer in compose.peers(service):
        if profiles.profile(peer.name).proxy:
            continue  # nobody calls it by this name, which is none for the API server
        add(cluster_ips.get(names.workload(platform, instance.name, peer.name)), peer.name)
    if profile.proxy:
        add(_LOOPBACK, *_GONE)
        add(UNREACHABLE, *nowhere)
    for other in instances:
        if (
            other.role in (names.REG_MASTER, names.STATIC)
            or other == instance
            or (profile.calls_cores and other.role == names.CORE)
        ):
            hosts = (other.host, *_ALSO[other.role])
            add(
                cluster_ips.get(names.external_service(platform, other.name)),
                *(f"{host}.{domain}" for host in hosts),
            )
    return tuple(
        sorted(
            ((ip, tuple(sorted(hosts))) for ip, hosts in by_ip.items()), key=lambda alias: alias[1]
        )
    )


def public_upstreams(texts: Iterable[str]) -> frozenset[str]:
    """Public hosts that nginx looks up when it starts; what it looks up when it is asked (by a variable) is none."""
    return frozenset(host for text in texts for host in _PUBLIC_UPSTREAM.findall(text))


def needs_hosts_file(found: Aliases) -> bool:
    """Whether a name is none for the API server (``app_web_auth3``): then a hosts file carries them all."""
    return any(not _DNS_NAME.match(host) for _, hosts in found for host in hosts)


def hosts_file(found: Aliases) -> str:
    """The text of ``/etc/hosts``: a container that mounts one gets no aliases at all, so it holds localhost too."""
    lines = ["127.0.0.1\tlocalhost", "::1\tlocalhost ip6-localhost ip6-loopback"]
    lines += [f"{ip}\t{' '.join(hosts)}" for ip, hosts in found]
    return "\n".join(lines) + "\n"
