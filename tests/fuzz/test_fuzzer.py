"""The fuzzer finds planted faults of each kind, and its generated inputs are useful."""

from __future__ import annotations

import gzip
import json
import tarfile
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings

from tests.fuzz import limits, process
from tests.fuzz.fuzzer import Fuzzer
from tests.fuzz.inputs import Mutator, generated
from tests.fuzz.limits import Finding
from tests.fuzz.planted import TARGETS
from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS as REAL_TARGETS


def _findings(name: str, seed: bytes, seconds: float = 0) -> list[Finding]:
    result = Fuzzer(TARGETS[name], {"seed": seed}, seed=1).fuzz(seconds=seconds)
    return list(result.findings.values())


def test_a_crash_is_found_and_its_input_made_small() -> None:
    (finding,) = _findings("crashing", b"nothing of the kind", seconds=2)
    assert finding.kind == "crash"
    assert "PlantedError at " in finding.what
    assert len(finding.data) < 40


def test_a_slow_input_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "TIME_LIMIT", 0.08)
    assert [finding.kind for finding in _findings("slow", b"x" * 1001)] == ["slow"]


def test_an_input_that_takes_too_much_memory_is_found() -> None:
    assert [finding.kind for finding in _findings("large", b"x" * 2000)] == ["memory"]


def test_a_leak_is_found() -> None:
    assert [finding.kind for finding in _findings("leaking", b"x")] == ["growth"]


def test_an_input_that_kills_the_process_is_reported(tmp_path: Path) -> None:
    report = process.fuzz("tests.fuzz.planted:dying", tmp_path, seconds=0.1, seed=1)
    assert len(report.findings) == 1
    assert "exited with SIGABRT" in report.findings[0]
    assert len(list(tmp_path.glob("dying-died-*"))) == 1


@pytest.mark.parametrize("seed", range(20))
def test_most_changed_json_is_valid(seed: int) -> None:
    target = Target(lambda _: None, (), shape="json", tokens=(b"name",), size=10_000)
    mutator = Mutator(Random(seed), target)
    data = b'{"a": [1, {"b": "text"}], "c": null}'
    changed = [mutator.mutated(data, b'{"other": [2]}') for _ in range(50)]
    assert len(set(changed)) > 20
    assert sum(map(_is_json, changed)) > 25


def test_composed_archives_have_correct_checksums() -> None:
    headers: list[bool] = []

    @settings(
        max_examples=200,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(generated(REAL_TARGETS["archive"], tuple(process.read_corpus("archive").values())))
    def generate(data: bytes) -> None:
        headers.append(_has_header(data))

    generate()
    assert sum(headers) > len(headers) / 3


def _is_json(data: bytes) -> bool:
    try:
        json.loads(data)
    except ValueError:
        return False
    return True


def _has_header(data: bytes) -> bool:
    try:
        plain = gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
        tarfile.TarInfo.frombuf(plain[:512], "utf-8", "surrogateescape")
    except Exception:  # noqa: BLE001 - whatever is wrong with it
        return False
    return True
