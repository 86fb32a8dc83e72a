"""Import of a huge file ends soon, in little memory, with one error."""

from __future__ import annotations

import gzip
import time
import tracemalloc
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pryv_operator.cli.plugin import plugin
from tests.unit.templates.archives import header

GIB = 1024**3


STARTS = {
    "zeros": (b"", "it unpacks to more than 64 MiB"),
    "gzip and zeros": (gzip.compress(b"", mtime=0)[:10], "the gzip stream is damaged"),
    "a member of 3 GB": (
        header(b"config-leader/data/core/big", 3 * GIB),
        "big: it declares more than 8 MiB",
    ),
    "one member and zeros": (header(b"a", 7 * 1024**2), "it unpacks to more than 64 MiB"),
    "anything": (b"hello ", "not a .tgz or .tar archive"),
}


@pytest.mark.parametrize(("start", "error"), STARTS.values(), ids=STARTS)
def test_file_of_three_gigabytes(tmp_path: Path, start: bytes, error: str) -> None:
    source = tmp_path / "received.tgz"
    with source.open("wb") as file:
        file.write(start)
        file.truncate(3 * GIB)
    started = time.process_time()
    tracemalloc.start()
    try:
        result = CliRunner().invoke(
            plugin, ["import", str(source), "--output", str(tmp_path / "out")]
        )
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert result.exit_code == 1
    (line,) = (line for line in result.stderr.splitlines() if line.startswith("error: "))
    assert str(source) in line
    assert error in line
    assert peak < 50 * 1024**2
    assert time.process_time() - started < 30
    assert not (tmp_path / "out").exists()
