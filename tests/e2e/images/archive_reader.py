"""What is in a docker archive: the configuration of its image and the files of each layer."""

from __future__ import annotations

import json
import stat
import tarfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Entry:
    """A file, folder or link of a layer. Also what a later layer deletes: it is still shipped."""

    layer: int
    path: PurePosixPath
    mode: int
    uid: int
    size: int
    content: bytes | None = field(default=None, repr=False)
    """Of a regular file."""

    @property
    def is_file(self) -> bool:
        return self.content is not None

    @property
    def is_executable(self) -> bool:
        return self.is_file and bool(self.mode & 0o111)

    def __str__(self) -> str:
        """As in messages."""
        return f"{self.path} (layer {self.layer}, mode {self.mode:o}, uid {self.uid})"


@dataclass(frozen=True)
class Image:
    """The only image of an archive."""

    config: dict[str, Any]
    layers: int
    entries: tuple[Entry, ...] = field(repr=False)

    @property
    def size(self) -> int:
        """Bytes of all files in all layers."""
        return sum(entry.size for entry in self.entries)


def read_image(archive: Path) -> Image:
    """Read the archive as ``docker save`` writes it."""
    with tarfile.open(archive) as whole:
        (manifest,) = json.load(_member(whole, "manifest.json"))
        config = json.load(_member(whole, manifest["Config"]))
        entries = tuple(
            entry
            for number, layer in enumerate(manifest["Layers"])
            for entry in _entries(number, _member(whole, layer))
        )
    return Image(config, len(manifest["Layers"]), entries)


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    found = archive.extractfile(name)
    assert found, name
    return found


def _entries(number: int, layer: IO[bytes]) -> Iterator[Entry]:
    with tarfile.open(fileobj=layer) as files:
        for member in files:
            if member.issym() or member.islnk():
                continue
            content = _member(files, member.name).read() if member.isreg() else None
            kind = stat.S_IFDIR if member.isdir() else 0
            yield Entry(
                number,
                PurePosixPath("/") / member.name,
                kind | stat.S_IMODE(member.mode),
                member.uid,
                member.size,
                content,
            )
