"""The content of a role's compose file, as far as it means something to pods."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

Protocol = Literal["tcp", "udp"]

#: Where hosts have the socket of their syslog.
_SYSLOG_SOCKETS: Final = (
    "/dev/log",
    "/run/systemd/journal/dev-log",
    "/run/systemd/journal/syslog",
    "/var/run/systemd/journal/dev-log",
    "/var/run/systemd/journal/syslog",
    "/var/run/syslog",
)


@dataclass(frozen=True)
class Port:
    """A published port: the machine's ``host`` port leads to the container's ``container`` port."""

    host: int
    container: int
    protocol: Protocol


@dataclass(frozen=True)
class ContainerPort:
    """A port that a service listens to inside the platform's network."""

    number: int
    protocol: Protocol


@dataclass(frozen=True)
class Mount:
    """A volume; ``source`` is a path in the role's folder (``nginx/conf``) or of the host.

    Of kind ``volume`` it is the name of a volume of the file, and of kind ``tmpfs`` it is empty.
    """

    source: str
    target: str
    read_only: bool
    kind: Literal["path", "volume", "tmpfs"] = "path"
    #: Bytes of a tmpfs, if it is limited.
    size: int | None = None

    @cached_property
    def is_host_path(self) -> bool:
        """Whether the source is a path of the host, outside of the role's folder."""
        return self.kind == "path" and self.source.startswith(("/", "~", "$"))

    @cached_property
    def is_role_path(self) -> bool:
        """Whether the source is a file or folder of the role's folder."""
        return self.kind == "path" and not self.is_host_path

    @property
    def is_syslog(self) -> bool:
        """Whether the source is the socket of the host's syslog."""
        return self.source in _SYSLOG_SOCKETS


@dataclass(frozen=True)
class Service:
    """One service of a role."""

    name: str
    image: str
    networks: tuple[str, ...] = ()
    ports: tuple[Port, ...] = ()
    #: Ports that the host publishes on one of its own addresses only, with that address.
    bound_ports: tuple[tuple[str, Port], ...] = ()
    #: Ports on the host's loopback: they are not published.
    loopback_ports: tuple[Port, ...] = ()
    #: Ports that Docker publishes at any free port of the host: they are not published.
    unfixed_ports: tuple[ContainerPort, ...] = ()
    #: Ports of ``expose``.
    exposed_ports: tuple[ContainerPort, ...] = ()
    mounts: tuple[Mount, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    links: tuple[str, ...] = ()
    #: Service and the further name that this one knows it by (``links: [db:database]``).
    link_aliases: tuple[tuple[str, str], ...] = ()
    #: Network and a further name of the service in it.
    aliases: tuple[tuple[str, str], ...] = ()
    #: Replaces the entry point of the image; with it the image's own arguments do not apply.
    entrypoint: tuple[str, ...] | None = None
    #: Replaces the arguments of the entry point.
    command: tuple[str, ...] | None = None
    #: UDP port on the loopback that it sends audit records to.
    audit_port: int | None = None

    @cached_property
    def inner_ports(self) -> tuple[ContainerPort, ...]:
        """Ports that it listens to for other services only, sorted."""
        if not (self.exposed_ports or self.unfixed_ports or self.loopback_ports):
            return ()
        loopback = (ContainerPort(port.container, port.protocol) for port in self.loopback_ports)
        found = {*self.exposed_ports, *self.unfixed_ports, *loopback}
        return tuple(sorted(found, key=lambda port: (port.protocol, port.number)))


@dataclass(frozen=True)
class ComposeFile:
    """A role's services in the file's order, and the keys that are not supported (dotted paths)."""

    services: tuple[Service, ...]
    unknown_keys: tuple[str, ...] = ()
    #: Path of a key, and a variable of the machine that counts as unset there.
    unset_variables: tuple[tuple[str, str], ...] = ()

    def peers(self, service: Service) -> tuple[Service, ...]:
        """The other services that share a network with this one."""
        key = (service.name, service.networks)
        found = self._peers.get(key)
        if found is None:
            networks = set(service.networks)
            found = self._peers[key] = tuple(
                other
                for other in self.services
                if other.name != service.name and not networks.isdisjoint(other.networks)
            )
        return found

    @cached_property
    def _peers(self) -> dict[tuple[str, tuple[str, ...]], tuple[Service, ...]]:
        """By name and networks of a service; ``peers`` fills it."""
        return {}

    def names_of(self, peer: Service, service: Service) -> tuple[str, ...]:
        """The names by which a service knows one of its peers, besides the peer's own name."""
        if not peer.aliases and not service.link_aliases:
            return ()
        networks = set(service.networks)
        aliases = (alias for network, alias in peer.aliases if network in networks)
        links = (alias for linked, alias in service.link_aliases if linked == peer.name)
        return tuple(dict.fromkeys((*aliases, *links)))
