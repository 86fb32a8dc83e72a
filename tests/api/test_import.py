"""An existing installation moves: import, apply, and the files are those that its leader gave."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pryv_operator.cli.plugin import plugin
from tests.api.platforms import PlatformUser
from tests.api.test_tls import mounted, template

MOVED = ("1.6.12-cluster", "1.9.2-cluster", "1.9.2-single-node", "1.7.3-single-node", "2019-seed-era")
#: What a role's reverse proxy and stores read, byte for byte, with templates of one's own.
SAME_BYTES = {"core/hfs": "hfs/conf", "core/webhooks": "webhooks/conf", "core/mongodb": "mongodb/conf", "core/preview": "preview/conf"}


@pytest.mark.parametrize("release", [MOVED[0], *(pytest.param(release, marks=pytest.mark.long) for release in MOVED[1:])])
def test_an_imported_installation_gets_ready(user: PlatformUser, shared_pryv: Path, tmp_path: Path, release: str) -> None:
    source = shared_pryv / "releases" / release
    folder = source / "config-leader"
    if release == "2019-seed-era":  # the reference data keeps what was filled in beside what was shipped
        folder = filled(source, tmp_path)
    out = tmp_path / "out"
    done = CliRunner().invoke(plugin, ["import", str(folder), "--output", str(out), "--name", "acme", "--namespace", user.namespace])
    assert done.exit_code == 0, done.output
    assert oct((out / "secrets.yaml").stat().st_mode & 0o777) == "0o600"
    user.kubectl("apply", *(f"-f{file}" for file in sorted(out.glob("*.yaml"), reverse=True)))
    user.wait_ready()
    visible = user.kubectl("get", "pryvplatforms,configmaps,deployments,statefulsets", "-o", "json") + (out / "platform.yaml").read_text()
    for item in user.list("secrets", labels=None):
        if item["metadata"]["name"].startswith("acme-secrets"):
            for text in item["data"].values():
                assert base64.b64decode(text).decode() not in visible
    if release in ("1.6.12-cluster", "2019-seed-era"):
        for component, conf in SAME_BYTES.items():
            expected = source / "expected" / "core" / conf
            rendered = mounted(user, template(user, component.replace("core/", "co1/")), "/app/conf")
            files = {str(file.relative_to(expected)): file.read_text() for file in expected.rglob("*") if file.is_file()}
            assert {path: rendered[path] for path in files} == files


def filled(source: Path, folder: Path) -> Path:
    """The leader's folder of 2019 with the values somebody filled in."""
    made = folder / "leader"
    for origin in (source / "config-leader", source / "filled"):
        for file in origin.rglob("*"):
            if file.is_file():
                target = made / file.relative_to(origin)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(file.read_bytes())
    return made
