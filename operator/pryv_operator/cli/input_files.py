"""Reads what a command is given: a leader's folder or archive, YAML files, standard input."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from pryv_operator.cli.terminal import report
from pryv_operator.templates.archive_limits import (
    FILE_LIMIT,
    HELD_LIMIT,
    MEMBER_LIMIT,
    ArchiveError,
)
from pryv_operator.templates.leader_archive import read_leader_archive
from pryv_operator.templates.leader_conf import CONF_FILES
from pryv_operator.templates.leader_folder import DATA, Leader, find_leader_folders, read_leader

_MEBIBYTE: Final = 1024 * 1024
#: Files and folders looked through, at most: a machine's data may be beside the leader's folder.
_ENTRY_LIMIT: Final = 200_000
#: Maximum size (bytes) of a YAML file; ConfigMaps with templates have a few MiB.
_YAML_LIMIT: Final = 64 * _MEBIBYTE


class InputError(Exception):
    """A file or folder that cannot be read. The message names the path."""


def read_leader_from(source: Path, *, is_archive: bool, complete: bool) -> Leader:
    """The leader in a folder, or in an archive (``.tgz``).

    ``complete`` requires every role that a platform cannot do without.

    Raises:
        InputError: the source cannot be read, or a folder holds no leader or several.
        ArchiveError: the archive is refused; the message begins with its path.
        LeaderError: the leader's folder is malformed.
    """
    report(f"reading {source}")
    if not is_archive:
        return read_leader(read_leader_folder(source), complete=complete)
    try:
        with source.open("rb") as file:
            return read_leader_archive(file, complete=complete)
    except OSError as error:
        raise InputError(f"{source}: {error.strerror}") from None
    except ArchiveError as error:
        raise ArchiveError(error.reason, f"{source}: {error.message}") from None


def read_yaml_texts(files: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Name and text of each file; ``-`` is standard input.

    Raises:
        InputError: a file cannot be read, is too large or is not UTF-8 text.
    """
    for file in files:
        report(f"reading {'standard input' if file == '-' else file}")
        try:
            if file == "-":
                content = sys.stdin.buffer.read(_YAML_LIMIT + 1)
            else:
                with Path(file).open("rb") as opened:
                    content = opened.read(_YAML_LIMIT + 1)
        except OSError as error:
            raise InputError(f"{file}: {error.strerror}") from None
        if len(content) > _YAML_LIMIT:
            raise InputError(f"{file}: larger than {_YAML_LIMIT // _MEBIBYTE} MiB")
        try:
            yield file, content.decode()
        except UnicodeDecodeError:
            raise InputError(f"{file}: not UTF-8 text") from None


def read_leader_folder(folder: Path) -> dict[str, bytes]:
    """The files of a leader, by path inside its folder.

    ``folder`` is the leader's own folder, or one above it that holds no other leader's.

    Raises:
        InputError: it holds no leader's folder or several, is too large, or a file is unreadable.
    """
    paths = sorted(_paths(folder))
    leaders = find_leader_folders(paths)
    if not leaders:
        raise InputError(
            f"{folder}: no leader's folder found; name the one that has conf/ (platform.yml, "
            f"config-leader.json) and {DATA}/"
        )
    if len(leaders) > 1:
        raise InputError(
            f"{folder}: several leader's folders found ({', '.join(leaders[:3])}); name one"
        )
    prefix = f"{leaders[0]}/" if leaders[0] else ""
    inside = [path.removeprefix(prefix) for path in paths if path.startswith(prefix)]
    needed = [path for path in inside if path in CONF_FILES or path.startswith(f"{DATA}/")]
    if len(needed) > MEMBER_LIMIT:
        raise InputError(
            f"{folder}: {DATA}/ holds more than {MEMBER_LIMIT} files; remove what is not a template"
        )
    files: dict[str, bytes] = {}
    left = HELD_LIMIT
    for path in needed:
        files[path] = _read(folder / prefix / path)
        left -= len(files[path])
        if left < 0:
            raise InputError(
                f"{folder}: {DATA}/ holds more than {HELD_LIMIT // _MEBIBYTE} MiB; "
                "remove what is not a template"
            )
    return files


def _paths(folder: Path) -> Iterator[str]:
    """All files below a folder, by relative path with ``/``; symbolic links are not followed."""
    if not folder.is_dir():
        raise InputError(f"{folder}: folder not found")
    entries = 0

    def refuse(error: OSError) -> None:
        raise InputError(f"{error.filename}: {error.strerror}") from None

    for top, folders, files in os.walk(folder, onerror=refuse):
        entries += len(folders) + len(files)
        if entries > _ENTRY_LIMIT:
            raise InputError(
                f"{folder}: more than {_ENTRY_LIMIT} files; name the leader's own folder, usually "
                "config-leader"
            )
        relative = Path(top).relative_to(folder)
        yield from ((relative / file).as_posix() for file in files)
        if relative.as_posix().split("/")[0] == DATA:
            _refuse_links(Path(top, name) for name in folders)


def _refuse_links(folders: Iterable[Path]) -> None:
    for folder in folders:
        if folder.is_symlink():
            raise InputError(f"{folder}: symbolic link to a folder; replace it with the folder")


def _read(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise InputError(f"{path}: not a regular file; remove it")
        if path.stat().st_size > FILE_LIMIT:
            raise InputError(
                f"{path}: larger than {FILE_LIMIT // _MEBIBYTE} MiB; "
                "remove it if it is not a template"
            )
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
