"""A fuzzer in a process of its own, and what became of it: a hang inside C, or a crash of the interpreter, ends only that."""

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

from tests.fuzz.engine import Finding, Fuzzer, Target, chosen, read_corpus

CORPUS = Path(__file__).parent / "corpus"
#: The corpus of a target is no larger than this: files, and bytes of one.
CORPUS_FILES = 60
CORPUS_SIZE = 4096

_ROOT = Path(__file__).parents[2]
_REPORT = "report.json"
_CURRENT = "current-input"


@dataclass
class Report:
    """What a process did; ``findings`` say what is wrong, with the file that holds the input and how it looks."""

    figures: dict[str, float] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)


def find_target(name: str) -> Target:
    """A target of ``tests/fuzz/targets.py``, or ``MODULE:NAME`` of another module.

    Raises:
        KeyError: there is none of that name.
    """
    module, _, of = name.rpartition(":")
    targets: dict[str, Target] = importlib.import_module(module or "tests.fuzz.targets").TARGETS
    return targets[of]


def fuzz(name: str, folder: Path, *, seconds: float, seed: int) -> Report:
    """Fuzz a target in a new process that writes into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable,
        "-m",
        "tests.fuzz",
        name,
        "--seconds",
        str(seconds),
        "--seed",
        str(seed),
        "--found",
        str(folder),
    ]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    if done.returncode in (0, 1) and (folder / _REPORT).exists():
        return Report(**json.loads((folder / _REPORT).read_text()))
    ended = (
        signal.Signals(-done.returncode).name if done.returncode < 0 else f"code {done.returncode}"
    )
    hint = ", which is sent to what never ends" if ended == "SIGVTALRM" else ""
    current = folder / _CURRENT
    data = current.read_bytes() if current.exists() else b""
    what = Finding("died", f"the process ended with {ended}{hint}\n{done.stderr[-2000:]}", data)
    return Report({}, [_told(what, folder, name)])


def run_here(name: str, folder: Path, *, seconds: float, seed: int, save: bool) -> Report:
    """Fuzz a target in this process; ``save`` adds what it found worth keeping to the corpus."""
    target = find_target(name)
    folder.mkdir(parents=True, exist_ok=True)
    seeds = read_corpus(CORPUS / name)
    with (folder / _CURRENT).open("wb", buffering=0) as current:

        def note(data: bytes) -> None:
            current.seek(0)
            current.write(data)
            current.truncate()

        fuzzer = Fuzzer(target, seeds, seed=seed, note=note)
        result = fuzzer.fuzz(seconds=seconds)
    figures: dict[str, Any] = asdict(result)
    del figures["findings"]
    report = Report(figures, [_told(finding, folder, name) for finding in result.findings.values()])
    (folder / _REPORT).write_text(json.dumps(asdict(report)))
    if save:
        for data in chosen(fuzzer.pool, seeds.values(), files=CORPUS_FILES, size=CORPUS_SIZE):
            if data not in seeds.values():
                _file(CORPUS / name, data).write_bytes(data)
    return report


def _told(finding: Finding, folder: Path, name: str) -> str:
    file = _file(folder, finding.data, f"{name.rpartition(':')[2]}-{finding.kind}-")
    file.write_bytes(finding.data)
    shown = repr(finding.data[:2000]) + ("…" if len(finding.data) > 2000 else "")
    return f"{finding.kind}: {finding.what}\n  input ({len(finding.data)} bytes, kept in {file}): {shown}"


def _file(folder: Path, data: bytes, prefix: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{prefix}{hashlib.sha256(data).hexdigest()[:12]}"
