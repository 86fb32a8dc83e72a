"""The programs are built once, all or nothing: shown with a small script in place of Go."""

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


def test_builds_each_module_once_and_says_so(calls: Path, tmp_path: Path) -> None:
    said: list[str] = []
    binaries = ensure_binaries(said.append)
    assert all(
        path.is_file() and path.is_relative_to(tmp_path / "cache") for path in astuple(binaries)
    )
    builds = calls.read_text().splitlines()
    assert [line.rsplit("/", 1)[-1] for line in builds] == ["controlplane", "kwok", "helm"]
    assert all(line.startswith("0 -mod=readonly ") for line in builds)
    assert sum(line.startswith("building ") for line in said) == 3

    said.clear()
    assert ensure_binaries(said.append) == binaries
    assert said == []
    assert len(calls.read_text().splitlines()) == 3


def test_two_runs_at_a_time_build_once(calls: Path) -> None:
    runs = [threading.Thread(target=ensure_binaries, args=(lambda _line: None,)) for _ in range(4)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert len(calls.read_text().splitlines()) == 3


def test_another_go_builds_anew(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = ensure_binaries(lambda _line: None)
    monkeypatch.setenv("FAKE_GO_VERSION", "go1.27.1")
    assert ensure_binaries(lambda _line: None).etcd != first.etcd
    assert len(calls.read_text().splitlines()) == 6


def test_a_failed_build_leaves_nothing_half_done(
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
def test_an_older_go_is_refused_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_GO_VERSION", "go1.25.9")
    with pytest.raises(BuildError, match=r"go1\.25\.9\. Install Go 1\.26 or newer"):
        ensure_binaries(lambda _line: None)


def test_no_go_is_said_with_advice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BuildError, match=r"there is no `go`\. Install Go 1\.26 or newer"):
        ensure_binaries(lambda _line: None)
