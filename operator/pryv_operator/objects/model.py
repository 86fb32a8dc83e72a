"""A component with its files: what workloads, Services and policies are built from."""

from __future__ import annotations

from dataclasses import dataclass, field

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names
from pryv_operator.api.instances import Instance
from pryv_operator.api.platform import Platform
from pryv_operator.api.spec import ComponentOverrides
from pryv_operator.compose.model import ComposeFile, Service
from pryv_operator.objects.profiles import Profile


@dataclass(frozen=True)
class File:
    """A file of a component. ``path`` is relative to the role's folder."""

    path: str
    text: str = field(repr=False)
    secret: bool


@dataclass(frozen=True)
class FileMount:
    """Where files are mounted: all files below ``folder`` at ``target``, or only ``file`` of it."""

    folder: str
    target: str
    file: str | None = None


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
    #: Ports that rendered files name, besides those of the profile.
    upstream_ports: tuple[int, ...] = ()

    @property
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

    @property
    def reached_ports(self) -> tuple[int, ...]:
        """TCP ports of the internal Service."""
        published = tuple(port.container for port in self.service.ports if port.protocol == "tcp")
        return tuple(sorted({*self.profile.ports, *self.upstream_ports, *published}))
