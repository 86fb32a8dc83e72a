"""Releases and defaults that Pryv ships are recognised by their hashes."""

from __future__ import annotations

from pathlib import Path

import pytest

from pryv_operator.importer.shipped_releases import closest_release, is_shipped_default
from pryv_operator.templates.leader_folder import read_leader
from tests.unit.templates.archives import release_files


@pytest.mark.parametrize(("release", "files"), [("1.9.2-cluster", 45), ("1.9.2-single-node", 30)])
def test_shipped_release_is_recognised(shared_pryv: Path, release: str, files: int) -> None:
    found = closest_release(
        read_leader(release_files(shared_pryv / "releases", release)).bundle.roles
    )
    assert (found.release, found.changed, found.files) == ("1.9.2", (), files)


@pytest.mark.parametrize("release", ["1.6.12-cluster", "1.7.3-single-node", "2019-seed-era"])
def test_other_release_differs(shared_pryv: Path, release: str) -> None:
    assert closest_release(
        read_leader(release_files(shared_pryv / "releases", release)).bundle.roles
    ).changed


def test_every_changed_file_is_listed(shared_pryv: Path) -> None:
    roles = {
        role: dict(files)
        for role, files in read_leader(
            release_files(shared_pryv / "releases", "1.9.2-cluster")
        ).bundle.roles.items()
    }
    del roles["static"]["pryv.yml"]
    roles["core"]["core/conf/core.yml"] += b" "
    roles["core"]["core/conf/new.conf"] = b""
    roles["core"]["core/data/not-kept"] = b""
    assert closest_release(roles).changed == (
        "core/core/conf/core.yml",
        "core/core/conf/new.conf",
        "static/pryv.yml",
    )
    del roles["static"], roles["core"]
    assert closest_release(roles).changed == ()


def test_shipped_default_is_recognised(shared_pryv: Path) -> None:
    leader = read_leader(release_files(shared_pryv / "releases", "1.6.12-cluster"))
    assert is_shipped_default("WELCOME_TEMPLATE_DE", leader.values["WELCOME_TEMPLATE_DE"])
    assert not is_shipped_default("WELCOME_TEMPLATE_DE", leader.values["WELCOME_TEMPLATE_FR"])
    assert not is_shipped_default("PLATFORM_NAME", leader.values["PLATFORM_NAME"])
