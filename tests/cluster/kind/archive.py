"""Images of containers, written as a docker archive without a container engine."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Layer:
    """A tar file."""

    file: Path
    digest: str

    @classmethod
    def of(cls, file: Path) -> Layer:
        """The layer in a tar file that is there already."""
        with file.open("rb") as content:
            return cls(file, hashlib.file_digest(content, "sha256").hexdigest())


@dataclass(frozen=True)
class Image:
    """An image: its names, and what its container starts with."""

    tags: Sequence[str]
    layers: Sequence[Layer]
    entrypoint: Sequence[str]
    environment: Sequence[str] = ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin",)
    settings: Mapping[str, Any] = field(default_factory=dict)


def write_layer(
    target: Path,
    files: Mapping[str, Path],
    *,
    links: Mapping[str, str] | None = None,
    folders: Mapping[str, int] | None = None,
) -> Layer:
    """Write a layer of files, all of root's.

    Args:
        target: the tar file.
        files: path in the image → the file, whose mode counts.
        links: path in the image → where the symbolic link points to.
        folders: path in the image → mode, where another one than 0755 is needed, or no file is.
    """
    with tarfile.open(target, "w") as tar:
        parents = {
            str(parent)
            for name in (*files, *(links or {}))
            for parent in Path(name).parents
            if str(parent) != "."
        }
        for name, mode in sorted({**dict.fromkeys(parents, 0o755), **(folders or {})}.items()):
            _add(tar, name, type=tarfile.DIRTYPE, mode=mode)
        for name, aim in sorted((links or {}).items()):
            _add(tar, name, type=tarfile.SYMTYPE, linkname=aim)
        for name, file in sorted(files.items()):
            status = os.stat(file)  # noqa: PTH116  # through links
            with file.open("rb") as content:
                _add(tar, name, content, size=status.st_size, mode=status.st_mode & 0o755)
    return Layer.of(target)


def write_archive(target: Path, images: Sequence[Image]) -> None:
    """Write what `docker load` and `ctr images import` read. Layers of several images once."""
    entries = []
    with tarfile.open(target, "w") as tar:
        for layer in {layer.digest: layer for image in images for layer in image.layers}.values():
            tar.add(layer.file, f"{layer.digest}.tar")
        for image in images:
            config = json.dumps(_config(image)).encode()
            name = f"{hashlib.sha256(config).hexdigest()}.json"
            _add(tar, name, io.BytesIO(config), size=len(config))
            entries.append(
                {
                    "Config": name,
                    "RepoTags": list(image.tags),
                    "Layers": [f"{layer.digest}.tar" for layer in image.layers],
                }
            )
        manifest = json.dumps(entries).encode()
        _add(tar, "manifest.json", io.BytesIO(manifest), size=len(manifest))


def _config(image: Image) -> dict[str, Any]:
    machine = os.uname().machine
    return {
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine),
        "os": "linux",
        "config": {
            "Entrypoint": list(image.entrypoint),
            "Env": list(image.environment),
            **image.settings,
        },
        "rootfs": {
            "type": "layers",
            "diff_ids": [f"sha256:{layer.digest}" for layer in image.layers],
        },
    }


def _add(tar: tarfile.TarFile, name: str, content: Any = None, **fields: Any) -> None:
    entry = tarfile.TarInfo(name)
    for key, value in fields.items():
        setattr(entry, key, value)
    tar.addfile(entry, content)
