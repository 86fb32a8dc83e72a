"""README and quick start, pasted block by block, from `kind create cluster` on.

Where no registry is reachable, kind and docker are called with what replaces one: `--image` for the
node, a base image and wheels for the build. Pryv's images are stand-ins.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.cluster.binaries import ensure_binaries
from tests.cluster.kind.cluster import KindCluster, OwnEngine, running_engine
from tests.cluster.kind.debian import UnavailableError
from tests.cluster.kind.node_image import NODE_IMAGE
from tests.docs.run_page import ROOT, clone, environment, run_page
from tests.docs.shell import Shell
from tests.e2e.images import build, operator_image
from tests.e2e.outside import start_outside

_NAME: Final = "pryv"
_AVAILABLE: Final = frozenset({"docker", "real pods"})
_CONTEXT: Final = (
    *("Dockerfile", "LICENSE", "README.md", "pyproject.toml"),
    *("requirements.lock", "requirements-build.lock", "operator"),
)

pytestmark = pytest.mark.long


@dataclass(frozen=True)
class Reader:
    """A reader's terminal, and what gives the nodes the stand-ins once there is a cluster."""

    shell: Shell
    cluster: KindCluster
    prepare: Callable[[], None]

    def paste(self, page: str) -> None:
        """Run the blocks of a page."""

        def apply(manifest: str) -> None:
            self.cluster.kubectl("apply", "--dry-run=server", "--filename=-", stdin=manifest)

        run_page(
            (ROOT / page).read_text(),
            self.shell,
            apply,
            available=_AVAILABLE,
            after_command=self.prepare,
        )


@pytest.fixture(scope="module")
def reader(
    cluster_echo: Callable[[str], None], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Reader]:
    """A machine with docker, kind, kubectl and helm, and without a cluster."""
    folder = tmp_path_factory.mktemp("reader")
    try:
        with running_engine(cluster_echo) as own:
            bases = operator_image.ensure_bases(cluster_echo, own.engine, "quick-start")
            programs = _programs(folder / "programs", own, bases)
            binaries = ensure_binaries(cluster_echo)
            cluster = KindCluster(own.kubeconfig, binaries, own.engine, _NAME)
            variables = environment(own.kubeconfig, binaries.kubectl.parent, folder)
            variables["PATH"] = f"{programs}{os.pathsep}{variables['PATH']}"
            clone_folder = clone(folder / "pryv-operator")
            shell = Shell(folder / "state", clone_folder, variables, own.engine.enter_network)
            yield Reader(shell, cluster, _Stands(cluster, cluster_echo).load_once)
    except UnavailableError as missing:
        if "CI" in os.environ:
            raise
        pytest.skip(str(missing))


def test_readme_gives_a_ready_platform(reader: Reader) -> None:
    reader.paste("README.md")
    answer = reader.shell.run(
        "kubectl get pryvplatform acme --output jsonpath='{.status.revision}'"
    )
    assert answer == "1"


@pytest.mark.parametrize("page", ["docs/logs.md", "docs/troubleshooting.md"])
def test_pages_that_need_real_pods(reader: Reader, page: str) -> None:
    reader.paste(page)


def test_quick_start_goes_on_from_there(reader: Reader) -> None:
    reader.paste("docs/quick-start.md")


@dataclass
class _Stands:
    """Gives the nodes the stand-ins for Pryv's images, and what is outside of platforms."""

    cluster: KindCluster
    echo: Callable[[str], None]
    loaded: bool = False

    def load_once(self) -> None:
        """Load them if this was not done yet."""
        if not self.loaded:
            self.loaded = True
            self.cluster.load(build.ensure_archive(self.echo))
            start_outside(self.cluster)


def _programs(folder: Path, own: OwnEngine, bases: list[str]) -> Path:
    """The programs kind and docker as a machine with a registry has them."""
    folder.mkdir()
    kind = shlex.join(own.engine.enter(own.kind))
    docker = shlex.join(own.engine.enter("docker"))
    create = f"--image={NODE_IMAGE} --kubeconfig={own.kubeconfig}"
    scripts = {
        "kind": f'if [ "$1" = create ]; then set -- "$@" {create}; fi\nexec {kind} "$@"\n',
        # The engine does not see this machine's files: the last argument, the folder, is sent.
        "docker": f"""[ "$1" = build ] || exec {docker} "$@"
shift
[ "$3" = . ] || exit 64
tar --create --dereference --format=gnu --exclude=__pycache__ {" ".join(_CONTEXT)} |
  {docker} build {shlex.join(bases)} "$1" "$2" -
""",
    }
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\nset -e\n{script}")
        (folder / name).chmod(0o755)
    return folder
