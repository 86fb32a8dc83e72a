"""A control plane whose etcd can be backed up and restored."""

from __future__ import annotations

import shutil

from tests.cluster.control_plane import ControlPlane
from tests.cluster.simulated_nodes import STAGES


class ControlPlaneWithBackup(ControlPlane):
    """A control plane with one backup of its etcd data."""

    def _copy(self, source: str, target: str) -> None:
        """Copy a data folder of etcd while nothing uses it, then restart everything.

        The controllers restart too, because their caches hold objects of the other state.
        """
        self.stop_api_server()
        etcd = self._servers.pop(0)
        etcd.stop()
        self._stop("kube-controller-manager", "kube-scheduler")
        shutil.rmtree(self.folder / target, ignore_errors=True)
        shutil.copytree(self.folder / source, self.folder / target)
        self._start_etcd(self.etcd_port)
        self._servers.insert(0, self._servers.pop())
        self.start_api_server()
        self._start_controllers()
        self.restart_kwok()

    def back_up(self) -> None:
        """Take a backup of etcd; replaces an earlier one."""
        self._copy("etcd", "etcd-backup")

    def restore(self) -> None:
        """Restore etcd from the backup."""
        self._copy("etcd-backup", "etcd")

    def restart_kwok(self) -> None:
        """Restart the simulator of nodes: after a long outage it no longer sees new pods."""
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
