"""What workloads are built from."""

from __future__ import annotations

from dataclasses import dataclass

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names
from pryv_operator.api.instances import Instance
from pryv_operator.api.platform import Platform
from pryv_operator.api.spec import ComponentOverrides
from pryv_operator.compose.model import ComposeFile, Service
from pryv_operator.objects.profiles import Profile


@dataclass(frozen=True)
class File:
    """A file mounted into a container, by its path below the role's folder (or a folder of the operator's own)."""

    path: str
    text: str
    secret: bool


@dataclass(frozen=True)
class FileMount:
    """Where files are mounted: all below ``folder`` at ``target``, or only ``file`` of it."""

    folder: str
    target: str
    file: str | None = None


@dataclass(frozen=True)
class Component:
    """One service of one role instance: what becomes a workload."""

    platform: Platform
    instance: Instance
    compose: ComposeFile
    service: Service
    profile: Profile
    overrides: ComponentOverrides
    files: tuple[File, ...] = ()
    file_mounts: tuple[FileMount, ...] = ()
    host_aliases: tuple[tuple[str, tuple[str, ...]], ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    #: Variables of ``environment`` whose value is a secret: they are read from a Secret.
    secret_environment: frozenset[str] = frozenset()
    #: The restart its pods were made for.
    restarted: str = ""
    #: Ports that rendered files name, besides the profile's.
    upstream_ports: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """Name of the workload and of its cluster-internal Service."""
        return names.workload(self.platform.name, self.instance.name, self.service.name)

    @property
    def spec_path(self) -> str:
        """Where the user overrides the component: its field in the platform's spec."""
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
        """TCP ports behind the cluster-internal Service."""
        published = tuple(port.container for port in self.service.ports if port.protocol == "tcp")
        return tuple(sorted({*self.profile.ports, *self.upstream_ports, *published}))
