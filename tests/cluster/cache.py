"""The cache folder: what runs build or install once, and when it is removed again."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator

KEEP_UNUSED_SECONDS = 30 * 24 * 3600


def cache_folder() -> Path:
    """`$PRYV_OPERATOR_CACHE`, else `$XDG_CACHE_HOME/pryv-operator`, else `~/.cache/…`."""
    if explicit := os.environ.get("PRYV_OPERATOR_CACHE"):
        return Path(explicit).absolute()
    xdg = os.environ.get("XDG_CACHE_HOME")
    return (Path(xdg) if xdg else Path.home() / ".cache") / "pryv-operator"


@contextlib.contextmanager
def exclusive_lock(lock: Path, echo: Callable[[str], None], what: str) -> Iterator[None]:
    """Let one run at a time build or install; `what` it does is told to those that wait."""
    with lock.open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            echo(f"waiting for another run that {what}")
            fcntl.flock(held, fcntl.LOCK_EX)
        yield


def remove_unused(cache: Path, keep: Container[str], seconds: float = KEEP_UNUSED_SECONDS) -> None:
    """Remove folders that no run has used for a month, but not those of these names."""
    for entry in cache.iterdir():
        unused = entry.is_dir() and time.time() - entry.stat().st_mtime > seconds
        if unused and entry.name not in keep:
            shutil.rmtree(entry, ignore_errors=True)


def print_with_time(line: str) -> None:
    """Print a line of progress."""
    print(f"[{time.strftime('%H:%M:%S')}] {line}", flush=True)
