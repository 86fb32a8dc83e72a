"""Every block of README and docs runs as printed, in order, page by page."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from tests.api.fixtures import CHART, OPERATOR_NAMESPACE, helm
from tests.cluster.control_plane import ControlPlane
from tests.cluster.simulated_nodes import SimulatedNodes
from tests.docs.blocks import read_blocks
from tests.docs.load_balancers import LoadBalancers
from tests.docs.operator_pods import OperatorPods
from tests.docs.run_page import NAMESPACE, ROOT, clone, environment, run_page
from tests.docs.shell import Shell

PAGES: Final = {
    str(path.relative_to(ROOT)): path
    for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("charts/*/*.md")])
    if any(block.language for block in read_blocks(path.read_text()))
}
#: Pages that begin with an empty cluster: installing is what they are about.
EMPTY: Final = frozenset({"README.md", "docs/quick-start.md", "docs/install.md"})
_PLATFORM: Final = ROOT / "manifests" / "samples" / "platform.yaml"
_READY_SECONDS: Final = 180


@pytest.fixture
def reader(
    cluster_echo: Callable[[str], None], tmp_path: Path
) -> Iterator[tuple[ControlPlane, Path]]:
    """A cluster that nobody else uses, with the reader's kubeconfig."""
    with ExitStack() as stack:
        cluster = stack.enter_context(ControlPlane(echo=cluster_echo))
        stack.enter_context(SimulatedNodes(cluster, echo=cluster_echo))
        stack.enter_context(LoadBalancers(cluster.api))
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.touch(mode=0o600)
        kubeconfig.write_text(cluster.kubeconfig.read_text())
        yield cluster, kubeconfig


@pytest.mark.cluster
@pytest.mark.parametrize("page", PAGES)
def test_blocks_run_in_order(
    page: str, reader: tuple[ControlPlane, Path], tmp_path: Path, cluster_echo: Callable[..., None]
) -> None:
    cluster, kubeconfig = reader
    variables = environment(kubeconfig, cluster.binaries.kubectl.parent, tmp_path)
    shell = Shell(tmp_path / "state", clone(tmp_path / "pryv-operator"), variables)
    pods = OperatorPods(cluster)
    try:
        if page not in EMPTY:
            _install(cluster, pods)

        def apply(manifest: str) -> None:
            _dry_run(cluster, manifest)

        outcome = run_page(
            PAGES[page].read_text(),
            shell,
            apply,
            available=frozenset(),
            after_command=pods.sync,
        )
    finally:
        pods.stop()
    cluster_echo(f"{page}: {outcome.run} run, not run: {'; '.join(outcome.skipped) or 'none'}")


def _install(cluster: ControlPlane, pods: OperatorPods) -> None:
    """The operator, and a Ready platform `acme` in namespace `pryv`, as the other pages assume."""
    release = ("install", "pryv-operator", str(CHART), f"--namespace={OPERATOR_NAMESPACE}")
    helm(cluster, *release, "--create-namespace")
    pods.sync()
    cluster.kubectl("create", "namespace", NAMESPACE)
    where = f"--namespace={NAMESPACE}"
    cluster.kubectl(
        "create", "secret", "generic", "acme-admin", where, "--from-literal=key=first-1"
    )
    cluster.kubectl("apply", f"--filename={_PLATFORM}")
    cluster.kubectl(
        *("wait", "pryvplatform/acme", where, "--for=condition=Ready"),
        f"--timeout={_READY_SECONDS}s",
        seconds=_READY_SECONDS + 10,
    )


def _dry_run(cluster: ControlPlane, manifest: str) -> None:
    done: subprocess.CompletedProcess[str] = cluster.kubectl(
        "apply", "--dry-run=server", "--filename=-", stdin=manifest, check=False
    )
    assert done.returncode == 0, f"{done.stderr.strip()}\nof:\n{manifest}"
