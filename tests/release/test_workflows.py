"""The workflows of GitHub Actions: actionlint checks them, and their commands run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from pryv_operator import __version__
from tests.cluster.binaries import Module, ensure_binaries, ensure_programs
from tests.release.scripts import ROOT

WORKFLOWS: Final = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
_PINNED: Final = re.compile(r"uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")
#: Small, and built as the other Go programs are.
_ACTIONLINT: Final = Module(
    "actionlint", ("github.com/rhysd/actionlint/cmd/actionlint",), "-s -w", cold_seconds=15
)
#: What reaches other machines. Each writes its arguments to `$CALLS`.
_STUBS: Final = {
    "docker": """echo '{"containerimage.digest": "sha256:0123"}' > metadata.json""",
    "cosign": "",
    "gh": "",
    "pip": "",
    "jq": "echo sha256:0123",
    "syft": """printf '{}' > "${3#spdx-json=}" """,
}
#: In the place of two minutes of PyInstaller (`test_plugin_runs_without_python`): the program with
#: the interpreter of the tests.
_FREEZE: Final = f"""mkdir -p "$2" kubectl-pryv
cat > kubectl-pryv/kubectl-pryv << 'END'
#!/bin/sh
exec {Path(sys.executable).parent / "kubectl-pryv"} "$@"
END
chmod +x kubectl-pryv/kubectl-pryv
tar --create --gzip --file "$2/kubectl-pryv-linux-amd64.tar.gz" kubectl-pryv
"""


@pytest.mark.cluster
def test_actionlint_finds_nothing(cluster_echo: Callable[[str], None]) -> None:
    actionlint = ensure_programs("actionlint", (_ACTIONLINT,), cluster_echo) / "actionlint"
    done = subprocess.run(
        [actionlint, "-no-color", *WORKFLOWS], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_and_permissions_are_least(workflow: Path) -> None:
    """A tag can be moved to other code; a workflow that may write everywhere is worth stealing."""
    used = [line.strip(" -") for line in workflow.read_text().splitlines() if "uses:" in line]
    assert used
    assert [line for line in used if not _PINNED.fullmatch(line)] == []
    assert yaml.safe_load(workflow.read_text())["permissions"] == {"contents": "read"}


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_scripts_and_targets_exist(workflow: Path) -> None:
    text = workflow.read_text()
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for script in re.findall(r"python (\.ci/\S+)", text):
        assert (ROOT / script).is_file(), script
    for target in re.findall(r"make ([\w-]+)", text):
        assert target in targets, target


@pytest.mark.cluster
def test_release_without_effects(tmp_path: Path, cluster_echo: Callable[[str], None]) -> None:
    """The commands of a release, in order. What reaches other machines notes its arguments."""
    helm = ensure_binaries(cluster_echo).helm
    checkout = _checkout(tmp_path)
    calls = tmp_path / "calls"
    stubs = _stubs(tmp_path / "stubs", helm)
    jobs = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text())["jobs"]
    variables = {
        "PATH": f"{stubs}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "CALLS": str(calls),
        "IMAGE": "ghcr.io/pryv/pryv-operator",
        "CHARTS": "ghcr.io/pryv/charts",
        "GITHUB_REF_NAME": f"v{__version__}",
        "GITHUB_SHA": "4567",
        "VERSION": __version__,
        "DIGEST": "sha256:0123",
        "SYFT": "syft",
        "RUNNER_TEMP": str(_folder(tmp_path / "temporary")),
    }
    outputs = {}
    for job in ("version", "image", "chart", "plugin", "release"):
        variables["GITHUB_OUTPUT"] = str(tmp_path / f"output-{job}")
        _run_steps(jobs[job], checkout, variables)
        written = Path(variables["GITHUB_OUTPUT"])
        outputs[job] = written.read_text() if written.exists() else ""
    assert outputs == {
        "version": f"version={__version__}\n",
        "image": "digest=sha256:0123\n",
        "chart": "digest=sha256:89ab\n",
        "plugin": "",
        "release": "",
    }
    called = calls.read_text().splitlines()
    assert any("--platform linux/amd64,linux/arm64" in call for call in called)
    assert "cosign sign --yes --recursive ghcr.io/pryv/pryv-operator@sha256:0123" in called
    assert f"helm push dist/pryv-operator-{__version__}.tgz oci://ghcr.io/pryv/charts" in called
    (created,) = (call for call in called if call.startswith("gh release create"))
    files = set(created.split()[-9:])
    assert {
        "dist/pryv.yaml",
        "dist/install.yaml",
        "dist/pryv.io_pryvplatforms.yaml",
        f"dist/pryv-operator-{__version__}.tgz",
        f"dist/pryv-operator-{__version__}.spdx.json",
        "dist/kubectl-pryv-linux-amd64.tar.gz",
    } <= files
    assert "Image: `ghcr.io/pryv/pryv-operator@sha256:0123`" in (checkout / "notes.md").read_text()


def _checkout(folder: Path) -> Path:
    """A copy of what a release reads, as if the changelog had a section of this version."""
    checkout = folder / "checkout"
    checkout.mkdir()
    for name in (".ci", "charts", "crds", "manifests", "operator"):
        (checkout / name).mkdir()
        done = subprocess.run(["cp", "-R", f"{ROOT / name}/.", str(checkout / name)], check=False)
        assert done.returncode == 0
    changelog = (ROOT / "CHANGELOG.md").read_text()
    (checkout / "CHANGELOG.md").write_text(
        changelog.replace("## Unreleased", f"## {__version__} - 2026-01-01", 1)
    )
    return checkout


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def _stubs(folder: Path, helm: Path) -> Path:
    folder.mkdir()
    push = f'if [ "$1" = push ]; then echo "Digest: sha256:89ab"; else exec {helm} "$@"; fi'
    for name, script in {**_STUBS, "helm": push}.items():
        program = folder / name
        program.write_text(f'#!/bin/sh\necho "{name} $*" >> "$CALLS"\n{script}\n')
        program.chmod(0o755)
    python = folder / "python"  # a link would not find the packages of its environment
    python.write_text(
        f'#!/bin/sh\n[ "$1" = .ci/release/plugin.py ] || exec {sys.executable} "$@"\n{_FREEZE}'
    )
    python.chmod(0o755)
    return folder


def _run_steps(job: dict[str, Any], checkout: Path, variables: dict[str, str]) -> None:
    for step in job["steps"]:
        if "run" in step:
            # As the runners do: https://docs.github.com/actions (defaults.run.shell, unspecified).
            done = subprocess.run(
                ["bash", "-e", "-c", step["run"]],
                cwd=checkout,
                env=variables,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, f"{step['run']}\n{done.stdout}{done.stderr}"
