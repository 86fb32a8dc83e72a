"""The members of a tar: their headers, extended headers and paths, each checked.

The standard library parses single headers (``TarInfo.frombuf``), but the loop is our own:
``tarfile.open`` reads extended headers of whatever size they declare, takes a damaged header for
the end of the archive, and leaves duplicates and trailing data to its caller.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from pryv_operator.api.messages import printable
from pryv_operator.api.reasons import Reason
from pryv_operator.templates.archive_limits import (
    DEPTH_LIMIT,
    EXTENDED_LIMIT,
    FILE_LIMIT,
    PATH_LIMIT,
    ArchiveError,
    Budget,
    mib,
)
from pryv_operator.templates.archive_stream import BLOCK, TarStream

_PACK_PLAIN: Final = "pack only regular files and folders"
_REFUSED_TYPES: Final = {
    tarfile.SYMTYPE: (Reason.ARCHIVE_SYMBOLIC_LINK, "a symbolic link"),
    tarfile.LNKTYPE: (Reason.ARCHIVE_HARD_LINK, "a hard link"),
    tarfile.CHRTYPE: (Reason.ARCHIVE_DEVICE, "a device"),
    tarfile.BLKTYPE: (Reason.ARCHIVE_DEVICE, "a device"),
    tarfile.FIFOTYPE: (Reason.ARCHIVE_FIFO, "a named pipe"),
    tarfile.GNUTYPE_SPARSE: (Reason.ARCHIVE_SPARSE_FILE, "a sparse file"),
}
_SIZE_OF_NAME_FIELD: Final = 100
_PAX_RECORD: Final = re.compile(rb"([0-9]{1,6}) ([^=\n]+)=")


@dataclass(frozen=True)
class Member:
    """A file or a folder of an archive."""

    path: str
    size: int
    is_file: bool


def read_members(stream: TarStream, budget: Budget) -> Iterator[Member]:
    """The members in order; the caller reads each one's content and padding before the next.

    Raises:
        ArchiveError: a member is refused, the tar is damaged, or a limit is exceeded.
    """
    extended = _Extended()
    while True:
        header = stream.take(BLOCK)
        if header.count(0) == BLOCK:
            break
        try:
            info = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
        except tarfile.HeaderError:
            raise ArchiveError(
                Reason.ARCHIVE_BROKEN,
                f"the header at byte {stream.position - BLOCK} of the tar is damaged",
            ) from None
        budget.spend_member()
        if info.size < 0:
            raise ArchiveError(
                Reason.ARCHIVE_BROKEN, f"{printable(info.name)}: it declares a negative size"
            )
        if info.type in _EXTENSIONS:
            _EXTENSIONS[info.type](extended, _read_extended(info, stream, budget))
            continue
        member = _member(info, header, extended)
        extended = _Extended()
        if member:
            yield member
    if extended.is_used:
        raise ArchiveError(Reason.ARCHIVE_BROKEN, "it ends after an extended header")
    stream.finish()


def _read_extended(info: tarfile.TarInfo, stream: TarStream, budget: Budget) -> bytes:
    if info.size > EXTENDED_LIMIT:
        raise ArchiveError(
            Reason.ARCHIVE_EXTENDED_HEADER_TOO_LARGE,
            f"an extended header is larger than {EXTENDED_LIMIT // 1024} KiB",
        )
    budget.spend_extended(info.size)
    body = stream.take(info.size)
    stream.skip(-info.size % BLOCK)
    return body


def _member(info: tarfile.TarInfo, header: bytes, extended: _Extended) -> Member | None:
    """The member of a header; None for the top folder itself."""
    name = info.name if extended.path is None else extended.path
    size = info.size if extended.size is None else extended.size
    path = _checked_path(name, header if extended.path is None else b"")
    shown = printable(name)
    refused = _refused(info, extended)
    if refused:
        reason, what = refused
        raise ArchiveError(reason, f"{shown}: it is {what}; {_PACK_PLAIN}")
    if size > FILE_LIMIT:
        raise ArchiveError(
            Reason.ARCHIVE_FILE_TOO_LARGE, f"{shown}: it declares more than {mib(FILE_LIMIT)}"
        )
    is_folder = info.type == tarfile.DIRTYPE
    if is_folder and size:
        raise ArchiveError(Reason.ARCHIVE_BROKEN, f"{shown}: it is a folder and has content")
    if path:
        return Member(path, size, not is_folder)
    if is_folder:
        return None
    raise ArchiveError(Reason.ARCHIVE_EMPTY_NAME, "a file has no name")


def _refused(info: tarfile.TarInfo, extended: _Extended) -> tuple[Reason, str] | None:
    """Why a member of this type is refused."""
    if extended.is_sparse:
        return Reason.ARCHIVE_SPARSE_FILE, "a sparse file"
    if info.type in _REFUSED_TYPES:
        return _REFUSED_TYPES[info.type]
    if info.type not in (tarfile.DIRTYPE, tarfile.REGTYPE, tarfile.AREGTYPE):
        return Reason.ARCHIVE_UNKNOWN_MEMBER_TYPE, "of an unknown type"
    return None


def _checked_path(name: str, header: bytes) -> str:
    """A member's path, without a leading ``./``; empty for the top folder itself."""
    if not name:
        raise ArchiveError(Reason.ARCHIVE_EMPTY_NAME, "a member has no name")
    shown = printable(name)
    if len(name.encode("utf-8", "surrogateescape")) > PATH_LIMIT:
        raise ArchiveError(
            Reason.ARCHIVE_PATH_TOO_LONG, f"{shown}: the path is longer than {PATH_LIMIT} bytes"
        )
    if any("\ud800" <= character <= "\udfff" for character in name):
        raise ArchiveError(Reason.ARCHIVE_NAME_NOT_UTF8, f"{shown}: the name is not UTF-8")
    # Other readers may take what follows a NUL in the header's field for a part of the name.
    has_hidden_part = b"\0" in header[:_SIZE_OF_NAME_FIELD].rstrip(b"\0")
    if not name.isprintable() or has_hidden_part:
        raise ArchiveError(
            Reason.ARCHIVE_CONTROL_CHARACTER, f"{shown}: the name holds a control character"
        )
    if name.startswith("/") or "\\" in name or re.match(r"[A-Za-z]:", name):
        raise ArchiveError(
            Reason.ARCHIVE_ABSOLUTE_PATH, f"{shown}: not a relative path with / between names"
        )
    steps = [step for step in name.split("/") if step not in ("", ".")]
    if ".." in steps:
        raise ArchiveError(
            Reason.ARCHIVE_PATH_TRAVERSAL, f"{shown}: the path leads out of its folder"
        )
    if len(steps) > DEPTH_LIMIT:
        raise ArchiveError(
            Reason.ARCHIVE_PATH_TOO_DEEP, f"{shown}: more than {DEPTH_LIMIT - 1} folders deep"
        )
    return "/".join(steps)


# --- extended headers ---


class _Extended:
    """What extended headers declare of the next member."""

    def __init__(self) -> None:
        self.path: str | None = None
        self.size: int | None = None
        self.is_sparse = False
        self.is_used = False

    def take_pax(self, body: bytes) -> None:
        self.is_used = True
        for key, value in _pax_records(body):
            if key == b"path":
                self.path = value.decode("utf-8", "surrogateescape")
            elif key == b"size":
                if not re.fullmatch(rb"[0-9]{1,20}", value):
                    raise ArchiveError(
                        Reason.ARCHIVE_BROKEN,
                        "an extended header declares a size that is not a number",
                    )
                self.size = int(value)
            elif key.startswith(b"GNU.sparse."):
                self.is_sparse = True

    def take_global_pax(self, body: bytes) -> None:
        if any(
            key in (b"path", b"size", b"linkpath") or key.startswith(b"GNU.sparse.")
            for key, _ in _pax_records(body)
        ):
            raise ArchiveError(
                Reason.ARCHIVE_BROKEN,
                "a global extended header gives all members the same name or size",
            )

    def take_long_name(self, body: bytes) -> None:
        self.is_used = True
        self.path = body.removesuffix(b"\0").decode("utf-8", "surrogateescape")

    def take_long_link(self, _: bytes) -> None:
        self.is_used = True  # its member is a link, which is refused


_EXTENSIONS: Final[Mapping[bytes, Callable[[_Extended, bytes], None]]] = {
    tarfile.XHDTYPE: _Extended.take_pax,
    tarfile.SOLARIS_XHDTYPE: _Extended.take_pax,
    tarfile.XGLTYPE: _Extended.take_global_pax,
    tarfile.GNUTYPE_LONGNAME: _Extended.take_long_name,
    tarfile.GNUTYPE_LONGLINK: _Extended.take_long_link,
}


def _pax_records(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Records ``LENGTH KEY=VALUE`` and a line break; the length counts the whole record."""
    start = 0
    while start < len(body) and body[start]:
        found = _PAX_RECORD.match(body, start)
        end = start + int(found[1]) if found else 0
        if not found or end > len(body) or end <= found.end() or body[end - 1 : end] != b"\n":
            raise ArchiveError(Reason.ARCHIVE_BROKEN, "an extended header is damaged")
        yield found[2], body[found.end() : end - 1]
        start = end
