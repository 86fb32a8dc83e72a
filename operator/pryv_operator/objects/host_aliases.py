"""Host names inside the pods: compose service names, and the platform's names under DOMAIN.

nginx resolves its upstreams once, when it starts, and does not start with an unknown name.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Final, TypeAlias

from pryv_operator.api import names
from pryv_operator.api.instances import Instance
from pryv_operator.objects.model import Component
from pryv_operator.objects.profiles import profile_of

#: IP address and host names, as in a pod's ``hostAliases``.
HostAliases: TypeAlias = tuple[tuple[str, tuple[str, ...]], ...]

_LOOPBACK: Final = "127.0.0.1"
#: Address for hosts that cannot be resolved. Connections to the broadcast address fail at once.
UNREACHABLE: Final = "255.255.255.255"
#: Services of compose installations that do not exist in a cluster. Archives still name them.
_REMOVED_SERVICES: Final = ("config-follower", "config-leader")
_DNS_NAME: Final = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
#: Host names that the platform's DNS zone points at a role, besides the instance's own.
_ROLE_HOSTS: Final[Mapping[str, tuple[str, ...]]] = {
    names.REG_MASTER: ("access", "mail", "service"),
    names.STATIC: ("mfa",),
    names.CORE: (),
    names.REG_SLAVE: (),
    names.SINGLE_NODE: ("access", "co1", "mail", "mfa", "service", "sw"),
}


def host_aliases(
    component: Component,
    instances: Iterable[Instance],
    cluster_ips: Mapping[str, str],
    unresolved: Collection[str] = (),
) -> HostAliases:
    """The host names that a component needs, sorted, with one entry per IP address.

    Server-side apply merges ``hostAliases`` by address, so an address must not occur twice.

    Args:
        component: the component; a passive one has no aliases.
        instances: all role instances of the platform.
        cluster_ips: Service → cluster IP.
        unresolved: hosts that a reverse proxy needs and that the cluster cannot resolve.
    """
    if component.profile.passive:
        return ()
    entries = [*_compose_peers(component, cluster_ips)]
    if component.profile.proxy:
        entries += [(_LOOPBACK, _REMOVED_SERVICES), (UNREACHABLE, tuple(unresolved))]
    entries += _called_instances(component, instances, cluster_ips)
    by_ip: dict[str, set[str]] = {}
    for ip, hosts in entries:
        if ip and hosts:
            by_ip.setdefault(ip, set()).update(hosts)
    aliases = ((ip, tuple(sorted(hosts))) for ip, hosts in by_ip.items())
    return tuple(sorted(aliases, key=lambda alias: alias[1]))


def _compose_peers(
    component: Component, cluster_ips: Mapping[str, str]
) -> Iterable[tuple[str | None, tuple[str, ...]]]:
    """The services on the same compose networks, by their compose names and aliases."""
    for peer in component.compose.peers(component.service):
        # No service calls a reverse proxy by its compose name, which is not a valid DNS name.
        if not profile_of(peer.name, peer.image).proxy:
            service = names.workload(component.platform.name, component.instance.name, peer.name)
            aliases = component.compose.names_of(peer, component.service)
            is_relayed = component.relay is not None and component.relay.service == peer.name
            ip = _LOOPBACK if is_relayed else cluster_ips.get(service)
            yield ip, (peer.name, *aliases)


def _called_instances(
    component: Component, instances: Iterable[Instance], cluster_ips: Mapping[str, str]
) -> Iterable[tuple[str | None, tuple[str, ...]]]:
    """The role instances that a component calls, by their names under DOMAIN.

    Only the register calls cores: otherwise a new core would roll out the existing ones.
    """
    platform = component.platform
    for other in instances:
        if (
            other.role in (names.REG_MASTER, names.STATIC)
            or other.key == component.instance.key
            or (component.profile.calls_cores and other.role == names.CORE)
        ):
            hosts = (other.host, *_ROLE_HOSTS[other.role])
            yield (
                cluster_ips.get(names.external_service(platform.name, other.name)),
                tuple(f"{host}.{platform.spec.domain}" for host in hosts),
            )


def needs_hosts_file(aliases: HostAliases) -> bool:
    """Whether ``hostAliases`` cannot hold a name because it is not a DNS name (``admin_panel``)."""
    return any(not _DNS_NAME.match(host) for _, hosts in aliases for host in hosts)


def hosts_file(aliases: HostAliases) -> str:
    """The text of an ``/etc/hosts``, with localhost.

    A container that mounts one gets no ``hostAliases``, so it holds every name.
    """
    lines = ["127.0.0.1\tlocalhost", "::1\tlocalhost ip6-localhost ip6-loopback"]
    lines += [f"{ip}\t{' '.join(hosts)}" for ip, hosts in aliases]
    return "\n".join(lines) + "\n"
