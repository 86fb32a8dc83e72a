"""Reads ``volumes`` and ``tmpfs`` of a service, in the short and the long form.

Sources: https://github.com/compose-spec/compose-spec/blob/main/05-services.md (volumes, tmpfs), and
``ParseVolume`` of github.com/compose-spec/compose-go.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pryv_operator.compose.error import ComposeError
from pryv_operator.compose.model import Mount

#: The variable of the machine that holds the folder of its role, and its value here.
ROLE_ROOT: Final = {"PRYV_CONF_ROOT": "$PRYV_CONF_ROOT"}
#: The role's folder, in the spellings of all releases.
#: What is mounted from it is rendered, state or logs.
_ROLE_FOLDER: Final = re.compile(r"(\$PRYV_CONF_ROOT/pryv|\.)(/|$)")
#: Slashes in a row, and parts that stay in the same folder.
_SAME_FOLDER: Final = re.compile(r"/(?:\.?/)+|/\.$")
#: Options without a meaning in pods: SELinux labels, which the kubelet sets, file sharing of
#: desktops, and copying from the image, which PVCs never do.
_WITHOUT_MEANING: Final = ("z", "Z", "cached", "delegated", "consistent", "nocopy")
#: Keys of the long form: those that are read, and those without a meaning in pods.
_LONG_KEYS: Final = ("type", "source", "target", "read_only", "consistency")
_LONG_OPTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "bind": ("selinux", "create_host_path"),
    "volume": ("nocopy",),
    "tmpfs": ("size",),
}
_BOOLEANS: Final = {
    **dict.fromkeys(("true", "yes", "y", "on"), True),
    **dict.fromkeys(("false", "no", "n", "off"), False),
}
_SIZE: Final = re.compile(r"(\d{1,15})\s*(?:([kmgt])(?:i?b)?|b)?", re.ASCII | re.IGNORECASE)
_UNITS: Final = "kmgt"


@dataclass(frozen=True)
class Mounts:
    """The mounts of a service, and the paths of keys and options that are ignored."""

    mounts: tuple[Mount, ...]
    ignored: tuple[str, ...]


@dataclass(frozen=True)
class _Entry:
    mount: Mount
    ignored: tuple[str, ...] = ()


def read_volumes(where: str, entries: Iterable[Any], named: Collection[str]) -> Mounts:
    """The mounts of ``volumes``, in their order.

    Args:
        where: path of the key.
        entries: texts and maps, with ``ROLE_ROOT`` in place of its variable.
        named: the volumes that the file declares.

    Raises:
        ComposeError: an entry is not valid, or not supported.
    """
    found: list[Mount] = []
    ignored: list[str] = []
    for index, value in enumerate(entries):
        entry = _long_form(where, value) if isinstance(value, dict) else _short_form(where, value)
        mount = entry.mount
        if mount.kind == "volume" and mount.source not in named:
            raise ComposeError(
                f"{where}: {mount.source[:100]!r} is neither in the role's folder nor a host path "
                "nor a volume that the file declares; begin a path with ./"
            )
        found.append(mount)
        ignored += [f"{where}[{index}].{option}" for option in entry.ignored]
    return Mounts(tuple(found), tuple(ignored))


def read_tmpfs(where: str, entries: Iterable[str]) -> Mounts:
    """The mounts of ``tmpfs``; what cannot be used of it is ignored."""
    found: list[Mount] = []
    ignored: list[str] = []
    for index, text in enumerate(entries):
        path, _, options = text.partition(":")
        if not path.startswith("/"):
            ignored.append(f"{where}[{index}]")
            continue
        size = None
        for option in filter(None, options.split(",")):
            name, _, value = option.partition("=")
            if name == "size" and _SIZE.fullmatch(value):
                size = _bytes(where, value)
            else:
                ignored.append(f"{where}[{index}].{name}")
        found.append(Mount("", _target(where, path), read_only=False, kind="tmpfs", size=size))
    return Mounts(tuple(found), tuple(ignored))


def _short_form(where: str, text: Any) -> _Entry:
    parts = text.split(":") if isinstance(text, str) else []
    if len(parts) == 1 and parts[0].startswith("/"):
        raise ComposeError(_anonymous(where, parts[0]))
    if len(parts) not in (2, 3) or not all(parts):
        raise ComposeError(_form(where))
    source, target, *options = parts
    read_only = False
    ignored = []
    for option in options[0].split(",") if options else ():
        if option in ("ro", "rw"):
            read_only = option == "ro"
        elif option not in _WITHOUT_MEANING:
            ignored.append(option)
    is_path = source.startswith((".", "/", "~", "$"))
    mount = (
        _path(where, source, target, read_only=read_only)
        if is_path
        else _volume(where, source, target, read_only=read_only)
    )
    return _Entry(mount, tuple(ignored))


def _long_form(where: str, value: dict[str, Any]) -> _Entry:
    for key in _LONG_KEYS:
        if not isinstance(value.get(key, ""), str | None):
            raise ComposeError(f"{where}: {key} of an entry is not a text")
    kind, source, target = (value.get(key) or "" for key in ("type", "source", "target"))
    read_only = _boolean(where, value.get("read_only") or "false")
    if kind == "bind" and source:
        is_path = source.startswith((".", "/", "~", "$"))
        path = source if is_path else f"./{source}"
        mount = _path(where, path, target, read_only=read_only)
    elif kind == "volume" and source:
        if isinstance(options := value.get("volume"), dict) and options.get("subpath"):
            raise ComposeError(f"{where}: subpath of a volume is not supported; mount all of it")
        mount = _volume(where, source, target, read_only=read_only)
    elif kind == "volume":
        raise ComposeError(_anonymous(where, target))
    elif kind == "tmpfs":
        options = value.get("tmpfs")
        size = options.get("size") if isinstance(options, dict) else None
        mount = Mount(
            "",
            _target(where, target),
            read_only=read_only,
            kind="tmpfs",
            size=_bytes(where, size) if size else None,
        )
    else:
        raise ComposeError(
            f"{where}: an entry is not of type bind or volume with a source, or tmpfs; other "
            "types are not supported"
        )
    return _Entry(mount, _ignored_options(value))


def _ignored_options(value: dict[str, Any]) -> tuple[str, ...]:
    """Paths within an entry of the long form of what is not read."""
    found = []
    for key, options in value.items():
        if key in _LONG_KEYS or key.startswith("x-"):
            continue
        if key in _LONG_OPTIONS and isinstance(options, dict):
            found += [
                f"{key}.{option}"
                for option in options
                if option not in _LONG_OPTIONS[key] and not option.startswith("x-")
            ]
        elif options is not None:
            found.append(key)
    return tuple(found)


def _path(where: str, source: str, target: str, *, read_only: bool) -> Mount:
    source = _SAME_FOLDER.sub("/", source)
    inside = _ROLE_FOLDER.match(source)
    if not inside:
        if ".." in source.split("/"):
            raise ComposeError(_form(where))
        return Mount(source.rstrip("/") or "/", _target(where, target), read_only)
    path = posixpath.normpath(source[inside.end() :].lstrip("/"))
    if path == "." or path.split("/")[0] == "..":
        raise ComposeError(_form(where))
    return Mount(path, _target(where, target), read_only)


def _volume(where: str, name: str, target: str, *, read_only: bool) -> Mount:
    return Mount(name, _target(where, target), read_only, kind="volume")


def _target(where: str, target: str) -> str:
    if not target.startswith("/"):
        raise ComposeError(_form(where))
    path = "/" + posixpath.normpath(target).lstrip("/")
    if path == "/":
        raise ComposeError(
            f'{where}: a volume at "/" would hide all files of the image; mount it at a folder'
        )
    return path


def _boolean(where: str, text: str) -> bool:
    if text.lower() not in _BOOLEANS:
        raise ComposeError(f"{where}: read_only of an entry is neither true nor false")
    return _BOOLEANS[text.lower()]


def _bytes(where: str, text: Any) -> int:
    match = _SIZE.fullmatch(text) if isinstance(text, str) else None
    if not match:
        raise ComposeError(f"{where}: the size of a tmpfs is not a number of bytes such as 64m")
    power: int = _UNITS.index(match[2].lower()) + 1 if match[2] else 0
    return int(match[1]) << (10 * power)


def _form(where: str) -> str:
    return (
        f"{where}: an entry is not of the form SOURCE:TARGET[:ro] "
        "with the source in the role's folder and an absolute target"
    )


def _anonymous(where: str, target: str) -> str:
    return (
        f"{where}: {target[:100]!r} has no source, so its data would be lost with its container; "
        "mount a folder of the role there, or use tmpfs"
    )
