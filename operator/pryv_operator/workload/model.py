"""What workloads are built from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pryv_operator.compose.model import ComposeFile, Service
from pryv_operator.platform import keys, names
from pryv_operator.platform.layout import Instance
from pryv_operator.platform.spec import Component, PryvPlatformSpec
from pryv_operator.workload.profiles import Profile

Object = dict[str, Any]


@dataclass(frozen=True)
class Platform:
    """A platform as its objects see it. ``uid`` is empty when rendering offline: then nothing has an owner."""

    name: str
    namespace: str
    uid: str
    spec: PryvPlatformSpec

    def metadata(self, name: str, labels: dict[str, str] | None = None, *, owned: bool = True) -> Object:
        """Metadata of one of the platform's objects; an owned one goes when the platform goes."""
        metadata: Object = {
            "name": name,
            "namespace": self.namespace,
            "labels": names.platform_labels(self.name) | (labels or {}),
        }
        if owned and self.uid:
            metadata["ownerReferences"] = [self.owner_reference()]
        return metadata

    def owner_reference(self) -> Object:
        """The reference that lets the cluster's garbage collector do the clean-up."""
        return {
            "apiVersion": keys.API_VERSION,
            "kind": keys.KIND,
            "name": self.name,
            "uid": self.uid,
            "controller": True,
            "blockOwnerDeletion": False,
        }

    @property
    def paused(self) -> bool:
        """Whether nothing is to be applied for now."""
        return bool(self.spec.rollout and self.spec.rollout.paused)

    @property
    def keeps_data(self) -> bool:
        """Whether claims and generated secrets outlive the platform."""
        return self.spec.deletion_policy != "Delete"


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
class Part:
    """One service of one role instance: what becomes a workload."""

    platform: Platform
    instance: Instance
    compose: ComposeFile
    service: Service
    profile: Profile
    overrides: Component
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
    def labels(self) -> dict[str, str]:
        """Labels of the part's objects."""
        return {keys.ROLE: self.instance.role, **self.selector}

    @property
    def selector(self) -> dict[str, str]:
        """Labels that select the part's pods."""
        return names.pod_selector(self.platform.name, self.instance.name, self.service.name)

    @property
    def reached_ports(self) -> tuple[int, ...]:
        """TCP ports behind the cluster-internal Service."""
        published = tuple(port.container for port in self.service.ports if port.protocol == "tcp")
        return tuple(sorted({*self.profile.ports, *self.upstream_ports, *published}))
