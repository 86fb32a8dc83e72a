"""Every input from outside ends in a result or a foreseen error, quickly and in little memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz import process, targets


@pytest.mark.parametrize("name", targets.TARGETS)
def test_inputs_from_outside_cause_only_foreseen_errors(
    name: str, tmp_path: Path, fuzz_seconds: float, fuzz_seed: int
) -> None:
    report = process.fuzz(name, tmp_path, seconds=fuzz_seconds, seed=fuzz_seed)
    print(f"{name}: {report.figures}")
    if report.findings:
        pytest.fail(f"{name} (seed {fuzz_seed}):\n" + "\n".join(report.findings), pytrace=False)
    assert report.figures["replayed"] > 0


@pytest.mark.parametrize("name", targets.TARGETS)
def test_corpus_is_small(name: str) -> None:
    files = list((process.CORPUS / name).iterdir())
    assert 0 < len(files) <= process.CORPUS_FILES
    assert max(file.stat().st_size for file in files) <= process.CORPUS_SIZE
