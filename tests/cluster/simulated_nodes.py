"""Simulated nodes, pods and volumes, by kwok.

No container runs, but the API shows what a kubelet and a provisioner would write. The behaviour
of a pod is chosen by the annotation or label `simulated.pryv.io/behaviour`; that of a single
container by its image's tag:

=================  ==========================================================================
(none)             Ready at once; with restartPolicy Never or OnFailure it then completes
`never-ready`      the containers run but do not become ready; a Ready pod becomes unready
`crash`            exit code 1, then CrashLoopBackOff with a growing restartCount; Failed if
                   the restart policy is Never
`does-not-exist`   ErrImagePull and ImagePullBackOff
`waits-for-mount`  ContainerCreating, forever
=================  ==========================================================================

A pod recovers in place when the annotation is removed. A pod has only one behaviour.

Storage classes: `simulated` (the default; binds at once, PVCs can be expanded), `simulated-late`
(binds when the first pod is scheduled), `simulated-never` (no provisioner: PVCs stay Pending).
"""

from __future__ import annotations

import functools
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.cluster.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from tests.cluster.control_plane import ControlPlane
    from tests.cluster.processes import ServerProcess

BEHAVIOUR = "simulated.pryv.io/behaviour"
STAGES = Path(__file__).parent / "stages"
_PROVISIONER = "simulated.pryv.io/volume"
_START_SECONDS = 60


class SimulatedNodes:
    """`with SimulatedNodes(cluster):` starts nodes that are Ready and schedulable when entered."""

    def __init__(
        self,
        control_plane: ControlPlane,
        *,
        names: Sequence[str] = ("node-1", "node-2"),
        echo: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self.names = tuple(names)
        self._control_plane = control_plane
        self._echo = echo
        self._simulator: ServerProcess | None = None

    def __enter__(self) -> SimulatedNodes:
        started = time.monotonic()
        api = self._control_plane.api
        for storage_class in _storage_classes():
            api.create("/apis/storage.k8s.io/v1/storageclasses", storage_class)
        for number, name in enumerate(self.names, start=1):
            api.create("/api/v1/nodes", _node(name, number))
        self._simulator = self._control_plane.start_server(
            "kwok",
            [
                self._control_plane.binaries.kwok,
                f"--kubeconfig={self._control_plane.kubeconfig}",
                "--manage-all-nodes=true",
                "--node-lease-duration-seconds=40",
                *(f"--config={stage}" for stage in sorted(STAGES.glob("*.yaml"))),
            ],
        )
        for name in self.names:
            wait_until(
                functools.partial(self._takes_pods, name), f"node {name}", seconds=_START_SECONDS
            )
        self._echo(f"{len(self.names)} simulated nodes ready in {time.monotonic() - started:.1f} s")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._simulator is not None:
            self._simulator.stop()

    def _takes_pods(self, name: str) -> bool:
        """Whether the node is Ready, untainted and has its lease.

        Without its lease, kwok ignores the node's pods for several seconds.
        """
        assert self._simulator is not None
        self._simulator.check_alive()
        node = self._control_plane.api.get(f"/api/v1/nodes/{name}")
        conditions = {
            condition["type"]: condition["status"]
            for condition in node["status"].get("conditions", [])
        }
        lease = self._control_plane.api.find(
            f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{name}"
        )
        return (
            conditions.get("Ready") == "True"
            and not node["spec"].get("taints")
            and lease is not None
        )


def _node(name: str, number: int) -> dict[str, Any]:
    pods = f"10.{128 + number}.0.0/16"
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                "topology.kubernetes.io/zone": f"zone-{number}",
            },
        },
        "spec": {"podCIDR": pods, "podCIDRs": [pods]},
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": f"192.0.2.{number}"},
                {"type": "Hostname", "address": name},
            ]
        },
    }


def _storage_classes() -> list[dict[str, Any]]:
    default = {"storageclass.kubernetes.io/is-default-class": "true"}
    return [
        _storage_class("simulated", annotations=default),
        _storage_class("simulated-late", binding="WaitForFirstConsumer"),
        _storage_class("simulated-never", provisioner="simulated.pryv.io/nobody"),
    ]


def _storage_class(
    name: str,
    *,
    provisioner: str = _PROVISIONER,
    binding: str = "Immediate",
    annotations: dict[str, str] | None = None,
) -> dict[str, Any]:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name, "annotations": annotations or {}},
        "provisioner": provisioner,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": binding,
        "allowVolumeExpansion": True,
    }
