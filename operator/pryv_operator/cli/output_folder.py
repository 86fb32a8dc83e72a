"""The folder that a command writes its files to."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


class OutputError(Exception):
    """A folder that must not, or cannot, be written to. The message names the path."""


class OutputFolder:
    """A folder to write to. Nothing is written outside of it or through symbolic links."""

    def __init__(self, folder: Path, *, force: bool) -> None:
        """Create the folder if it does not exist.

        Raises:
            OutputError: it is not a folder, or (without ``force``) not empty.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not force and any(folder.iterdir()):
                raise OutputError(
                    f"{folder}: folder is not empty; pass --force to replace files of the same name"
                )
            self._root = folder.resolve()
        except OSError as error:
            raise OutputError(f"{folder}: {error.strerror}") from None

    def write(self, files: Mapping[str, tuple[bytes, bool]]) -> None:
        """Write files: path (with ``/``) → content, and whether only the owner may read it.

        Raises:
            OutputError: a path leads out of the folder, or cannot be written; in the first case
                nothing is written.
        """
        for path in files:
            if (
                path.startswith("/")
                or "\\" in path
                or "\0" in path
                or not {"", ".", ".."}.isdisjoint(path.split("/"))
            ):
                raise OutputError(f"{path!r}: path leads out of the output folder")
        for path, (content, secret) in files.items():
            self._write(self._root.joinpath(*path.split("/")), content, secret=secret)

    def _write(self, target: Path, content: bytes, *, secret: bool) -> None:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.parent.resolve() != target.parent:
                raise OutputError(
                    f"{target}: a symbolic link in this path leads elsewhere; remove the link"
                )
            target.unlink(missing_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
            with os.fdopen(os.open(target, flags, 0o600 if secret else 0o666), "wb") as file:
                file.write(content)
        except OSError as error:
            raise OutputError(f"{target}: {error.strerror}") from None
