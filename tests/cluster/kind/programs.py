"""The programs of a node, and kind itself, built once into the cache."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.cluster.binaries import (
    GO_FOLDER,
    KUBERNETES_LDFLAGS,
    BuildError,
    Module,
    ensure_binaries,
    ensure_programs,
    module_folder,
)
from tests.cluster.cache import print_with_time

if TYPE_CHECKING:
    from collections.abc import Callable

_KIND = Module("kind", ("sigs.k8s.io/kind",), "-s -w", cold_seconds=30)
_NODE = (
    Module("coredns", ("github.com/coredns/coredns",), "-s -w", cold_seconds=200),
    Module(
        "node",
        (
            "./nodeagent",
            "./pause",
            "./runcfit",
            "k8s.io/kubernetes/cmd/kube-proxy",
            "k8s.io/kubernetes/cmd/kubeadm",
            "k8s.io/kubernetes/cmd/kubelet",
        ),
        KUBERNETES_LDFLAGS,
        cold_seconds=240,
    ),
    Module("policies", ("pryv.io/operator/tests/policies",), "-s -w", cold_seconds=60),
)


@dataclass(frozen=True)
class Programs:
    """Folders of programs, each found by its name."""

    control_plane: Path
    node: Path

    def path(self, name: str) -> Path:
        """The path of a program."""
        own = self.node / name
        return own if own.is_file() else self.control_plane / name

    @property
    def fingerprint(self) -> str:
        """Changes with any of the programs."""
        return f"{self.control_plane.name}-{self.node.name}"


def ensure_kind(echo: Callable[[str], None]) -> Path:
    """Build kind if it is not in the cache; return its path.

    Raises:
        BuildError: Go is missing or too old, or the build failed.
    """
    return ensure_programs("kind-program", (_KIND,), echo) / "kind"


def ensure_node_programs(echo: Callable[[str], None]) -> Programs:
    """Build what nodes run, as far as it is not in the cache.

    Raises:
        BuildError: Go is missing or too old, or a build failed.
    """
    control_plane = ensure_binaries(echo).kubectl.parent
    return Programs(control_plane, ensure_programs("kind-node-programs", _NODE, echo))


def kind_sources() -> Path:
    """The folder of kind's module: its node image is made from files in it."""
    return module_folder(GO_FOLDER / "kind", "sigs.k8s.io/kind")


if __name__ == "__main__":
    try:
        ensure_kind(print_with_time)
        ensure_node_programs(print_with_time)
    except BuildError as failed:
        sys.exit(str(failed))
