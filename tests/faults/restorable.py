"""A control plane that can be put back to an older state."""

from __future__ import annotations

import shutil

from tests.cluster.control_plane import ControlPlane
from tests.cluster.simulated_nodes import STAGES


class RestorableControlPlane(ControlPlane):
    """One whose etcd can be put back."""

    def _copy(self, source: str, target: str) -> None:
        """Copy a folder of etcd's while nothing runs on it; the controllers are started again, as they remember what is no more."""
        self.stop_api_server()
        etcd = self._servers.pop(0)
        etcd.stop()
        self._stop("kube-controller-manager", "kube-scheduler")
        shutil.rmtree(self.folder / target, ignore_errors=True)
        shutil.copytree(self.folder / source, self.folder / target)
        self._start_etcd(self._etcd_port)
        self._servers.insert(0, self._servers.pop())
        self.start_api_server()
        self._start_controllers()
        self.start_simulator_again()

    def back_up(self) -> None:
        """Remember everything."""
        self._copy("etcd", "etcd-backup")

    def restore(self) -> None:
        """Everything is as it was."""
        self._copy("etcd-backup", "etcd")

    def start_simulator_again(self) -> None:
        """After an API server that was away for long, it no longer sees new pods."""
        self._stop("kwok")
        stages = (f"--config={stage}" for stage in sorted(STAGES.glob("*.yaml")))
        kubeconfig = f"--kubeconfig={self.kubeconfig}"
        self.start_server(
            "kwok",
            [
                self.binaries.kwok,
                kubeconfig,
                "--manage-all-nodes=true",
                "--node-lease-duration-seconds=40",
                *stages,
            ],
        )

    def _stop(self, *names: str) -> None:
        for server in [each for each in self._servers if each.name in names]:
            server.stop()
            self._servers.remove(server)
