"""A platform on a cluster of real pods: applied, changed, waited for, and asked from outside."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from subprocess import CompletedProcess
from typing import TYPE_CHECKING, Any, Final

from pryv_operator.api import names
from tests.cluster.waiting import wait_until

if TYPE_CHECKING:
    from tests.cluster.kind.cluster import KindCluster

READY_SECONDS: Final = 600


@dataclass(frozen=True)
class Platform:
    """A `PryvPlatform` in a namespace of its own."""

    cluster: KindCluster
    namespace: str
    domain: str
    name: str = "acme"

    def kubectl(self, *args: str, **options: Any) -> CompletedProcess[str]:
        """Run kubectl in this namespace."""
        return self.cluster.kubectl(f"--namespace={self.namespace}", *args, **options)

    def get(self, kind: str, *args: str) -> Any:
        """What `kubectl get` answers."""
        return json.loads(self.kubectl("get", kind, *args, "--output=json").stdout)

    def apply(self, *objects: Mapping[str, Any]) -> None:
        """Apply objects in this namespace."""
        listed = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self.kubectl("apply", "--filename=-", stdin=json.dumps(listed))

    def create(self, spec: Mapping[str, Any], *objects: Mapping[str, Any]) -> None:
        """Create the namespace with these objects, and the platform."""
        self.cluster.kubectl("create", "namespace", self.namespace)
        self.apply(*objects, self.resource(spec))

    def resource(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        """The resource with a spec; the domain is added."""
        return {
            "apiVersion": "pryv.io/v1alpha1",
            "kind": "PryvPlatform",
            "metadata": {"name": self.name},
            "spec": {"domain": self.domain, **spec},
        }

    def change(self, **spec: Any) -> None:
        """Merge fields into the spec, and wait until the platform is Ready with them."""
        self.patch(**spec)
        self.wait_ready()

    def patch(self, **spec: Any) -> None:
        """Merge fields into the spec."""
        patch = json.dumps({"spec": spec})
        self.kubectl("patch", "pryvplatform", self.name, "--type=merge", f"--patch={patch}")

    def replace(self, spec: Mapping[str, Any]) -> None:
        """Put a spec in the place of the one that is there, and try it again if it has failed."""
        patch = json.dumps([{"op": "replace", "path": "/spec", "value": spec}])
        self.kubectl("patch", "pryvplatform", self.name, "--type=json", f"--patch={patch}")
        self.annotate("pryv.io/reconcile", now())

    def annotate(self, annotation: str, value: str) -> None:
        """Set an annotation."""
        self.kubectl("annotate", "--overwrite", "pryvplatform", self.name, f"{annotation}={value}")

    def wait_ready(self, seconds: float = READY_SECONDS) -> None:
        """Wait until the newest generation is Ready."""
        self.wait_reason("Ready", seconds)

    def wait_reason(self, reason: str, seconds: float = READY_SECONDS) -> str:
        """Wait until the newest generation has a reason; return its message."""

        def found() -> tuple[str] | None:
            platform = self.get("pryvplatform", self.name)
            status = platform.get("status", {})
            if status.get("observedGeneration") != platform["metadata"]["generation"]:
                return None
            ready = next(each for each in status["conditions"] if each["type"] == "Ready")
            return (ready["message"],) if ready["reason"] == reason else None

        return wait_until(found, f"{self.name} to be {reason}", seconds=seconds, every=2)[0]

    def wait_changed(self, workloads: Sequence[str], before: Mapping[str, str]) -> None:
        """Wait until no pod of these components is one of `before`, and the platform is Ready."""
        what = f"pods of {', '.join(workloads)} to be replaced"
        replaced = partial(self.are_replaced, workloads, before)
        wait_until(replaced, what, seconds=READY_SECONDS, every=2)
        self.wait_ready()

    def are_replaced(self, workloads: Sequence[str], before: Mapping[str, str]) -> bool:
        """Whether each of these components has pods, and none of `before`."""
        now = self.pods()
        return all(
            self.pods_of(now, each) and not before.keys() & self.pods_of(now, each)
            for each in workloads
        )

    def pods(self) -> dict[str, str]:
        """The uid of each pod, with its name: one of a StatefulSet keeps its name."""
        selector = f"--selector=pryv.io/platform={self.name},pryv.io/component"  # no trials
        listed = self.get("pods", selector)
        return {each["metadata"]["uid"]: each["metadata"]["name"] for each in listed["items"]}

    def is_settled(self) -> bool:
        """Whether none of its pods terminates."""
        listed = self.get("pods", f"--selector=pryv.io/platform={self.name}")
        return not any("deletionTimestamp" in each["metadata"] for each in listed["items"])

    def pods_of(self, pods: Mapping[str, str], workload: str) -> set[str]:
        """The uids of those that belong to `INSTANCE/COMPONENT`."""
        start = names.workload(self.name, *workload.split("/")) + "-"
        return {uid for uid, name in pods.items() if name.startswith(start)}

    def address(self, instance: str, *, udp: bool = False) -> str:
        """The cluster IP of the Service that publishes an instance."""
        service = names.external_service(self.name, instance, udp=udp)
        address: str = self.get("service", service)["spec"]["clusterIP"]
        return address

    def delete(self) -> None:
        """Delete the platform and its namespace."""
        self.kubectl("delete", "pryvplatform", self.name, "--timeout=90s")
        self.cluster.kubectl("delete", "namespace", self.namespace, "--wait=false")


def now() -> str:
    """A value that an annotation has not had."""
    return str(time.time_ns())
