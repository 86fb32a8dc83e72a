"""What another operator would desire otherwise has another digest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import pryv_operator
from pryv_operator.api.privileges import Privilege
from pryv_operator.reconcile.program_digest import code_digest, program_digest
from pryv_operator.reconcile.settings import Settings

SETTINGS = Settings("10.96.0.10")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "templates").mkdir()
    (tmp_path / "a.py").write_text("a = 1\n")
    (tmp_path / "templates" / "nginx.conf").write_text("listen 80;\n")
    return tmp_path


def test_code_and_templates_count(folder: Path) -> None:
    seen = {code_digest(folder)}
    (folder / "templates" / "nginx.conf").write_text("listen 443;\n")
    seen.add(code_digest(folder))
    (folder / "a.py").write_text("a = 2\n")
    seen.add(code_digest(folder))
    (folder / "a.py").rename(folder / "b.py")
    seen.add(code_digest(folder))
    (folder / "templates" / "nginx.conf").rename(folder / "nginx.conf")
    seen.add(code_digest(folder))
    assert len(seen) == 5


def test_where_it_is_and_what_python_compiles_of_it_do_not_count(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other") / "pryv_operator"
    folder.rename(other)
    before = code_digest(other)
    (other / "__pycache__").mkdir()
    (other / "__pycache__" / "a.cpython-311.pyc").write_bytes(b"code")
    assert code_digest(other) == before


def test_the_operators_own_files_are_found() -> None:
    assert code_digest() == code_digest(Path(pryv_operator.__file__).parent)
    assert code_digest() != code_digest(Path(pryv_operator.__file__).parent / "reconcile")


def test_what_decides_about_desired_objects_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    before = program_digest(SETTINGS, 1, "code")
    assert before == program_digest(SETTINGS, 1, "code")
    others = {
        program_digest(SETTINGS, 1, "other"),
        program_digest(SETTINGS, 2, "code"),
        program_digest(replace(SETTINGS, cluster_dns="10.96.0.11"), 1, "code"),
        program_digest(replace(SETTINGS, allowed=frozenset({Privilege.EXTERNAL_IPS})), 1, "code"),
    }
    monkeypatch.setattr(pryv_operator, "__version__", "another")
    others.add(program_digest(SETTINGS, 1, "code"))
    assert len(others | {before}) == 6


def test_how_often_is_looked_does_not_count() -> None:
    often = replace(SETTINGS, resync_seconds=1.0, full_resync_seconds=2.0)
    assert program_digest(often, 1, "code") == program_digest(SETTINGS, 1, "code")
