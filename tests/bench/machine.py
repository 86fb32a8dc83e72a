"""What the benchmarks run on."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path

from pryv_operator import __version__


def describe() -> dict[str, str]:
    """Processor, memory, and the versions of what counts."""
    return {
        "day": time.strftime("%Y-%m-%d"),
        "operator": __version__,
        "processors": f"{os.cpu_count()} of {_after('/proc/cpuinfo', 'model name')}",
        "memory": f"{_mebibytes('/proc/meminfo', 'MemTotal') / 1024:.0f} GiB",
        "kernel": platform.release().partition("-")[0],
        "Python": platform.python_version(),
        "load when it started": f"{os.getloadavg()[0]:.1f}",
    }


def _after(path: str, name: str) -> str:
    """What is behind the first ``name:`` in a file; ``?`` where it is not found."""
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return "?"
    found = (line.partition(":")[2].strip() for line in lines if line.startswith(name))
    return next(found, "?")


def _mebibytes(path: str, name: str) -> float:
    words = _after(path, name).split()
    return int(words[0]) / 1024 if words[0].isdigit() else 0.0
