"""The scripts that releases are made with."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml

from pryv_operator import __version__
from tests.release.scripts import FOLDER, ROOT, script

CHANGELOG = "# Changelog\n\n## Unreleased\n\n- New\n\n## 0.2.0 - 2026-01-02\n\n### Added\n\n- Old\n"
VERSIONS = {"package": "0.2.0", "chart": "0.2.0"}


def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, FOLDER / f"{name}.py", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_all_places_are_of_one_version() -> None:
    done = run("version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{__version__}\n", "")


@pytest.mark.parametrize(
    ("tag", "versions", "problem"),
    [
        ("0.2.0", VERSIONS, 'tag: "0.2.0" does not begin with "v"; tag the commit as "v0.2.0"'),
        ("v0.2", VERSIONS, 'version: "0.2" is not X.Y.Z, or X.Y.Z-rc.N'),
        ("v0.2.0", {**VERSIONS, "chart": "0.1.0"}, 'chart: "0.1.0" is not "0.2.0"; change it'),
        (None, {**VERSIONS, "chart": "0.1.0"}, 'chart: "0.1.0" is not "0.2.0"; change it'),
        ("v0.3.0", VERSIONS, 'CHANGELOG.md: section "## 0.3.0" not found'),
    ],
)
def test_other_versions_are_problems(
    tag: str | None, versions: dict[str, str], problem: str
) -> None:
    problems = script("version").find_problems(tag, versions, CHANGELOG)
    assert any(problem in each for each in problems)


def test_a_release_whose_places_agree_has_no_problem() -> None:
    assert script("version").find_problems("v0.2.0", VERSIONS, CHANGELOG) == []


def test_a_tag_without_section_is_refused() -> None:
    done = run("version", "v99.0.0")
    assert (done.returncode, done.stdout) == (1, "")
    assert 'section "## 99.0.0" not found' in done.stderr


def test_notes_are_the_section_of_the_version() -> None:
    assert script("notes").find_section(CHANGELOG, "0.2.0") == "### Added\n\n- Old"
    assert script("notes").find_section(CHANGELOG, "Unreleased") == "- New"
    assert script("notes").find_section(CHANGELOG, "0.2") is None
    assert run("notes", "Unreleased").stdout.startswith("### ")
    assert run("notes", "99.0.0").returncode == 1
    assert run("notes").returncode == 2


def test_krew_manifest_names_each_archive_with_its_digest(tmp_path: Path) -> None:
    archives = []
    for system in ("linux", "darwin"):
        for machine in ("x86_64", "arm64"):
            archive = tmp_path / script("plugin").archive_name(system.title(), machine)
            archive.write_bytes(archive.name.encode())
            archives.append(str(archive))
    found = yaml.safe_load(run("krew", "0.2.0", *archives).stdout)
    assert found["spec"]["version"] == "v0.2.0"
    platforms = {each["uri"].rpartition("/")[2]: each for each in found["spec"]["platforms"]}
    assert len(platforms) == 4
    linux = platforms["kubectl-pryv-linux-amd64.tar.gz"]
    assert linux["selector"] == {"matchLabels": {"os": "linux", "arch": "amd64"}}
    assert linux["sha256"] == hashlib.sha256(b"kubectl-pryv-linux-amd64.tar.gz").hexdigest()


def test_krew_manifest_of_another_file_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "kubectl-pryv-windows-amd64.zip"
    other.touch()
    done = run("krew", "0.2.0", str(other))
    assert done.returncode == 1
    assert 'error: "kubectl-pryv-windows-amd64.zip" is not kubectl-pryv-OS-ARCH' in done.stderr


def test_machines_without_releases_are_refused() -> None:
    with pytest.raises(ValueError, match='machine "riscv64" is not one of'):
        script("plugin").archive_name("Linux", "riscv64")


@pytest.mark.long
def test_plugin_runs_without_python(tmp_path: Path) -> None:
    """Two minutes; the commands that load most run, from another folder and without a PATH."""
    done = run("plugin", str(tmp_path / "dist"))
    assert done.returncode == 0, done.stderr[-3000:]
    archive = Path(done.stdout.strip().splitlines()[-1])
    assert archive.name == script("plugin").archive_name(platform.system(), platform.machine())
    digest = archive.with_name(f"{archive.name}.sha256").read_text().split()[0]
    assert digest == hashlib.sha256(archive.read_bytes()).hexdigest()
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path, filter="data")
    program = tmp_path / "kubectl-pryv" / "kubectl-pryv"
    assert (program.parent / "LICENSE").is_file()

    def output(*arguments: str, code: int = 0) -> str:
        ran = subprocess.run(
            [program, *arguments], capture_output=True, text=True, env={}, cwd=tmp_path, check=False
        )
        assert ran.returncode == code, ran.stderr
        return ran.stdout + ran.stderr

    assert __version__ in output("--version")
    sample = ROOT / "manifests" / "samples" / "platform.yaml"
    output("render", "-f", str(sample), "--output", "rendered")
    assert json.loads(
        (tmp_path / "rendered/files/reg-master/register/conf/register.json").read_text()
    )
    # What speaks to a cluster is loaded, and finds none.
    assert "kubeconfig not found" in output("status", code=2)
