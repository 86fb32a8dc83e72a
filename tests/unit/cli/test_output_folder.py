"""The owner of what is written to an output folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from pryv_operator.cli.output_folder import OutputError, OutputFolder, Owner, parse_owner
from pryv_operator.cli.plugin import plugin
from tests.unit.offline.texts import PLATFORM

IDS = st.integers(0, 10**9 - 1)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")


@given(IDS, st.none() | IDS)
def test_owner_is_read_as_it_is_written(uid: int, gid: int | None) -> None:
    owner = Owner(uid) if gid is None else Owner(uid, gid)
    assert parse_owner(str(owner)) == owner


@pytest.mark.parametrize(
    "text", ["", "app", "9999:", ":9", "-1", "1:2:3", "9999 ", "1" * 10, "\u0661"]
)
def test_anything_else_is_wrong_usage(tmp_path: Path, text: str) -> None:
    (tmp_path / "platform.yaml").write_text(PLATFORM)
    arguments = ["render", "-f", str(tmp_path / "platform.yaml"), "--output", str(tmp_path / "out")]
    result = CliRunner().invoke(plugin, [*arguments, f"--owner={text}"])
    assert result.exit_code == 2
    assert not (tmp_path / "out").exists()


@needs_root
def test_new_files_and_folders_belong_to_the_owner(tmp_path: Path) -> None:
    OutputFolder(tmp_path, force=True, owner=Owner(9999, 8888)).write(
        {"a/b/secret": (b"x", True), "plain": (b"y", False)}
    )
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in tmp_path.rglob("*")}
    assert owners == {(9999, 8888)}
    assert (tmp_path / "a/b/secret").stat().st_mode & 0o777 == 0o600
    assert tmp_path.stat().st_uid == os.geteuid()


@needs_root
def test_rendered_files_belong_to_the_owner(tmp_path: Path) -> None:
    (tmp_path / "platform.yaml").write_text(PLATFORM)
    arguments = ["render", "-f", str(tmp_path / "platform.yaml"), "--output", str(tmp_path / "out")]
    result = CliRunner().invoke(plugin, [*arguments, "--owner", "9999"])
    assert result.exit_code == 0, result.output
    assert {path.stat().st_uid for path in (tmp_path / "out").rglob("*")} == {9999}


def test_nothing_is_written_without_the_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(OutputError, match=r"^--owner 9999:9999: .*run as root$"):
        OutputFolder(tmp_path / "out", force=False, owner=Owner(9999, 9999))
    assert not (tmp_path / "out").exists()
    assert OutputFolder(tmp_path / "out", force=False, owner=Owner(1000))
