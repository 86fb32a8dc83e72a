"""The programs of the test cluster are built once, completely or not at all.

A shell script stands in for Go.
"""

from __future__ import annotations

import os
import threading
from dataclasses import astuple
from typing import TYPE_CHECKING

import pytest

from tests.cluster.binaries import BuildError, ensure_binaries

if TYPE_CHECKING:
    from pathlib import Path

FAKE_GO = """#!/bin/sh
if [ "$1" = env ]; then
    echo '{"GOVERSION": "'$FAKE_GO_VERSION'", "GOOS": "linux", "GOARCH": "amd64"}'
    exit
fi
echo "$CGO_ENABLED $GOFLAGS $PWD" >> "$FAKE_GO_CALLS"
while [ $# -gt 0 ]; do
    case "$1" in
        -ldflags) shift ;;
        -o) target="$2"; shift ;;
        */*) : > "$target$(basename "$1")" ;;
    esac
    shift
done
case "$PWD" in *"$FAKE_GO_FAILS_IN") echo "no such module"; exit 1 ;; esac
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fake Go on the PATH, an empty cache, and the file that lists the builds."""
    go = tmp_path / "bin" / "go"
    go.parent.mkdir()
    go.write_text(FAKE_GO)
    go.chmod(0o755)
    monkeypatch.setenv("PATH", f"{go.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("PRYV_OPERATOR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FAKE_GO_VERSION", "go1.26.0")
    monkeypatch.setenv("FAKE_GO_FAILS_IN", "nowhere")
    monkeypatch.setenv("FAKE_GO_CALLS", str(tmp_path / "calls"))
    return tmp_path / "calls"


def test_each_module_is_built_once_and_reported(calls: Path, tmp_path: Path) -> None:
    reported: list[str] = []
    binaries = ensure_binaries(reported.append)
    assert all(
        path.is_file() and path.is_relative_to(tmp_path / "cache") for path in astuple(binaries)
    )
    builds = calls.read_text().splitlines()
    assert [line.rsplit("/", 1)[-1] for line in builds] == ["controlplane", "kwok", "helm"]
    assert all(line.startswith("0 -mod=readonly ") for line in builds)
    assert sum(line.startswith("building ") for line in reported) == 3

    reported.clear()
    assert ensure_binaries(reported.append) == binaries
    assert reported == []
    assert len(calls.read_text().splitlines()) == 3


def test_concurrent_runs_build_once(calls: Path) -> None:
    runs = [threading.Thread(target=ensure_binaries, args=(lambda _line: None,)) for _ in range(4)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert len(calls.read_text().splitlines()) == 3


def test_another_go_version_is_built_again(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = ensure_binaries(lambda _line: None)
    monkeypatch.setenv("FAKE_GO_VERSION", "go1.27.1")
    assert ensure_binaries(lambda _line: None).etcd != first.etcd
    assert len(calls.read_text().splitlines()) == 6


def test_a_failed_build_leaves_no_incomplete_files(
    calls: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FAKE_GO_FAILS_IN", "/kwok")
    with pytest.raises(BuildError, match="no such module"):
        ensure_binaries(lambda _line: None)
    assert not list((tmp_path / "cache").rglob("kwok"))
    assert not list((tmp_path / "cache").rglob(".building-*"))

    monkeypatch.setenv("FAKE_GO_FAILS_IN", "nowhere")
    ensure_binaries(lambda _line: None)
    assert [line.rsplit("/", 1)[-1] for line in calls.read_text().splitlines()] == [
        "controlplane",
        "kwok",
        "kwok",
        "helm",
    ]


@pytest.mark.usefixtures("calls")
def test_an_older_go_is_rejected_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_GO_VERSION", "go1.25.9")
    with pytest.raises(BuildError, match=r"go1\.25\.9\. Install Go 1\.26 or newer"):
        ensure_binaries(lambda _line: None)


def test_a_missing_go_is_reported_with_a_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BuildError, match=r"`go` was not found\. Install Go 1\.26 or newer"):
        ensure_binaries(lambda _line: None)
