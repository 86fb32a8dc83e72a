"""A running cluster of real pods, and the three ways to one.

`CLUSTER` names the way:

- `kind`: `kind create cluster` with the machine's container engine and kind's own node image;
- `own`: the same with an engine and a node image that are made here (`prepared.py`), as root of a
  Debian machine;
- `existing`: the cluster that `KUBECONFIG` names. `LOAD_IMAGES=COMMAND` is run with an archive of
  images as its last argument; without it the images have to be there.

Default: `kind` if its node image is there or can be pulled, else `own`.
"""

from __future__ import annotations

import os
import re
import secrets
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from tests.cluster.binaries import Clients, ensure_binaries, ensure_clients
from tests.cluster.control_plane import KubectlError
from tests.cluster.kind.debian import UnavailableError
from tests.cluster.kind.engine import Engine
from tests.cluster.kind.node_image import NODE_IMAGE
from tests.cluster.kind.prepared import copy_data, ensure_prepared, run_folder
from tests.cluster.kind.programs import ensure_kind, kind_sources
from tests.cluster.processes import ServerProcess

_READY_SECONDS: Final = 180
_LOAD_SECONDS: Final = 600
_DEFAULT_IMAGE: Final = Path("pkg") / "apis" / "config" / "defaults" / "image.go"
_CLEANUP: Final = 'trap "exec kind delete cluster --name $0" TERM; sleep infinity & wait'


class Place(Protocol):
    """Where a cluster runs: how its network and its nodes' containers are reached."""

    def enter_network(self, *command: str) -> list[str]:
        """The command line that runs a command where the API server is reachable."""

    def enter(self, *command: str) -> list[str]:
        """The command line that runs a command, such as docker, where the engine is."""


class OnMachine:
    """A cluster of this machine's own container engine, or one elsewhere."""

    def enter_network(self, *command: str) -> list[str]:
        """The command as it is."""
        return list(command)

    def enter(self, *command: str) -> list[str]:
        """The command as it is."""
        return list(command)


@dataclass(frozen=True)
class KindCluster:
    """A running cluster; `running_cluster` gives it."""

    kubeconfig: Path
    binaries: Clients
    place: Place
    name: str | None
    """That of kind; `None` for an existing cluster."""

    @property
    def is_of_kind(self) -> bool:
        """Whether its nodes are containers that `docker` reaches."""
        return self.name is not None

    @property
    def nodes(self) -> list[str]:
        """The names of the nodes, which are those of their containers, too."""
        listed = self.kubectl("get", "nodes", "--output=name").stdout.split()
        return [node.removeprefix("node/") for node in listed]

    def kubectl(
        self, *args: str, stdin: str | None = None, check: bool = True, seconds: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl as the administrator.

        Raises:
            KubectlError: it failed and `check` is set.
        """
        return self._client(self.binaries.kubectl, args, stdin, check, seconds)

    def helm(
        self, *args: str, stdin: str | None = None, check: bool = True, seconds: float = 300
    ) -> subprocess.CompletedProcess[str]:
        """Run helm as the administrator.

        Raises:
            KubectlError: it failed and `check` is set.
        """
        return self._client(self.binaries.helm, args, stdin, check, seconds)

    def run(self, *command: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command of this machine where the API server is reachable, as `subprocess.run`.

        `KUBECONFIG` names the cluster, and kubectl and helm are on its `PATH`.
        """
        return _run(self.place.enter_network(*command), env=self.environment, **options)

    def start(self, *command: str, **options: Any) -> subprocess.Popen[str]:
        """Start a command as `run` does, without waiting. The caller ends it."""
        return subprocess.Popen(
            self.place.enter_network(*command), env=self.environment, text=True, **options
        )

    def docker(self, *args: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run docker with the engine of the nodes: a node is a container of its name."""
        return _run(self.place.enter("docker", *args), **options)

    def load(self, archive: Path) -> None:
        """Give the images of a docker archive to all nodes."""
        if not self.is_of_kind:
            if command := os.environ.get("LOAD_IMAGES"):
                subprocess.run([*shlex.split(command), str(archive)], check=True)
            return
        importing = ("ctr", "--namespace=k8s.io", "images", "import", "--all-platforms")
        for node in self.nodes:
            command_line = ("exec", "--interactive", node, *importing, "--digests", "-")
            with archive.open("rb") as content:
                self.docker(*command_line, stdin=content, timeout=_LOAD_SECONDS)

    def name_images(self, names: Mapping[str, str]) -> None:
        """Give images that the nodes have further names: the new one → the one it has."""
        naming = ("ctr", "--namespace=k8s.io", "images", "tag", "--force")
        for node in self.nodes:
            for new, old in names.items():
                self.docker("exec", node, *naming, _whole_name(old), _whole_name(new))

    @property
    def environment(self) -> dict[str, str]:
        """The environment of programs that use the cluster."""
        clients = (str(self.binaries.kubectl.parent), str(self.binaries.helm.parent))
        path = os.pathsep.join((*clients, os.environ["PATH"]))
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig), "PATH": path}

    def _client(
        self, program: Path, args: Sequence[str], stdin: str | None, check: bool, seconds: float
    ) -> subprocess.CompletedProcess[str]:
        given = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
        done = self.run(str(program), *args, check=False, timeout=seconds, **given)
        if check and done.returncode != 0:
            raise KubectlError(
                f"{program.name} {' '.join(args)} exited with code {done.returncode}:\n"
                f"{done.stderr or done.stdout}"
            )
        return done


def _whole_name(image: str) -> str:
    """The name of an image with its registry, which may be omitted for Docker's own."""
    first, slash, _ = image.partition("/")
    if slash and ("." in first or ":" in first):
        return image
    return f"docker.io/{image}" if slash else f"docker.io/library/{image}"


def _run(command: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
    defaults = {"capture_output": True, "text": True, "check": True, "timeout": 300}
    return subprocess.run(command, **(defaults | options))  # noqa: PLW1510


@contextmanager
def running_cluster(
    echo: Callable[[str], None], *, workers: int = 0, keep: bool = False
) -> Iterator[KindCluster]:
    """A cluster whose nodes, DNS and network are ready. It ends with the context.

    Args:
        echo: is told of progress.
        workers: nodes besides that of the control plane.
        keep: it runs on when the context ends, and how to end it is told.

    Raises:
        BuildError, UnavailableError: it cannot run on this machine.
        ServerExitedError, WaitTimeoutError, KubectlError: it did not start.
    """
    way = os.environ.get("CLUSTER") or ("kind" if has_kind_image(echo) else "own")
    if way == "existing":
        yield _existing(echo)
    elif way == "own":
        with _own(echo, workers, keep) as cluster:
            yield cluster
    elif way == "kind":
        with _on_machine(echo, workers, keep) as cluster:
            yield cluster
    else:
        raise UnavailableError(f'CLUSTER: "{way}" is not one of kind, own, existing')


def _existing(echo: Callable[[str], None]) -> KindCluster:
    if not os.environ.get("KUBECONFIG"):
        raise UnavailableError("CLUSTER=existing: set KUBECONFIG to the file of the cluster")
    return KindCluster(
        Path(os.environ["KUBECONFIG"]).absolute(), ensure_clients(echo), OnMachine(), None
    )


@contextmanager
def _own(echo: Callable[[str], None], workers: int, keep: bool) -> Iterator[KindCluster]:
    binaries = ensure_binaries(echo)
    started = time.monotonic()
    with running_engine(echo, keep=keep) as own:
        cluster = KindCluster(own.kubeconfig, binaries, own.engine, "pryv")
        create = (own.kind, "create", "cluster", f"--image={NODE_IMAGE}")
        _create(cluster, create, workers, echo)
        echo(f"the cluster is ready after {time.monotonic() - started:.0f} s")
        yield cluster
        if keep:
            _tell(cluster, f"kill {own.engine.end_with}", echo)


@dataclass(frozen=True)
class OwnEngine:
    """A container engine that has `NODE_IMAGE`, and kind in it; `running_engine` gives it."""

    engine: Engine
    kind: str
    """Its path for `engine.enter`."""
    kubeconfig: Path
    """Where kind may write: the engine sees this folder."""


@contextmanager
def running_engine(echo: Callable[[str], None], *, keep: bool = False) -> Iterator[OwnEngine]:
    """An engine of our own, without a cluster. `keep`: it runs on, unless there is an error.

    Raises:
        BuildError, UnavailableError: it cannot run on this machine.
        ServerExitedError, WaitTimeoutError: it did not start.
    """
    if sys.platform != "linux" or os.geteuid() != 0:
        raise UnavailableError(
            "without a container engine that reaches a registry, the cluster needs Linux and root"
        )
    kind = ensure_kind(echo)
    prepared = ensure_prepared(echo)
    folder = run_folder()
    kept = False
    try:
        shutil.copy(kind, folder.path / "kind")
        data = folder.path / "engine" / "docker"
        copy_data(prepared, data)
        engine = Engine(folder, prepared.root, prepared.programs, data)
        engine.start(outlive=keep)
        try:
            yield OwnEngine(engine, str(folder.path / "kind"), folder.path / "kubeconfig")
            kept = keep
        finally:
            if not kept:
                engine.stop()
    finally:
        if not kept:
            folder.remove()


@contextmanager
def _on_machine(echo: Callable[[str], None], workers: int, keep: bool) -> Iterator[KindCluster]:
    kind = ensure_kind(echo)
    binaries = ensure_clients(echo)
    started = time.monotonic()
    folder = run_folder()
    name = f"pryv-{secrets.token_hex(3)}"
    cluster = KindCluster(folder.path / "kubeconfig", binaries, OnMachine(), name)
    path = f"{kind.parent}{os.pathsep}{os.environ['PATH']}"
    cleanup = None
    try:
        if not keep:
            cleanup = ServerProcess(
                "cleanup",
                ["/bin/sh", "-c", _CLEANUP, name],
                folder,
                env={**os.environ, "PATH": path},
                grace_seconds=120,
            )
        _create(cluster, (str(kind), "create", "cluster"), workers, echo)
        echo(f"the cluster is ready after {time.monotonic() - started:.0f} s")
        yield cluster
    finally:
        if cleanup is not None:
            cleanup.stop()
            folder.remove()
        else:
            _tell(cluster, f"{kind} delete cluster --name {name}", echo)


def _create(
    cluster: KindCluster, create: Sequence[str], workers: int, echo: Callable[[str], None]
) -> None:
    echo(f"kind creates a cluster (workers besides the control plane: {workers})")
    roles = ["control-plane", *["worker"] * workers]
    config = cluster.kubeconfig.with_name("kind.yaml")
    nodes = "".join(f"- role: {role}\n" for role in roles)
    config.write_text(f"kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nnodes:\n{nodes}")
    options = (f"--name={cluster.name}", f"--kubeconfig={cluster.kubeconfig}")
    done = subprocess.run(
        cluster.place.enter(*create, *options, f"--config={config}", "--wait=180s"),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise KubectlError(f"kind create cluster failed:\n{done.stderr[-4000:]}")
    # `--wait` is for the nodes only.
    cluster.kubectl(
        *("wait", "--namespace=kube-system", "--for=condition=Ready", "pod", "--all"),
        f"--timeout={_READY_SECONDS}s",
        seconds=_READY_SECONDS + 10,
    )
    # It has none from kubeadm, and learns too late of pods that are gone while others start.
    proxy = ("--namespace=kube-system", "daemonset/kube-proxy")
    cluster.kubectl("set", "resources", *proxy, "--requests=cpu=100m")
    wait = f"--timeout={_READY_SECONDS}s"
    cluster.kubectl("rollout", "status", *proxy, wait, seconds=_READY_SECONDS + 10)


def _tell(cluster: KindCluster, end: str, echo: Callable[[str], None]) -> None:
    enter = shlex.join(cluster.place.enter_network())
    kubectl = f"{enter} {cluster.binaries.kubectl} --kubeconfig={cluster.kubeconfig}".strip()
    echo(f"the cluster runs on. To look around: {kubectl} get pods --all-namespaces")
    echo(f"a shell on its node: {shlex.join(cluster.place.enter('docker', 'ps'))}")
    echo(f"to end it: {end}")


def has_kind_image(echo: Callable[[str], None]) -> bool:
    """Whether the machine's container engine has kind's node image, or can pull it."""
    if shutil.which("docker") is None:
        return False
    source = (kind_sources() / _DEFAULT_IMAGE).read_text()
    image = re.search(r'^const Image = "(.+)"', source, re.MULTILINE)
    assert image is not None, "kind names no node image"

    def docker(*args: str) -> bool:
        done = subprocess.run(["docker", *args], capture_output=True, check=False)
        return done.returncode == 0

    if not docker("info"):
        return False
    if docker("image", "inspect", image[1]):
        return True
    echo(f"pulling {image[1]}")
    if docker("pull", image[1]):
        return True
    echo("it cannot be pulled: the node image is made here")
    return False
