"""The small installation of the samples, with which docs/migrate.md can be followed."""

from __future__ import annotations

from pathlib import Path

from pryv_operator.templates.leader_folder import read_leader
from tests.unit.importer.leaders import imported

SAMPLE = Path(__file__).parents[3] / "manifests/samples/config-leader"


def test_the_sample_renders_the_bytes_of_its_leader() -> None:
    files = {
        file.relative_to(SAMPLE).as_posix(): file.read_bytes()
        for file in SAMPLE.rglob("*")
        if file.is_file()
    }
    result = imported(read_leader(files), name="acme", namespace="acme")
    assert "9 of 9 files are byte-identical to the leader's" in result.text("report.md")
    assert "Would be refused" not in result.text("report.md")
    assert "example-of-an-admin-key-1" in result.text("secrets.yaml")
    assert "example-of-an-admin-key-1" not in result.text("platform.yaml")
