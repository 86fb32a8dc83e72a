"""Builds the programs of a cluster from their Go modules, once, into a cache folder."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.cluster.cache import cache_folder, exclusive_lock, print_with_time, remove_unused

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

GO_FOLDER = Path(__file__).parent / "go"
KUBERNETES_VERSION = "1.36.3"
NEEDED_GO = (1, 26)

_VERSION_PACKAGE = "k8s.io/component-base/version"
_MAJOR, _MINOR, _PATCH = KUBERNETES_VERSION.split(".")
# Without these flags the servers report version v0.0.0.
KUBERNETES_LDFLAGS = (
    f"-s -w -X {_VERSION_PACKAGE}.gitVersion=v{KUBERNETES_VERSION}"
    f" -X {_VERSION_PACKAGE}.gitMajor={_MAJOR} -X {_VERSION_PACKAGE}.gitMinor={_MINOR}"
)


@dataclass(frozen=True)
class Module:
    """A Go module in `GO_FOLDER`, and the packages of it that are built."""

    folder: str
    packages: tuple[str, ...]
    ldflags: str
    cold_seconds: int
    """Measured on two cores with an empty Go build cache."""
    tags: tuple[str, ...] = ()

    @property
    def programs(self) -> tuple[str, ...]:
        return tuple(package.rsplit("/", 1)[-1] for package in self.packages)


_HELM = Module("helm", ("helm.sh/helm/v4/cmd/helm",), "-s -w", cold_seconds=100)
_CONTROL_PLANE = (
    Module(
        "controlplane",
        (
            "./etcd",
            "k8s.io/kubernetes/cmd/kube-apiserver",
            "k8s.io/kubernetes/cmd/kube-controller-manager",
            "k8s.io/kubernetes/cmd/kube-scheduler",
            "k8s.io/kubernetes/cmd/kubectl",
        ),
        KUBERNETES_LDFLAGS,
        cold_seconds=300,
    ),
    Module("kwok", ("sigs.k8s.io/kwok/cmd/kwok",), "-s -w", cold_seconds=60),
    _HELM,
)
_CLIENTS = (
    Module(
        "controlplane",
        ("k8s.io/kubernetes/cmd/kubectl",),
        KUBERNETES_LDFLAGS,
        cold_seconds=100,
    ),
    _HELM,
)


@dataclass(frozen=True)
class Clients:
    """Paths of what a user has of a cluster."""

    kubectl: Path
    helm: Path


@dataclass(frozen=True)
class Binaries(Clients):
    """Paths of the built programs."""

    etcd: Path
    kube_apiserver: Path
    kube_controller_manager: Path
    kube_scheduler: Path
    kwok: Path


class BuildError(RuntimeError):
    """The programs cannot be built; the message names the remedy."""


def ensure_binaries(echo: Callable[[str], None]) -> Binaries:
    """Build the programs that are not in the cache yet.

    They take about 550 MB, and eight minutes on two cores (one with a warm Go build cache). The
    cache is `$PRYV_OPERATOR_CACHE`, else `$XDG_CACHE_HOME/pryv-operator`, else
    `~/.cache/pryv-operator`, with one folder per content of the Go modules, build flags and Go
    version. Concurrent runs build once.

    Raises:
        BuildError: Go is missing or too old, or a build failed.
    """
    folder = ensure_programs("control-plane", _CONTROL_PLANE, echo)
    names = (program for module in _CONTROL_PLANE for program in module.programs)
    return Binaries(**{name.replace("-", "_"): folder / name for name in names})


def ensure_clients(echo: Callable[[str], None]) -> Clients:
    """The machine's kubectl and helm; if one is missing, both are built, without a control plane.

    Raises:
        BuildError: Go is missing or too old, or a build failed.
    """
    kubectl, helm = shutil.which("kubectl"), shutil.which("helm")
    if kubectl and helm:
        return Clients(Path(kubectl), Path(helm))
    folder = ensure_programs("clients", _CLIENTS, echo)
    return Clients(folder / "kubectl", folder / "helm")


def ensure_programs(name: str, modules: Sequence[Module], echo: Callable[[str], None]) -> Path:
    """Build the programs of these modules that are not in the cache yet; return their folder.

    Args:
        name: the folder of the cache that holds one folder per content of the modules.
        modules: what is built.
        echo: is told of progress.

    Raises:
        BuildError: Go is missing or too old, or a build failed.
    """
    go_version, platform = _go()
    cache = cache_folder() / name
    folder = cache / _fingerprint(modules, go_version, platform)
    if not _is_complete(folder, modules):
        cache.mkdir(parents=True, exist_ok=True)
        with exclusive_lock(cache / "lock", echo, "builds the test cluster's programs"):
            folder.mkdir(exist_ok=True)
            for module in modules:
                if not _has(folder, module):
                    _build(module, folder, echo)
            remove_unused(cache, keep={folder.name})
    os.utime(folder)
    return folder


def _go() -> tuple[str, str]:
    """Version (`go1.26.8`) and platform (`linux/amd64`) of the installed Go.

    Raises:
        BuildError: Go is missing or older than `NEEDED_GO`.
    """
    needed = ".".join(map(str, NEEDED_GO))
    advice = f"Install Go {needed} or newer (https://go.dev/dl/) and have `go` on the PATH."
    if shutil.which("go") is None:
        raise BuildError(
            f"The test cluster is built from Go modules, but `go` was not found. {advice}"
        )
    # Run inside the module: an older Go may download the toolchain that the module requires.
    answer = subprocess.run(
        ["go", "env", "-json", "GOVERSION", "GOOS", "GOARCH"],
        cwd=GO_FOLDER / "controlplane",
        env=_go_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode != 0:
        raise BuildError(f"{answer.stderr.strip()}. {advice}")
    go = json.loads(answer.stdout)
    version = re.match(r"go(\d+)\.(\d+)", go["GOVERSION"])
    if version and (int(version[1]), int(version[2])) < NEEDED_GO:
        raise BuildError(f"This is {go['GOVERSION']}. {advice}")
    return go["GOVERSION"], f"{go['GOOS']}/{go['GOARCH']}"


def module_folder(folder: Path, path: str) -> Path:
    """Where the sources of a module that the one in `folder` requires are; downloads them.

    Raises:
        BuildError: they could not be downloaded.
    """
    answer = subprocess.run(
        ["go", "mod", "download", "-json", path],
        cwd=folder,
        env=_go_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode != 0:
        reason = answer.stderr.strip() or answer.stdout.strip()
        raise BuildError(f"the sources of {path} were not downloaded: {reason}")
    return Path(json.loads(answer.stdout)["Dir"])


def _go_environment() -> dict[str, str]:
    return {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly"}


def _fingerprint(modules: Sequence[Module], go_version: str, platform: str) -> str:
    digest = hashlib.sha256()
    for module in modules:
        built = (module.folder, module.packages, module.ldflags)
        digest.update(repr((*built, module.tags) if module.tags else built).encode())
        for source in sorted((GO_FOLDER / module.folder).rglob("*")):
            if source.is_file():
                digest.update(
                    repr((source.relative_to(GO_FOLDER).as_posix(), source.read_bytes())).encode()
                )
    digest.update(repr((go_version, platform)).encode())
    return digest.hexdigest()[:16]


def _has(folder: Path, module: Module) -> bool:
    return all((folder / program).is_file() for program in module.programs)


def _is_complete(folder: Path, modules: Sequence[Module]) -> bool:
    return all(_has(folder, module) for module in modules)


def _build(module: Module, folder: Path, echo: Callable[[str], None]) -> None:
    """Build into a temporary folder; move the programs into `folder` once all are built."""
    names = ", ".join(module.programs)
    echo(f"building {names} (about {module.cold_seconds} s the first time, then it is cached)")
    started = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix=".building-", dir=folder.parent) as target,
        tempfile.TemporaryFile("w+") as output,
    ):
        command = [
            "go",
            "build",
            "-buildvcs=false",
            "-ldflags",
            module.ldflags,
            *(["-tags", ",".join(module.tags)] if module.tags else []),
            "-o",
            f"{target}/",
            *module.packages,
        ]
        with subprocess.Popen(
            command,
            cwd=GO_FOLDER / module.folder,
            env=_go_environment(),
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as build:
            try:
                report_until_done(build, f"building {names}", started, echo)
            except BaseException:
                build.kill()
                raise
        if build.returncode != 0:
            output.seek(0)
            raise BuildError(
                f"`{' '.join(command)}` failed in {GO_FOLDER / module.folder}:\n"
                f"{output.read()[-4000:]}"
            )
        for program in module.programs:
            (Path(target) / program).replace(folder / program)
    echo(f"built {names} in {time.monotonic() - started:.0f} s")


def report_until_done(
    build: subprocess.Popen[bytes],
    what: str,
    started: float,
    echo: Callable[[str], None],
    every: float = 10,
) -> None:
    while True:
        try:
            build.wait(every)
        except subprocess.TimeoutExpired:
            echo(f"{what}: {time.monotonic() - started:.0f} s")
        else:
            return


if __name__ == "__main__":
    try:
        ensure_binaries(print_with_time)
    except BuildError as failed:
        sys.exit(str(failed))
