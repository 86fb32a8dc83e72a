"""Import of an existing installation: the rendered files equal those of its leader."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hjson
import pytest
import yaml
from typer.testing import CliRunner

from pryv_operator.cli.plugin import plugin
from tests.api.platforms import PlatformUser
from tests.api.test_tls import mounted, template

MOVED = (
    "1.6.12-cluster",
    "1.9.2-cluster",
    "1.9.2-single-node",
    "1.7.3-single-node",
    "2019-seed-era",
)
#: These run with the templates they were imported with: their components find what the leader gave.
OWN_TEMPLATES = ("1.6.12-cluster", "1.7.3-single-node", "2019-seed-era")
_READ_ONLY = re.compile(r"(?:\$\{PRYV_CONF_ROOT\}/pryv|\.)/(?P<source>.+?)/?:(?P<target>/.+?)/?:ro")
_READERS: dict[str, Callable[[str], Any]] = {
    ".json": json.loads,
    ".yml": yaml.safe_load,
    ".hjson": hjson.loads,
}


@pytest.mark.long
@pytest.mark.parametrize("release", MOVED)
def test_imported_installation_becomes_ready(
    user: PlatformUser, shared_pryv: Path, tmp_path: Path, release: str
) -> None:
    source = shared_pryv / "releases" / release
    folder = source / "config-leader"
    if (
        release == "2019-seed-era"
    ):  # the reference data keeps what was filled in beside what was shipped
        folder = filled(source, tmp_path)
    out = tmp_path / "out"
    done = CliRunner().invoke(
        plugin,
        [
            "import",
            str(folder),
            "--output",
            str(out),
            "--name",
            "acme",
            "--namespace",
            user.namespace,
        ],
    )
    assert done.exit_code == 0, done.output
    assert oct((out / "secrets.yaml").stat().st_mode & 0o777) == "0o600"
    user.kubectl("apply", *(f"-f{file}" for file in sorted(out.glob("*.yaml"), reverse=True)))
    user.wait_ready()
    visible = (
        user.kubectl("get", "pryvplatforms,configmaps,deployments,statefulsets", "-o", "json")
        + (out / "platform.yaml").read_text()
    )
    for item in user.list("secrets", labels=None):
        if item["metadata"]["name"].startswith("acme-secrets"):
            for text in item["data"].values():
                assert base64.b64decode(text).decode() not in visible
    assert ("templates:" in (out / "platform.yaml").read_text()) == (release in OWN_TEMPLATES)
    if release in OWN_TEMPLATES:
        compare(user, source / "expected", (out / "report.md").read_text())


def compare(user: PlatformUser, expected: Path, report: str) -> None:
    """Every mounted file equals the leader's, in bytes or, if reported, in meaning."""
    workloads = [item["metadata"]["labels"] for item in user.list("deployments,statefulsets")]
    compared = set()
    for role, component, folder, target in read_only(expected):
        files = {
            str(file.relative_to(folder)): file.read_text()
            for file in folder.rglob("*")
            if file.is_file()
        }
        for labels in workloads:
            if (labels["pryv.io/role"], labels["pryv.io/component"]) != (role, component):
                continue
            found = mounted(
                user, template(user, f"{labels['pryv.io/instance']}/{component}"), target
            )
            assert files.keys() <= found.keys()
            for path, given in files.items():
                name = f"{role}/{folder.relative_to(expected / role)}/{path}"
                compared.add(name)
                if found[path] != given:
                    read = _READERS[Path(path).suffix]
                    assert read(found[path]) == read(given), name
                    assert name in report
    assert {labels["pryv.io/role"] for labels in workloads} == {
        folder.name for folder in expected.iterdir()
    }
    there = {
        str(file.relative_to(expected))
        for file in expected.rglob("*")
        if file.is_file() and file.name != "pryv.yml"
    }
    assert there == compared


def read_only(expected: Path) -> Iterator[tuple[str, str, Path, str]]:
    """The mounts of all components: role, component, folder of the leader, mount path."""
    for file in sorted(expected.glob("*/pryv.yml")):
        for service, said in yaml.safe_load(file.read_text())["services"].items():
            for volume in said.get("volumes", ()):
                if match := _READ_ONLY.fullmatch(volume):
                    yield (
                        file.parent.name,
                        service.replace("_", "-"),
                        file.parent / match["source"],
                        match["target"],
                    )


def filled(source: Path, folder: Path) -> Path:
    """The leader's folder of 2019 with values filled in."""
    made = folder / "leader"
    for origin in (source / "config-leader", source / "filled"):
        for file in origin.rglob("*"):
            if file.is_file():
                target = made / file.relative_to(origin)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(file.read_bytes())
    return made
