"""The fuzzer finds what it is there for."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zlib
from functools import partial
from pathlib import Path
from random import Random

import pytest

from tests.fuzz import engine, process
from tests.fuzz.coverage import Coverage
from tests.fuzz.engine import Finding, Fuzzer, chosen
from tests.fuzz.mutations import Mutator
from tests.fuzz.planted import TARGETS


def _found(name: str, seed: bytes, executions: int) -> list[Finding]:
    result = Fuzzer(TARGETS[name], {"seed": seed}, seed=1).fuzz(seconds=120, executions=executions)
    return list(result.findings.values())


def test_a_fault_behind_four_conditions_is_found_and_made_small() -> None:
    found = _found("deep", b"nothing of the kind", 30_000)
    assert [finding.kind for finding in found] == ["crash"]
    assert "PlantedError at " in found[0].what
    assert found[0].data == b"deep"


def test_an_input_that_takes_too_long_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "TIME_LIMIT", 0.08)
    assert [finding.kind for finding in _found("slow", b"x" * 1001, 1)][:1] == ["slow"]


def test_an_input_that_takes_too_much_memory_is_found() -> None:
    assert [finding.kind for finding in _found("large", b"x" * 2000, 1)][:1] == ["memory"]


def test_memory_that_is_not_given_back_is_found() -> None:
    assert [finding.kind for finding in _found("leaking", b"x", 1)] == ["growth"]


def test_an_input_that_ends_the_process_is_told(tmp_path: Path) -> None:
    report = process.fuzz("tests.fuzz.planted:dying", tmp_path, seconds=0.1, seed=1)
    assert len(report.findings) == 1
    assert "ended with SIGABRT" in report.findings[0]
    assert len(list(tmp_path.glob("dying-died-*"))) == 1


def test_coverage_tells_paths_and_counts_apart() -> None:
    coverage = Coverage(("/tests/fuzz/planted.py",))
    features = [
        coverage.features(partial(TARGETS["deep"].run, data)) for data in (b"x", b"y", b"d", b"de")
    ]
    assert features[0] == features[1]
    assert features[0] != features[2] != features[3]


def test_the_corpus_keeps_what_is_there_and_adds_what_takes_new_steps() -> None:
    pool = {b"long one": {8, 16}, b"short": {16}, b"more": {8, 24}, b"there": {8}, b"x" * 99: {80}}
    assert chosen(pool, [b"there"], files=9, size=50) == [b"there", b"more", b"short"]
    assert chosen(pool, [b"there"], files=2, size=50) == [b"there", b"more"]


@pytest.mark.parametrize("seed", range(20))
def test_most_changed_json_is_json(seed: int) -> None:
    mutator = Mutator(Random(seed), "json", (b"name",), 10_000)
    data = b'{"a": [1, {"b": "text"}], "c": null}'
    made = [mutator.mutated(data, b'{"other": [2]}') for _ in range(50)]
    assert len(set(made)) > 20
    good = 0
    for each in made:
        try:
            json.loads(each)
        except ValueError:
            continue
        good += 1
    assert good > 25


def test_changed_archives_have_right_checksums() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("conf/platform.yml"), io.BytesIO())
    mutator = Mutator(Random(1), "archive", (b"../",), 100_000)
    data, good = out.getvalue(), 0
    for _ in range(200):
        made = mutator.mutated(data, data)
        try:
            plain = gzip.decompress(made) if made.startswith(b"\x1f\x8b") else made
            tarfile.TarInfo.frombuf(plain[:512], "utf-8", "surrogateescape")
        except (tarfile.HeaderError, zlib.error, OSError, EOFError, ValueError):
            continue
        good += 1
    assert good > 60
