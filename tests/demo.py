"""A demo (``make demo``): a platform becomes Ready, and a change rolls only what it affects.

With a container engine that has kind's node image, or can pull it, it runs in real pods, of
stand-ins for Pryv's images. Otherwise the control plane is real, and the nodes are simulated.
``DEMO=kind`` and ``DEMO=simulated`` choose.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from tests.api.fixtures import CHART, OPERATOR_NAMESPACE, install_chart
from tests.api.operator_process import OperatorProcess
from tests.cluster.binaries import BuildError
from tests.cluster.control_plane import ControlPlane, KubectlError
from tests.cluster.kind import debian
from tests.cluster.kind.cluster import KindCluster, has_kind_image, running_cluster
from tests.cluster.processes import ServerExitedError
from tests.cluster.simulated_nodes import SimulatedNodes
from tests.cluster.waiting import WaitTimeoutError, wait_until
from tests.e2e.images import build, operator_image
from tests.e2e.outside import start_outside

NAMESPACE = "pryv"
SAMPLE = Path(__file__).parents[1] / "manifests" / "samples" / "platform.yaml"
SHOWN_FILE = "register/conf/register.json"
READERS = ("core", "hfs", "preview", "webhooks")
#: The components that each change rolls.
OF_PLATFORM_NAME = {
    *("reg/register", "reg/dns"),
    # They read the name from register once, when they start; so they come after it.
    *(f"{core}/{name}" for core in ("co1", "co2") for name in READERS),
}
OF_ADMIN_KEY = {"reg/register", "reg/dns"}


_EXPECTED = (
    BuildError,
    KubectlError,
    ServerExitedError,
    WaitTimeoutError,
    debian.UnavailableError,
    subprocess.TimeoutExpired,
)


class Demo:
    """One run of the demo."""

    def __init__(self, cluster: ControlPlane | KindCluster, seconds: int) -> None:
        """``seconds``: how long it may take until a platform, or a change, is ready."""
        self._cluster = cluster
        self._seconds = seconds

    def run(self) -> None:
        self._bring_up()
        self._show_objects()
        self._show_file()
        self._change("PLATFORM_NAME is changed", self._rename, OF_PLATFORM_NAME)
        self._change("a referenced Secret gets another value", self._new_admin_key, OF_ADMIN_KEY)

    def _bring_up(self) -> None:
        self._step("A namespace, a Secret with the administrator's key, and the platform")
        self._kubectl("create", "namespace", NAMESPACE)
        self._kubectl(
            "-n",
            NAMESPACE,
            "create",
            "secret",
            "generic",
            "acme-admin",
            "--from-literal=key=only-for-the-demo-1",
        )
        print(SAMPLE.read_text())
        self._kubectl("apply", "-n", NAMESPACE, "-f", str(SAMPLE))
        self._kubectl(
            *("-n", NAMESPACE, "wait", "--for=condition=Ready", "pryvplatform/acme"),
            f"--timeout={self._seconds}s",
        )
        self._kubectl("-n", NAMESPACE, "get", "pryvplatforms")

    def _show_objects(self) -> None:
        self._step("The objects of the platform")
        for role in ("reg-master", "core", "static"):
            print(f"\n  role {role}")
            self._kubectl(
                "-n",
                NAMESPACE,
                "get",
                "deployments,statefulsets,pvc",
                "-l",
                f"pryv.io/role={role}",
                "--no-headers",
            )
        kinds = (
            "services",
            "configmaps",
            "secrets",
            "networkpolicies",
            "persistentvolumeclaims",
            "deployments",
            "statefulsets",
        )
        counts = {kind: len(self._items(kind)) for kind in kinds}
        print("\n  " + ", ".join(f"{count} {kind}" for kind, count in counts.items()))

    def _show_file(self) -> None:
        self._step(
            f"Part of a rendered file: {SHOWN_FILE} "
            "(it contains a secret, so it is stored in a Secret; masked here)"
        )
        template = self._json("get", "deployment", "acme-reg-register")["spec"]["template"]["spec"]
        (volume,) = (each for each in template["volumes"] if each["name"] == "register-conf")
        names = [
            source["secret"]["name"]
            for source in volume["projected"]["sources"]
            if "secret" in source
        ]
        print(f"  Secret {names[0]}: new content gets a new name, which rolls the pods")
        data = self._json("get", "secret", names[0])["data"]
        text = _decoded(next(iter(data.values())))
        service = json.loads(text)["service"]
        print(
            "  "
            + json.dumps(
                {"service": {key: service[key] for key in ("name", "register", "api")}}, indent=2
            ).replace("\n", "\n  ")
        )

    def _change(self, title: str, change: Callable[[], None], expected: set[str]) -> None:
        self._step(f"{title}: only what it affects is rolled")
        before = self._pods()
        change()
        wait_until(
            lambda: self._pods().keys() == before.keys() and self._rolled(before) >= expected,
            "the rollout",
            seconds=self._seconds,
        )
        self._kubectl(
            *("-n", NAMESPACE, "wait", "--for=condition=Ready", "pryvplatform/acme"),
            f"--timeout={self._seconds}s",
        )
        rolled = self._rolled(before)
        print(f"  rolled:    {', '.join(sorted(rolled))}")
        print(f"  untouched: {', '.join(sorted(before.keys() - rolled))}")
        if rolled != expected:
            raise SystemExit(f"expected {sorted(expected)} to be rolled, and nothing else")

    def _rename(self) -> None:
        patch = json.dumps({"spec": {"variables": {"PLATFORM_NAME": "Acme Health, renamed"}}})
        self._kubectl("-n", NAMESPACE, "patch", "pryvplatform", "acme", "--type=merge", "-p", patch)

    def _new_admin_key(self) -> None:
        patch = json.dumps({"stringData": {"key": "only-for-the-demo-2"}})
        self._kubectl("-n", NAMESPACE, "patch", "secret", "acme-admin", "--type=merge", "-p", patch)

    def _pods(self) -> dict[str, str]:
        return {
            _component(item["metadata"]["labels"]): item["metadata"]["uid"]
            for item in self._items("pods")
            if not item["metadata"].get("deletionTimestamp")
        }

    def _rolled(self, before: dict[str, str]) -> set[str]:
        now = self._pods()
        return {name for name in before if now.get(name) != before[name]}

    def _items(self, kind: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self._json(
            "get", kind, "-l", "app.kubernetes.io/managed-by=pryv-operator"
        )["items"]
        return items

    def _json(self, *arguments: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            self._cluster.kubectl("-n", NAMESPACE, *arguments, "-o", "json").stdout
        )
        return found

    def _kubectl(self, *arguments: str) -> None:
        print(
            f"  $ kubectl {' '.join(arguments)}".replace(
                str(SAMPLE), "manifests/samples/platform.yaml"
            )
        )
        for line in (
            self._cluster.kubectl(*arguments, seconds=self._seconds + 10)
            .stdout.rstrip()
            .splitlines()
        ):
            print(f"  {line}")

    def _step(self, title: str) -> None:
        print(f"\n── {title}")


def _component(labels: dict[str, str]) -> str:
    return f"{labels['pryv.io/instance']}/{labels['pryv.io/component']}"


def _decoded(encoded: str) -> str:
    return base64.b64decode(encoded).decode()


def main() -> int:
    """Run the demo; with CI=true it exits at the end, otherwise at Ctrl-C."""
    signal.signal(signal.SIGTERM, _interrupt)
    started = time.monotonic()
    try:
        with _on_kind() if _uses_kind() else _simulated() as (cluster, seconds):
            Demo(cluster, seconds).run()
            print(f"\nDone in {time.monotonic() - started:.0f} s.")
            _keep_running(cluster)
    except KeyboardInterrupt:
        print("\nStopped.")
    except _EXPECTED as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    return 0


def _uses_kind() -> bool:
    """Whether the demo runs in real pods; if not, why is said."""
    if chosen := os.environ.get("DEMO"):
        return chosen == "kind"
    reason = operator_image.missing_engine()
    if not reason:
        try:
            debian.check_machine()
        except debian.UnavailableError:
            reason = "the stand-ins for Pryv's images are made of Debian's packages, on Debian"
    if not reason and not has_kind_image(_echo):
        reason = "kind's node image cannot be pulled"
    if reason:
        _echo(f"pods are simulated, and the control plane is real: {reason}")
    return not reason


@contextmanager
def _simulated() -> Iterator[tuple[ControlPlane, int]]:
    with ControlPlane(echo=_echo) as cluster, SimulatedNodes(cluster, echo=_echo):
        _echo("installing the chart and starting the operator with its ServiceAccount")
        operator = OperatorProcess(cluster, install_chart(cluster))
        operator.start()
        try:
            yield cluster, 180
        finally:
            operator.stop()


@contextmanager
def _on_kind() -> Iterator[tuple[KindCluster, int]]:
    with running_cluster(_echo) as cluster:
        place = cluster.place if operator_image.missing_engine() else None
        for archive in (
            operator_image.ensure_archive(_echo, place),
            build.ensure_archive(_echo),
        ):
            _echo(f"loading {archive.name} into the node")
            cluster.load(archive)
        start_outside(cluster)
        _echo("helm install")
        where = (f"--namespace={OPERATOR_NAMESPACE}", "--create-namespace")
        cluster.helm("install", "pryv-operator", str(CHART), *where, "--wait", "--timeout=3m")
        yield cluster, 900


def _keep_running(cluster: ControlPlane | KindCluster) -> None:
    if os.environ.get("CI") == "true":
        return
    print(
        "\nEverything is still running. To explore it, in another terminal:\n"
        f"  export KUBECONFIG={cluster.kubeconfig}\n"
        f"  alias kubectl={cluster.binaries.kubectl}\n"
        f"  kubectl -n {NAMESPACE} get pryvplatforms -o wide\n"
        f"  kubectl -n {NAMESPACE} describe pryvplatform acme\n"
        "  kubectl explain pryvplatform.spec.roles.core.instances\n"
        "Ctrl-C stops it and removes its data."
    )
    signal.pause()


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _echo(line: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
