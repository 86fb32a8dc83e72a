"""A temporary folder of one run, removed at the latest when the next run starts."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class RunFolder:
    """A new private folder below the system's temporary folder, locked while in use.

    The lock belongs to an open file: pass `lock_fd` to child processes, and the folder counts as
    in use until the last of them has exited, even if the run itself was killed. Creating a folder
    removes those that are no longer in use.
    """

    def __init__(self, base: Path | None = None) -> None:
        self._base = base or Path(tempfile.gettempdir()) / f"pryv-operator-{os.getuid()}"
        self._base.mkdir(mode=0o700, exist_ok=True)
        if self._base.stat().st_uid != os.getuid():
            raise PermissionError(f"{self._base} belongs to another user")
        with self._exclusive_lock():
            self._remove_stale()
            self.path = Path(tempfile.mkdtemp(prefix="run-", dir=self._base))
            self.lock_fd = os.open(self.path / "lock", os.O_CREAT | os.O_RDWR, 0o600)
            fcntl.flock(self.lock_fd, fcntl.LOCK_EX)

    def remove(self) -> None:
        """Delete the folder and release the lock."""
        with self._exclusive_lock():
            shutil.rmtree(self.path, ignore_errors=True)
        os.close(self.lock_fd)

    @contextlib.contextmanager
    def _exclusive_lock(self) -> Iterator[None]:
        """Keep other runs from removing a folder between its creation and its lock."""
        fd = os.open(self._base / "lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    def _remove_stale(self) -> None:
        for folder in self._base.glob("run-*"):
            if not _is_locked(folder / "lock"):
                shutil.rmtree(folder, ignore_errors=True)


def _is_locked(lock: Path) -> bool:
    try:
        fd = os.open(lock, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(fd)
