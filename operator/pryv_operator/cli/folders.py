"""Folders of the person's: a leader's folder read into memory, files written into one that holds nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from pryv_operator.templates.archive import FILE_LIMIT, HELD_LIMIT, MEMBER_LIMIT
from pryv_operator.templates.leader_folder import CONF_FILES, DATA, find_leaders

#: Entries of folders that are looked at: a machine's data may lie beside the leader's folder.
_ENTRY_LIMIT: Final = 200_000


class FolderError(Exception):
    """A file or folder that cannot be read. The message names the path."""


class OutputError(Exception):
    """A folder that must not, or cannot, be written to. The message names the path."""


def read_leader_folder(folder: Path) -> dict[str, bytes]:
    """The files of a leader: its own folder, or one above it that holds no other. Path inside the leader's folder → content.

    Raises:
        FolderError: there is none or there are several, it is too large, or a file cannot be read.
    """
    paths = sorted(_paths(folder))
    leaders = find_leaders(paths)
    if not leaders:
        raise FolderError(
            f"{folder}: there is no leader's folder in it: that has conf/ (platform.yml, config-leader.json) and data/"
        )
    if len(leaders) > 1:
        raise FolderError(
            f"{folder}: there is more than one leader's folder in it ({', '.join(leaders[:3])}): name the one that counts"
        )
    prefix = f"{leaders[0]}/" if leaders[0] else ""
    inside = [path.removeprefix(prefix) for path in paths if path.startswith(prefix)]
    wanted = [path for path in inside if path in CONF_FILES or path.startswith(f"{DATA}/")]
    if len(wanted) > MEMBER_LIMIT:
        raise FolderError(
            f"{folder}: {DATA}/ holds more than {MEMBER_LIMIT} files: is it the leader's folder?"
        )
    files: dict[str, bytes] = {}
    room = HELD_LIMIT
    for path in wanted:
        files[path] = _read(folder / prefix / path)
        room -= len(files[path])
        if room < 0:
            raise FolderError(
                f"{folder}: {DATA}/ holds more than {HELD_LIMIT // 1024 // 1024} MiB: take out what is no template"
            )
    return files


def _paths(folder: Path) -> Iterator[str]:
    """All files below a folder, by relative path with ``/``; links to folders are not followed."""
    if not folder.is_dir():
        raise FolderError(f"{folder}: there is no such folder")
    entries = 0

    def refuse(error: OSError) -> None:
        raise FolderError(f"{error.filename}: {error.strerror}") from None

    for top, folders, names in os.walk(folder, onerror=refuse):
        entries += len(folders) + len(names)
        if entries > _ENTRY_LIMIT:
            raise FolderError(
                f"{folder}: there are more than {_ENTRY_LIMIT} files in it: name the leader's own folder (config-leader)"
            )
        yield from (Path(top, name).relative_to(folder).as_posix() for name in names)
        for name in folders:
            if (
                Path(top, name).is_symlink()
                and Path(top).relative_to(folder).as_posix().split("/")[0] == DATA
            ):
                raise FolderError(
                    f"{Path(top, name)}: is a link to a folder: put the folder itself there"
                )


def _read(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise FolderError(f"{path}: is no plain file")
        if path.stat().st_size > FILE_LIMIT:
            raise FolderError(f"{path}: is larger than {FILE_LIMIT // 1024 // 1024} MiB")
        return path.read_bytes()
    except OSError as error:
        raise FolderError(f"{path}: {error.strerror}") from None


class Output:
    """A folder to write into. Nothing is written outside of it, and nothing through links."""

    def __init__(self, folder: Path, *, force: bool) -> None:
        """Makes the folder where it is missing.

        Raises:
            OutputError: it is no folder, or (without ``force``) holds something.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not force and any(folder.iterdir()):
                raise OutputError(
                    f"{folder}: is not empty; with --force files of the same names are replaced"
                )
            self._root = folder.resolve()
        except OSError as error:
            raise OutputError(f"{folder}: {error.strerror}") from None

    def write(self, files: Mapping[str, tuple[bytes, bool]]) -> None:
        """Path (with ``/``) → content, and whether it is secret: then only its owner can read it.

        Raises:
            OutputError: a path leads out of the folder, or cannot be written.
        """
        for path in files:
            if (
                path.startswith("/")
                or "\\" in path
                or "\0" in path
                or not {"", ".", ".."}.isdisjoint(path.split("/"))
            ):
                raise OutputError(f"{path!r}: leads out of the folder")
        for path, (content, secret) in files.items():
            self._write(self._root.joinpath(*path.split("/")), content, secret=secret)

    def _write(self, target: Path, content: bytes, *, secret: bool) -> None:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.parent.resolve() != target.parent:
                raise OutputError(f"{target}: a link on the way leads elsewhere")
            target.unlink(missing_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
            with os.fdopen(os.open(target, flags, 0o600 if secret else 0o666), "wb") as file:
                file.write(content)
        except OSError as error:
            raise OutputError(f"{target}: {error.strerror}") from None
