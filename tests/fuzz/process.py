"""Runs the fuzzer in a process of its own: an input that hangs or crashes it is reported, too."""

from __future__ import annotations

import hashlib
import importlib
import json
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.fuzz.fuzzer import Fuzzer
from tests.fuzz.limits import Finding
from tests.fuzz.target import Target

CORPUS = Path(__file__).parent / "corpus"
#: Limits of the corpus of a target: files, and bytes of each.
CORPUS_FILES = 60
CORPUS_SIZE = 4096

_ROOT = Path(__file__).parents[2]
_REPORT = "report.json"
_CURRENT = "current-input"


@dataclass
class Report:
    """What a process did. ``findings`` are messages with the file that holds the input."""

    figures: dict[str, float] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)


def find_target(name: str) -> Target:
    """A target of ``tests/fuzz/targets.py``, or ``MODULE:NAME`` of another module.

    Raises:
        KeyError: there is no target of that name.
    """
    module, _, key = name.rpartition(":")
    targets: dict[str, Target] = importlib.import_module(module or "tests.fuzz.targets").TARGETS
    return targets[key]


def read_corpus(name: str) -> dict[str, bytes]:
    """The corpus of a target: name of the file → input."""
    files = sorted((CORPUS / name).glob("*"))
    return {file.name: file.read_bytes() for file in files if file.is_file()}


def fuzz(name: str, folder: Path, *, seconds: float, seed: int) -> Report:
    """Fuzz a target in a new process that writes findings into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [
        *(sys.executable, "-m", "tests.fuzz", name),
        *("--seconds", str(seconds), "--seed", str(seed), "--found", str(folder)),
    ]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    if done.returncode in (0, 1) and (folder / _REPORT).exists():
        return Report(**json.loads((folder / _REPORT).read_text()))
    ended = f"code {done.returncode}"
    if done.returncode < 0:
        ended = signal.Signals(-done.returncode).name
    hint = " (its deadline: the input hangs)" if ended == "SIGVTALRM" else ""
    current = folder / _CURRENT
    data = current.read_bytes() if current.exists() else b""
    what = f"the process exited with {ended}{hint}\n{done.stderr[-2000:]}"
    return Report({}, [_message(Finding("died", what, data), folder, name)])


def fuzz_here(name: str, folder: Path, *, seconds: float, seed: int) -> Report:
    """Fuzz a target in this process; write findings and a report into ``folder``."""
    target = find_target(name)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _CURRENT).open("wb", buffering=0) as current:

        def note(data: bytes) -> None:
            current.seek(0)
            current.write(data)
            current.truncate()

        result = Fuzzer(target, read_corpus(name), seed=seed, note=note).fuzz(seconds=seconds)
    figures: dict[str, Any] = asdict(result)
    del figures["findings"]
    findings = [_message(finding, folder, name) for finding in result.findings.values()]
    report = Report(figures, findings)
    (folder / _REPORT).write_text(json.dumps(asdict(report)))
    return report


def _message(finding: Finding, folder: Path, name: str) -> str:
    """Write the input of a finding to a file; return a message with both."""
    digest = hashlib.sha256(finding.data).hexdigest()[:12]
    file = folder / f"{name.rpartition(':')[2]}-{finding.kind}-{digest}"
    file.write_bytes(finding.data)
    shown = repr(finding.data[:2000]) + ("…" if len(finding.data) > 2000 else "")
    size = len(finding.data)
    return f"{finding.kind}: {finding.what}\n  input ({size} bytes, in {file}): {shown}"
