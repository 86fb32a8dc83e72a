"""Runs the operator where a Deployment of the chart asks for it: simulated pods run nothing.

The operator is a local process with the arguments of the Deployment and the token of its
ServiceAccount.
"""

from __future__ import annotations

import json
from typing import Any, Final

from tests.api.operator_process import OperatorProcess
from tests.cluster.control_plane import ControlPlane
from tests.cluster.waiting import wait_until

_SELECTOR: Final = "app.kubernetes.io/name=pryv-operator"


class OperatorPods:
    """Keeps one process for the Deployment of the cluster, if it has one."""

    def __init__(self, control_plane: ControlPlane) -> None:
        self._control_plane = control_plane
        self._process: OperatorProcess | None = None
        self._arguments: tuple[str, ...] = ()

    def sync(self) -> None:
        """Start, restart or stop the process, as the Deployment says now."""
        deployment = self._find()
        arguments = () if deployment is None else _arguments(deployment)
        if arguments == self._arguments:
            return
        self.stop()
        if deployment is not None:
            self._start(deployment, arguments)

    def stop(self) -> None:
        """Stop the process if it runs."""
        if self._process is not None:
            assert self._process.alive, f"the operator has ended:\n{self._process.log[-3000:]}"
            self._process.stop()
        self._process = None
        self._arguments = ()

    def _start(self, deployment: dict[str, Any], arguments: tuple[str, ...]) -> None:
        namespace = deployment["metadata"]["namespace"]
        account = deployment["spec"]["template"]["spec"]["serviceAccountName"]
        wait_until(
            lambda: (
                self._control_plane.kubectl("get", "pryvplatforms", check=False).returncode == 0
            ),
            "the CRD to be served",
            seconds=30,
        )
        token = self._control_plane.kubectl(
            "create", "token", account, f"--namespace={namespace}", "--duration=2h"
        ).stdout.strip()
        kubeconfig = self._control_plane.kubeconfig_for_token(token, account)
        self._process = OperatorProcess(self._control_plane, kubeconfig, *arguments)
        self._process.start()
        self._arguments = arguments

    def _find(self) -> dict[str, Any] | None:
        listed = self._control_plane.kubectl(
            "get", "deployments", "--all-namespaces", f"--selector={_SELECTOR}", "--output=json"
        )
        items: list[dict[str, Any]] = json.loads(listed.stdout)["items"]
        return items[0] if items else None


def _arguments(deployment: dict[str, Any]) -> tuple[str, ...]:
    """The Deployment's arguments, for a process outside of a pod that needs no election."""
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    outside = ("--in-cluster", "--listen=", "--metrics-listen=")
    given = [each for each in container["args"] if not each.startswith(outside)]
    if "--metrics-auth" in given:
        given.append("--metrics-listen=127.0.0.1:0")
    return (*given, "--no-leader-election", "--log-format=text")
