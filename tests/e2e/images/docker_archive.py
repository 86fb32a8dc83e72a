"""Writes a docker archive: images made of layers, as `docker save` writes them.

The form is of https://github.com/moby/docker-image-spec (v1.2, "Combined Image JSON + Filesystem
Changeset Format"). No container engine is needed, and the same input gives the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

#: Of all images, as theirs have no other.
_PATH: Final = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Image:
    """An image: its layers (tar files) from the lowest one on, and what it runs."""

    layers: Sequence[Path]
    command: Sequence[str]
    environment: Sequence[str] = ()
    stop_signal: str = "SIGTERM"


def write_layer(target: Path, files: Mapping[str, Path], links: Mapping[str, str]) -> None:
    """Write a layer: path in the image → file or folder, and path → target of a symlink.

    Everything belongs to root. Modes are those of the files.
    """
    with tarfile.open(target, "w") as layer:
        for path, source in sorted(files.items()):
            members = sorted(source.rglob("*")) if source.is_dir() else [source]
            for member in members:
                name = (Path(path) / member.relative_to(source)).as_posix()
                if not (member.is_dir() and not member.is_symlink()):
                    layer.add(member, name, recursive=False, filter=_anonymous)
        for path, link in sorted(links.items()):
            entry = tarfile.TarInfo(path)
            entry.type, entry.linkname = tarfile.SYMTYPE, link
            layer.addfile(entry)


def write_archive(target: Path, images: Mapping[str, Image]) -> None:
    """Write the images under their names; a layer that several have is in it once."""
    digests = {layer: _digest(layer) for image in images.values() for layer in image.layers}
    manifest = []
    with tarfile.open(target, "w") as archive:
        for layer, digest in digests.items():
            entry = tarfile.TarInfo(f"{digest}/layer.tar")
            entry.size = layer.stat().st_size
            with layer.open("rb") as content:
                archive.addfile(entry, content)
        for name, image in images.items():
            layers = [digests[layer] for layer in image.layers]
            configuration = json.dumps(_configuration(image, layers)).encode()
            file = f"{hashlib.sha256(configuration).hexdigest()}.json"
            _add(archive, file, configuration)
            paths = [f"{digest}/layer.tar" for digest in layers]
            manifest.append({"Config": file, "RepoTags": [name], "Layers": paths})
        _add(archive, "manifest.json", json.dumps(manifest).encode())


def _configuration(image: Image, layers: Iterable[str]) -> Any:
    return {
        "architecture": "amd64",
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": {
            "Cmd": list(image.command),
            "Env": [_PATH, *image.environment],
            "StopSignal": image.stop_signal,
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer}" for layer in layers]},
    }


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mtime = 0
    return entry


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))
