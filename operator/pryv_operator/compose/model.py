"""The content of a role's compose file, as far as Pryv.io's releases use compose."""

from __future__ import annotations

from dataclasses import dataclass
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
class Mount:
    """A volume; ``source`` is a path in the role's folder (``nginx/conf``) or of the host."""

    source: str
    target: str
    read_only: bool

    @property
    def is_host_path(self) -> bool:
        """Whether the source is a path of the host, outside of the role's folder."""
        return self.source.startswith(("/", "~"))

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
    mounts: tuple[Mount, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    links: tuple[str, ...] = ()
    #: Replaces the entry point of the image; with it the image's own arguments do not apply.
    entrypoint: tuple[str, ...] | None = None
    #: Replaces the arguments of the entry point.
    command: tuple[str, ...] | None = None
    #: UDP port on the loopback that it sends audit records to.
    audit_port: int | None = None


@dataclass(frozen=True)
class ComposeFile:
    """A role's services in the file's order, and the keys that are not supported (dotted paths)."""

    services: tuple[Service, ...]
    unknown_keys: tuple[str, ...] = ()

    def peers(self, service: Service) -> tuple[Service, ...]:
        """The other services that share a network with this one."""
        return tuple(
            other
            for other in self.services
            if other != service and set(other.networks) & set(service.networks)
        )
