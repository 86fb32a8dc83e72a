"""A component with its files: what workloads, Services and policies are built from."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names
from pryv_operator.api.instances import Instance
from pryv_operator.api.platform import Platform
from pryv_operator.api.spec import ComponentOverrides
from pryv_operator.compose.model import ComposeFile, Mount, Port, Service
from pryv_operator.leader.taint import masks_in
from pryv_operator.objects.profiles import Profile
from pryv_operator.objects.upstreams import public_upstreams


@dataclass(frozen=True)
class File:
    """A file of a component. ``path`` is relative to the role's folder.

    ``masked`` is the text of a secret file with masks in the place of the secrets, if there is one.
    """

    path: str
    text: str = field(repr=False)
    secret: bool
    masked: str | None = field(default=None, repr=False)

    @property
    def visible(self) -> str:
        """The text for all who look into the file: masked if it is secret, empty if unknown."""
        return (self.masked or "") if self.secret else self.text

    @cached_property
    def masks(self) -> frozenset[str]:
        """The masks of the secrets that are in the file."""
        return masks_in(self.visible) if self.secret else frozenset()

    @cached_property
    def size(self) -> int:
        """Bytes that it takes in its object; the data of Secrets is base64."""
        return _stored_bytes(self.text, secret=self.secret)

    @cached_property
    def visible_size(self) -> int:
        """The size that may be told: that of the masked text."""
        if self.secret and self.masked is not None:
            return _stored_bytes(self.masked, secret=True)
        return self.size

    @cached_property
    def public_upstreams(self) -> frozenset[str]:
        """Public hosts that nginx resolves when it starts with this file."""
        return public_upstreams([self.visible])


def _stored_bytes(text: str, *, secret: bool) -> int:
    size = len(text) if text.isascii() else len(text.encode())
    return (size + 2) // 3 * 4 if secret else size


@dataclass(frozen=True)
class FileMount:
    """Where files are mounted: all files below ``folder`` at ``target``, or only ``file`` of it.

    ``folder`` is the path of a file if it alone is mounted.
    """

    folder: str
    target: str
    file: str | None = None


@dataclass(frozen=True)
class BootInputs:
    """What a component reads from another one when it starts.

    ``provider``: name of the other's workload. ``digest``: of what it answers, without secrets.
    """

    provider: str
    digest: str


@dataclass(frozen=True)
class Relay:
    """A service that a component reaches through a sidecar, see ``relay.py``.

    ``address``: the cluster IP of its Service.
    """

    service: str
    address: str
    ports: tuple[int, ...]


@dataclass(frozen=True)
class PVC:
    """The PVC of a mounted folder.

    ``owner`` is the component that the folder belongs to and ``purpose`` the rest of its path:
    ``core`` and ``data`` for ``core/data``, which other components mount too.
    """

    owner: str
    purpose: str
    name: str
    #: Whether the user provides it: then it is neither created nor changed.
    existing: bool


@dataclass(frozen=True)
class Component:
    """A compose service of a role instance: it becomes a workload."""

    platform: Platform
    instance: Instance
    #: The compose file that declares it.
    compose: ComposeFile
    service: Service
    profile: Profile
    overrides: ComponentOverrides
    files: tuple[File, ...] = ()
    file_mounts: tuple[FileMount, ...] = ()
    #: IP address and host names.
    host_aliases: tuple[tuple[str, tuple[str, ...]], ...] = ()
    #: Name and value.
    environment: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    #: Names in ``environment`` whose value is a secret: pods read them from a Secret.
    secret_environment: frozenset[str] = frozenset()
    #: The ``pryv.io/restart`` that its pods were last started for.
    restarted: str = ""
    boot_inputs: BootInputs | None = None
    relay: Relay | None = None
    #: Ports that rendered files name, besides those of the profile.
    upstream_ports: tuple[int, ...] = ()
    #: Folders of the role that its services may write to.
    written: frozenset[str] = frozenset()

    @cached_property
    def pvcs(self) -> dict[Mount, PVC | None]:
        """What its mounts lead to, as far as it is known; ``pvcs.pvc_of`` fills it."""
        return {}

    @cached_property
    def file_paths(self) -> frozenset[str]:
        """The paths of its files, and of the folders that these are in."""
        found = set()
        for file in self.files:
            path = file.path
            while path and path not in found:
                found.add(path)
                path = path.rpartition("/")[0]
        return frozenset(found)

    @cached_property
    def name(self) -> str:
        """Name of the workload and of the internal Service."""
        return names.workload(self.platform.name, self.instance.name, self.service.name)

    @property
    def workload_kind(self) -> str:
        """Kind of the workload."""
        return "StatefulSet" if self.profile.stateful else "Deployment"

    @property
    def spec_path(self) -> str:
        """Path of the component's overrides in the spec."""
        return f"spec.roles.{self.instance.role}.components.{self.service.name}"

    @property
    def labels(self) -> dict[str, str]:
        """Labels of the component's objects."""
        return {keys.ROLE: self.instance.role, **self.selector}

    @property
    def selector(self) -> dict[str, str]:
        """Labels that select the component's pods."""
        return names.pod_selector(self.platform.name, self.instance.name, self.service.name)

    @cached_property
    def reached_ports(self) -> tuple[int, ...]:
        """TCP ports of the internal Service."""
        published = (port.container for port in self.service.ports if port.protocol == "tcp")
        inner = (port.number for port in self.service.inner_ports if port.protocol == "tcp")
        return tuple(sorted({*self.profile.ports, *self.upstream_ports, *published, *inner}))

    @property
    def reached_udp_ports(self) -> tuple[int, ...]:
        """UDP ports of the internal Service."""
        return tuple(port.number for port in self.service.inner_ports if port.protocol == "udp")

    def port_name(self, port: Port) -> str:
        """Name of a published port in the container.

        External Services refer to ports by name: by number they would reach other components of the
        instance that listen on the same one. A container lists each of its ports once.
        """
        host = min(
            each.host
            for each in self.service.ports
            if (each.container, each.protocol) == (port.container, port.protocol)
        )
        return f"out-{host}-{port.protocol}"
