"""The folder that a command writes its files to."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

#: The group that the process has.
UNCHANGED: Final = -1
_OWNER: Final = re.compile(r"([0-9]{1,9})(?::([0-9]{1,9}))?", re.ASCII)


class Owner(NamedTuple):
    """A user, and a group or ``UNCHANGED``, by number."""

    uid: int
    gid: int = UNCHANGED

    def __str__(self) -> str:
        """As it is written in the option: ``UID[:GID]``."""
        return f"{self.uid}" if self.gid == UNCHANGED else f"{self.uid}:{self.gid}"


def parse_owner(text: str) -> Owner | None:
    """The owner in ``UID[:GID]``; None if it is something else."""
    found = _OWNER.fullmatch(text)
    if not found:
        return None
    return Owner(int(found[1]), int(found[2]) if found[2] else UNCHANGED)


class OutputError(Exception):
    """A folder that must not, or cannot, be written to. The message names the path."""


class OutputFolder:
    """A folder to write to. Nothing is written outside of it or through symbolic links."""

    def __init__(self, folder: Path, *, force: bool, owner: Owner | None = None) -> None:
        """Create the folder if it does not exist.

        ``owner`` gets what is written into it; None: whoever runs the command.

        Raises:
            OutputError: it is not a folder, or (without ``force``) not empty; or the process may
                not give files away.
        """
        self._owner = owner
        if owner and not _may_give_to(owner):
            raise OutputError(f"--owner {owner}: only root may give files away; run as root")
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
            self._create_folders(target.parent)
            if target.parent.resolve() != target.parent:
                raise OutputError(
                    f"{target}: a symbolic link in this path leads elsewhere; remove the link"
                )
            target.unlink(missing_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
            with os.fdopen(os.open(target, flags, 0o600 if secret else 0o666), "wb") as file:
                self._give(file.fileno())
                file.write(content)
        except OSError as error:
            raise OutputError(f"{target}: {error.strerror}") from None

    def _create_folders(self, folder: Path) -> None:
        missing = [each for each in (folder, *folder.parents) if not each.exists()]
        for each in reversed(missing):
            each.mkdir(exist_ok=True)
            self._give(each)

    def _give(self, target: Path | int) -> None:
        """Give a new folder, or an open new file, to the owner."""
        if self._owner:
            os.chown(target, self._owner.uid, self._owner.gid)


def _may_give_to(owner: Owner) -> bool:
    is_own_group = owner.gid in (UNCHANGED, os.getegid(), *os.getgroups())
    return os.geteuid() == 0 or (owner.uid == os.geteuid() and is_own_group)
