"""Pods of the tests: what their image is, and how commands run in them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from subprocess import CompletedProcess
from typing import TYPE_CHECKING, Any

from tests.e2e.client_image import CLIENT_IMAGE

if TYPE_CHECKING:
    from tests.cluster.kind.cluster import KindCluster

_USER = 65532
_READY_SECONDS = 90


@dataclass(frozen=True)
class Room:
    """A namespace of one test, which admits only what Pod Security calls restricted."""

    cluster: KindCluster
    namespace: str

    def apply(self, *objects: Mapping[str, Any]) -> None:
        """Apply objects in this namespace."""
        listed = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self.kubectl("apply", "--filename=-", stdin=json.dumps(listed))

    def kubectl(self, *args: str, **options: Any) -> CompletedProcess[str]:
        """Run kubectl in this namespace."""
        return self.cluster.kubectl(f"--namespace={self.namespace}", *args, **options)

    def start_pod(
        self,
        name: str,
        *args: str,
        claim: str | None = None,
        config_map: str | None = None,
        hosts: Mapping[str, str] | None = None,
    ) -> None:
        """Start a pod of the client image, and wait until it is Ready.

        Args:
            name: its name, and its label `app`.
            args: the client's arguments.
            claim: a PersistentVolumeClaim, mounted at /data.
            config_map: mounted at /config.
            hosts: names and addresses that it knows without DNS.
        """
        volumes: dict[str, dict[str, Any]] = {}
        if claim:
            volumes["data"] = {"persistentVolumeClaim": {"claimName": claim}}
        if config_map:
            volumes["config"] = {"configMap": {"name": config_map}}
        pod = _pod(name, args, volumes)
        pod["spec"]["hostAliases"] = [
            {"ip": address, "hostnames": [host]} for host, address in (hosts or {}).items()
        ]
        self.apply(pod)
        self.wait_ready(f"pod/{name}")

    def wait_ready(self, *names: str, seconds: int = _READY_SECONDS) -> None:
        """Wait until these objects are Ready."""
        wait = ("wait", "--for=condition=Ready", f"--timeout={seconds}s", *names)
        self.kubectl(*wait, seconds=seconds + 10)

    def client(self, pod: str, *args: str, check: bool = True) -> CompletedProcess[str]:
        """Run the client in a pod of its image."""
        return self.kubectl("exec", pod, "--", "/usr/local/bin/client", *args, check=check)

    def address(self, pod: str) -> str:
        """The address of a pod."""
        answer = self.kubectl("get", "pod", pod, "--output=jsonpath={.status.podIP}")
        return answer.stdout


def _pod(name: str, args: tuple[str, ...], volumes: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 5,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": _USER,
                "fsGroup": _USER,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "client",
                    "image": CLIENT_IMAGE,
                    "imagePullPolicy": "IfNotPresent",
                    "args": list(args),
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                    },
                    "volumeMounts": [
                        {"name": volume, "mountPath": f"/{volume}"} for volume in volumes
                    ],
                }
            ],
            "volumes": [{"name": volume, **source} for volume, source in volumes.items()],
        },
    }
