"""Archives made in memory: the layouts Pryv hands out, and hostile ones."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

BLOCK = 512
END = bytes(2 * BLOCK)


def folder(path: Path) -> dict[str, bytes]:
    """The files below a folder, by relative path."""
    return {
        file.relative_to(path).as_posix(): file.read_bytes()
        for file in path.rglob("*")
        if file.is_file()
    }


def release_files(releases: Path, name: str) -> dict[str, bytes]:
    """A release's leader folder, filled in."""
    filled = releases / name / "filled"
    return folder(releases / name / "config-leader") | (folder(filled) if filled.is_dir() else {})


def below(top: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The same files inside a folder."""
    return {f"{top}/{path}": content for path, content in files.items()}


# --- good archives ---


def tar(
    files: Mapping[str, bytes], *, folders: Iterable[str] = (), tar_format: int = tarfile.PAX_FORMAT
) -> bytes:
    """An uncompressed archive, written by the standard library."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tar_format) as archive:
        for path in folders:
            info = tarfile.TarInfo(path)
            info.type = tarfile.DIRTYPE
            archive.addfile(info)
        for path, content in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def tgz(
    files: Mapping[str, bytes], *, folders: Iterable[str] = (), tar_format: int = tarfile.PAX_FORMAT
) -> bytes:
    """An archive as Pryv hands it out."""
    return gzip.compress(tar(files, folders=folders, tar_format=tar_format), mtime=0)


def follower_files(role: str) -> dict[str, bytes]:
    """The files of a follower's archive, which has no templates."""
    return {
        f"{role}/run-pryv": b"#!/bin/sh\n",
        f"{role}/config-follower/config-follower.yml": b"version: '3'\n",
        f"{role}/config-follower/conf/template-config-follower.json": b"{}\n",
        f"{role}/pryv/.gitkeep": b"",
        f"{role}/upgrades/README.md": b"# Upgrades\n",
    }


def reg_master(leader: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files of the reg-master archive."""
    return follower_files("reg-master") | below(
        "reg-master/config-leader", {"config-leader.yml": b"version: '3'\n", **leader}
    )


def layouts(leader: Mapping[str, bytes], version: str) -> dict[str, bytes]:
    """Every layout an archive with this leader can have."""
    named = {
        path.replace("conf/", "conf/template-", 1) if path.startswith("conf/") else path: leader[
            path
        ]
        for path in leader
    }
    roles = {
        role: tgz(follower_files(role), folders=[role])
        for role in ("core1", "core2", "reg-slave", "static")
    }
    outer = {f"pryv.io-{version}-{role}.tgz": data for role, data in roles.items()}
    outer[f"pryv.io-{version}-reg-master.tgz"] = tgz(reg_master(leader), folders=["reg-master"])
    return {
        "reg-master": tgz(reg_master(leader), folders=["reg-master", "reg-master/config-leader"]),
        "single-node": tgz(
            below(f"pryv.io-{version}-single-node/config-leader", leader)
            | {
                f"pryv.io-{version}-single-node/{path}": content
                for path, content in follower_files("x").items()
            }
        ),
        "only the folder": tgz(below("config-leader", leader)),
        "any top folder": tgz(below("our backup of May/pryv", leader)),
        "no top folder": tgz(leader),
        "packed from inside": tgz(below(".", leader), folders=["./"]),
        "outer": tgz(outer),
        "outer in a folder": tgz(below(f"pryv.io-{version}-cluster", outer)),
        "plain tar": tar(below("config-leader", leader)),
        "old tar": tgz(below("config-leader", leader), tar_format=tarfile.USTAR_FORMAT),
        "GNU tar": tgz(
            below("config-leader/" + "long-name-" * 12, leader), tar_format=tarfile.GNU_FORMAT
        ),
        "names of templates": tgz(below("config-leader", named)),
    }


# --- headers by hand ---


def header(
    name: bytes, size: int = 0, kind: bytes = tarfile.REGTYPE, *, raw_size: bytes | None = None
) -> bytes:
    """One header block with a valid checksum, whatever its fields."""
    block = bytearray(BLOCK)
    block[0 : len(name)] = name
    block[100:108] = b"0000644\0"
    block[108:124] = b"0000000\0" * 2
    block[124:136] = raw_size or b"%011o\0" % size
    block[136:148] = b"00000000000\0"
    block[148:156] = b" " * 8
    block[156:157] = kind
    block[257:265] = b"ustar\x0000"
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def member(name: bytes, content: bytes = b"x", kind: bytes = tarfile.REGTYPE) -> bytes:
    """A header with its content."""
    return header(name, len(content), kind) + padded(content)


def padded(content: bytes) -> bytes:
    """Content, padded to the next block."""
    return content + bytes(-len(content) % BLOCK)


def pax(records: Mapping[str, bytes], kind: bytes = tarfile.XHDTYPE) -> bytes:
    """An extended header."""
    body = b"".join(_record(key.encode(), value) for key, value in records.items())
    return member(b"PaxHeaders/x", body, kind)


def _record(key: bytes, value: bytes) -> bytes:
    rest = b" " + key + b"=" + value + b"\n"
    length = len(rest)
    while len(b"%d" % length) + len(rest) != length:
        length = len(b"%d" % length) + len(rest)
    return b"%d" % length + rest


def zipped(blocks: bytes, end: bytes = END) -> bytes:
    """Blocks as a whole ``.tgz``."""
    return gzip.compress(blocks + end, mtime=0)
