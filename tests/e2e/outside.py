"""What is outside of a platform, in pods: pryv.github.io, a mail server, a client with tools."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.cluster.kind.cluster import KindCluster
from tests.e2e.images.build import CLIENT, PUBLIC_HOST, PUBLIC_SITE, SMTP_SINK

if TYPE_CHECKING:
    from tests.e2e.platforms import Platform

NAMESPACE: Final = "outside"
#: A copy of the types of events that pods can reach.
PUBLIC_EVENT_TYPES: Final = f"https://{PUBLIC_HOST}/event-types/flat.json"
#: Where the mail server of the outside takes e-mails.
SMTP_HOST: Final = f"smtp-sink.{NAMESPACE}.svc.cluster.local"

CERTIFICATE: Final = "/tmp/authority.pem"  # in the client's pod
_CLIENT: Final = "client"
_PODS: Final = {
    "public-site": (PUBLIC_SITE, {"https": 443}),
    "smtp-sink": (SMTP_SINK, {"smtp": 25, "http": 8025}),
    _CLIENT: (CLIENT, {}),
}


@dataclass(frozen=True)
class Outside:
    """The outside of the platforms of a cluster; `start_outside` gives it."""

    cluster: KindCluster

    def meet(self, platform: Platform, authority: str, instance: str = "reg") -> None:
        """Let the client trust an authority (PEM), and ask the DNS server of an instance."""
        self.run("sh", "-c", f"cat >{CERTIFICATE}", stdin=authority)
        self.run("resolve", platform.domain, platform.address(instance, udp=True))

    def run(self, *command: str, stdin: str = "") -> str:
        """What a command prints in the client's pod."""
        where = (f"--namespace={NAMESPACE}", "--stdin", "client", "--")
        return self.cluster.kubectl("exec", *where, *command, stdin=stdin).stdout

    def node(self, script: Path, *arguments: str) -> Any:
        """The JSON that a script for Node.js prints in the client's pod."""
        settings = (f"NODE_EXTRA_CA_CERTS={CERTIFICATE}", "NODE_PATH=/app/bin/node_modules")
        command = ("env", *settings, "node", "-", *arguments)
        return json.loads(self.run(*command, stdin=script.read_text()))

    def mails(self) -> list[dict[str, Any]]:
        """The e-mails that the mail server got: `from`, `to` and `text`."""
        found: list[dict[str, Any]] = json.loads(
            self.run("curl", "--silent", "http://smtp-sink:8025/messages")
        )
        return found


def start_outside(cluster: KindCluster, node: str = "") -> Outside:
    """Start the pods, and let the cluster's DNS know pryv.github.io. The images are there.

    `node`: where they run; any, if it is empty.
    """
    objects: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    ]
    for name, (image, ports) in _PODS.items():
        objects += _pod_and_service(name, image, ports, node)
    listed = {"apiVersion": "v1", "kind": "List", "items": objects}
    where = f"--namespace={NAMESPACE}"
    # Those of an earlier run may have another certificate than today's images trust.
    cluster.kubectl("delete", "pod", "--all", where)
    cluster.kubectl("apply", "--filename=-", stdin=json.dumps(listed))
    _name_public_site(cluster)
    cluster.kubectl("wait", where, "--for=condition=Ready", "pod", "--all", "--timeout=90s")
    return Outside(cluster)


def _pod_and_service(
    name: str, image: str, ports: dict[str, int], node: str
) -> list[dict[str, Any]]:
    metadata = {"name": name, "namespace": NAMESPACE, "labels": {"app": name}}
    container: dict[str, Any] = {"name": name, "image": image}
    spec: dict[str, Any] = {
        "containers": [container],
        "nodeSelector": {"kubernetes.io/hostname": node} if node else {},
        "terminationGracePeriodSeconds": 1,
    }
    if name == _CLIENT:
        # Beside pods that start, it would measure its own lack of CPU.
        container["resources"] = {"requests": {"cpu": "150m"}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    published = [{"name": port, "port": number} for port, number in ports.items()]
    reached = {"selector": {"app": name}, "ports": published}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": reached}
    return [pod, service] if ports else [pod]


def _name_public_site(cluster: KindCluster) -> None:
    """Add a line to CoreDNS' file."""
    where = "--namespace=kube-system"
    found = cluster.kubectl("get", "configmap", "coredns", where, "--output=json").stdout
    corefile = json.loads(found)["data"]["Corefile"]
    line = f"rewrite name {PUBLIC_HOST} public-site.{NAMESPACE}.svc.cluster.local"
    if line in corefile:
        return
    changed = {"data": {"Corefile": corefile.replace(".:53 {\n", f".:53 {{\n    {line}\n", 1)}}
    patch = f"--patch={json.dumps(changed)}"
    cluster.kubectl("patch", "configmap", "coredns", where, "--type=merge", patch)
    cluster.kubectl("rollout", "restart", "deployment/coredns", where)
    cluster.kubectl("rollout", "status", "deployment/coredns", where, "--timeout=90s")
