"""A demo (``make demo``): a platform becomes Ready, and a change rolls only what it affects.

The control plane is real, the nodes are simulated.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from tests.api.fixtures import install_chart
from tests.api.operator_process import OperatorProcess
from tests.cluster.binaries import BuildError
from tests.cluster.control_plane import ControlPlane
from tests.cluster.simulated_nodes import SimulatedNodes
from tests.cluster.waiting import wait_until

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


class Demo:
    """One run of the demo."""

    def __init__(self, cluster: ControlPlane) -> None:
        self._cluster = cluster

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
            "-n", NAMESPACE, "wait", "--for=condition=Ready", "pryvplatform/acme", "--timeout=180s"
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
            seconds=120,
        )
        self._kubectl(
            "-n", NAMESPACE, "wait", "--for=condition=Ready", "pryvplatform/acme", "--timeout=120s"
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
        for line in self._cluster.kubectl(*arguments, seconds=240).stdout.rstrip().splitlines():
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
        with ControlPlane(echo=_echo) as cluster, SimulatedNodes(cluster, echo=_echo):
            _echo("installing the chart and starting the operator with its ServiceAccount")
            operator = OperatorProcess(cluster, install_chart(cluster))
            operator.start()
            try:
                Demo(cluster).run()
                print(f"\nDone in {time.monotonic() - started:.0f} s.")
                _keep_running(cluster)
            finally:
                operator.stop()
    except KeyboardInterrupt:
        print("\nStopped.")
    except (BuildError, subprocess.TimeoutExpired) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    return 0


def _keep_running(cluster: ControlPlane) -> None:
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
