"""What is kept of a cluster when a test fails: logs, events, `describe`. No Secrets."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.cluster.kind.cluster import KindCluster

_LISTS: Final = {
    "events.txt": ("get", "events", "--sort-by=.lastTimestamp"),
    "objects.txt": (
        "get",
        "all,persistentvolumeclaims,networkpolicies,poddisruptionbudgets",
        "--output=wide",
    ),
    "pods.txt": ("describe", "pods"),
    "platforms.yaml": ("get", "pryvplatforms", "--output=yaml"),
}
_NODE_LOGS: Final = ("journalctl", "--unit=kubelet", "--lines=2000", "--no-pager")


def keep_evidence(cluster: KindCluster, test: str) -> Path:
    """Write what there is about all pods into a new folder; return its path."""
    name = "".join(letter if letter.isalnum() else "-" for letter in test.partition("::")[2])
    prefix = f"pryv-operator-e2e-{time.strftime('%H%M%S')}-{name}-"
    folder = Path(tempfile.mkdtemp(prefix=prefix[:120]))
    for file, command in _LISTS.items():
        _write(folder / file, cluster, *command, "--all-namespaces")
    _write(folder / "nodes.txt", cluster, "describe", "nodes")
    listed = cluster.kubectl("get", "pods", "--all-namespaces", "--output=json", check=False)
    if listed.returncode == 0:
        for pod in json.loads(listed.stdout)["items"]:
            _write_logs(folder / "logs", cluster, pod["metadata"], pod.get("status", {}))
    if cluster.is_of_kind:
        for node in cluster.nodes:
            done = cluster.docker("exec", node, *_NODE_LOGS, check=False)
            (folder / f"kubelet-{node}.log").write_text(done.stdout + done.stderr)
    return folder


def _write_logs(
    folder: Path, cluster: KindCluster, pod: dict[str, str], status: dict[str, list[dict[str, int]]]
) -> None:
    folder.mkdir(exist_ok=True)
    where = (f"--namespace={pod['namespace']}", pod["name"], "--all-containers", "--prefix")
    file = f"{pod['namespace']}-{pod['name']}"
    _write(folder / f"{file}.log", cluster, "logs", *where)
    states = status.get("containerStatuses", [])
    if any(state["restartCount"] for state in states):
        _write(folder / f"{file}-previous.log", cluster, "logs", "--previous", *where)


def _write(file: Path, cluster: KindCluster, *command: str) -> None:
    done = cluster.kubectl(*command, check=False)
    file.write_text(done.stdout + done.stderr)
