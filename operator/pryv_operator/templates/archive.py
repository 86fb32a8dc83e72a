"""Archives as Pryv hands them out (``.tgz``, or the tar inside), read in memory, in one pass, within fixed limits.

Headers are read by the standard library (``TarInfo.frombuf``) and the compression by its zlib, but the loop is our own:
``tarfile.open`` reads extended headers to whatever size they declare, takes a damaged header for the end of the archive,
and leaves duplicates and what follows the end to its caller.
"""

from __future__ import annotations

import io
import re
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO, Final, Protocol

from pryv_operator.api.messages import printable
from pryv_operator.api.reasons import Reason
from pryv_operator.templates.leader_folder import (
    CONF_FILES,
    DATA,
    Leader,
    find_leaders,
    in_folder,
    read_leader,
)

#: Members of an archive, those of an archive in it and extended headers included.
MEMBER_LIMIT: Final = 10_000
#: Bytes that all members together unpack to, headers and an archive in the archive included.
UNPACKED_LIMIT: Final = 64 * 1024 * 1024
#: Bytes of one file.
FILE_LIMIT: Final = 8 * 1024 * 1024
#: Bytes of all files that are held in memory at once, for each level of archives.
HELD_LIMIT: Final = 16 * 1024 * 1024
#: Bytes unpacked for each byte read, beyond the first ``RATIO_FLOOR``.
RATIO_LIMIT: Final = 200
RATIO_FLOOR: Final = 1024 * 1024
#: Bytes of a path, and folders it goes through.
PATH_LIMIT: Final = 512
DEPTH_LIMIT: Final = 24
#: Bytes of an extended header (long names, PAX records).
EXTENDED_LIMIT: Final = 16 * 1024
#: Bytes of all of them together: they can hold a record in every five bytes, and compress to next to nothing.
ALL_EXTENDED_LIMIT: Final = 1024 * 1024

_BLOCK: Final = 512
_CHUNK: Final = 64 * 1024
_GZIP: Final = b"\x1f\x8b"
_OTHER_FORMATS: Final = {
    b"PK": "zip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstandard",
    b"7z\xbc\xaf": "7-Zip",
}
_REFUSED_TYPES: Final = {
    tarfile.SYMTYPE: (Reason.ARCHIVE_SYMBOLIC_LINK, "is a symbolic link"),
    tarfile.LNKTYPE: (Reason.ARCHIVE_HARD_LINK, "is a hard link"),
    tarfile.CHRTYPE: (Reason.ARCHIVE_DEVICE, "is a device"),
    tarfile.BLKTYPE: (Reason.ARCHIVE_DEVICE, "is a device"),
    tarfile.FIFOTYPE: (Reason.ARCHIVE_FIFO, "is a named pipe"),
    tarfile.GNUTYPE_SPARSE: (Reason.ARCHIVE_SPARSE_FILE, "is a sparse file"),
}
_INNER_ARCHIVE: Final = (".tgz", ".tar.gz")
_LEADERS_ROLES: Final = ("reg-master", "single")


class ArchiveError(Exception):
    """An archive that is refused. ``reason`` is CamelCase; ``message`` names the member, never its content."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def read_archive(source: bytes | BinaryIO) -> Mapping[str, bytes]:
    """All files of an archive by path (``/`` between names, no ``./`` in front); folders are left out.

    Raises:
        ArchiveError: it is no archive, it is damaged, or something in it is refused.
    """
    return _read(_opened(source), _Budget(), keep=lambda _: True).files


def leader_files(source: bytes | BinaryIO) -> Mapping[str, bytes]:
    """The leader's folder out of an archive of any layout: path inside that folder → content.

    That is the archive of reg-master, of a single node, one of just the folder, or the outer archive of a cluster.

    Raises:
        ArchiveError: it is refused, or holds no leader's folder, or several.
    """
    budget = _Budget()
    outer = _read(_opened(source), budget, keep=_is_wanted)
    found = _leader_in(outer)
    if found is None:
        inner = {
            path: outer.files.pop(path)
            for path in list(outer.files)
            if path.endswith(_INNER_ARCHIVE)
        }
        found = _leader_inside(inner, budget)
    if found is None:
        raise _no_leader(outer)
    return found


def leader_of(source: bytes | BinaryIO, *, complete: bool = True) -> Leader:
    """The leader in an archive; ``complete`` asks for every role that a platform cannot do without.

    Raises:
        ArchiveError: as ``leader_files``.
        LeaderError: its folder cannot be used.
    """
    return read_leader(leader_files(source), complete=complete)


# --- finding the leader ---


def _is_wanted(path: str) -> bool:
    """Whether a file may belong to a leader, or be an archive with one."""
    folder, _, name = path.rpartition("/")
    if name.startswith("._"):  # macOS keeps attributes of files in such companions
        return False
    return path.endswith((*_INNER_ARCHIVE, *CONF_FILES)) or f"/{DATA}/" in f"/{folder}/"


def _leader_in(contents: _Contents) -> dict[str, bytes] | None:
    folders = find_leaders(contents.files)
    if len(folders) > 1:
        named = ", ".join(printable(folder) or "the top" for folder in folders[:3]) + (
            ", …" if len(folders) > 3 else ""
        )
        raise ArchiveError(
            Reason.ARCHIVE_SEVERAL_LEADERS,
            f"there is more than one leader's folder ({named}): make an archive of the one that counts",
        )
    return in_folder(contents.files, folders[0]) if folders else None


def _leader_inside(archives: dict[str, bytes], budget: _Budget) -> dict[str, bytes] | None:
    """The leader in the first of the inner archives that has one; those that should have it are opened first."""
    for path in sorted(
        archives, key=lambda path: (not any(role in path for role in _LEADERS_ROLES), path)
    ):
        try:
            found = _leader_in(_read(io.BytesIO(archives.pop(path)), budget, keep=_is_wanted))
        except ArchiveError as error:
            raise ArchiveError(error.reason, f"{printable(path)}: {error.message}") from None
        if found is not None:
            return found
    return None


def _no_leader(contents: _Contents) -> ArchiveError:
    where = "it needs conf/ with platform.yml and config-leader.json, and data/ with the templates of the roles"
    if contents.has_follower:
        what = f"this archive ({', '.join(map(printable, contents.tops))}) is of a role that fetches its files from the leader"
        return ArchiveError(
            Reason.ARCHIVE_NO_TEMPLATES,
            f"{what}, and has no templates: take the archive of reg-master; {where}",
        )
    return ArchiveError(
        Reason.ARCHIVE_NO_TEMPLATES, f"there is no leader's folder in this archive: {where}"
    )


# --- one archive ---


@dataclass
class _Contents:
    """What was found in one archive."""

    files: dict[str, bytes] = field(default_factory=dict)
    #: The first names at the top.
    tops: list[str] = field(default_factory=list)
    has_follower: bool = False
    #: Path → whether it is a file.
    seen: dict[str, bool] = field(default_factory=dict)
    held: int = 0

    def note(self, member: _Member) -> None:
        before = self.seen.get(member.path)
        if before is not None and (before or member.is_file):
            raise ArchiveError(
                Reason.ARCHIVE_DUPLICATE_MEMBER, f"{printable(member.path)} stands in it twice"
            )
        self.seen[member.path] = member.is_file
        top, *rest = member.path.split("/")
        if top not in self.tops and len(self.tops) < 3:
            self.tops.append(top)
        self.has_follower = self.has_follower or "config-follower" in (top, *rest)

    def hold(self, member: _Member) -> None:
        self.held += member.size
        if self.held > HELD_LIMIT:
            raise ArchiveError(
                Reason.ARCHIVE_TOO_LARGE,
                f"the templates in it are larger than {_mib(HELD_LIMIT)}, at {printable(member.path)}",
            )

    def check_folders(self) -> None:
        """No file is a folder, too."""
        for path in self.files:
            parent = path.rpartition("/")[0]
            while parent:
                if parent in self.files:
                    raise ArchiveError(
                        Reason.ARCHIVE_DUPLICATE_MEMBER,
                        f"{printable(parent)} stands in it twice, as a file and as a folder",
                    )
                parent = parent.rpartition("/")[0]


@dataclass(frozen=True)
class _Member:
    """A file or a folder of an archive."""

    path: str
    size: int
    is_file: bool


def _read(source: BinaryIO, budget: _Budget, keep: Callable[[str], bool]) -> _Contents:
    stream = _Stream(_bytes_of(source, budget))
    contents = _Contents()
    for member in _members(stream, budget):
        contents.note(member)
        if member.is_file and keep(member.path):
            contents.hold(member)
            contents.files[member.path] = stream.take(member.size)
        else:
            stream.skip(member.size)
        stream.skip(-member.size % _BLOCK)
    contents.check_folders()
    return contents


def _members(stream: _Stream, budget: _Budget) -> Iterator[_Member]:
    """The members in order; whoever takes one reads its content, padding included, before the next."""
    extended = _Extended()
    while True:
        header = stream.take(_BLOCK)
        if header.count(0) == _BLOCK:
            break
        try:
            info = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
        except tarfile.HeaderError:
            raise ArchiveError(
                Reason.ARCHIVE_BROKEN,
                f"a header is damaged, after {stream.position - _BLOCK} bytes of the tar",
            ) from None
        budget.count_member()
        if info.size < 0:
            raise ArchiveError(
                Reason.ARCHIVE_BROKEN, f"{printable(info.name)} declares a negative size"
            )
        if info.type in _EXTENSIONS:
            if info.size > EXTENDED_LIMIT:
                raise ArchiveError(
                    Reason.ARCHIVE_EXTENDED_HEADER_TOO_LARGE,
                    f"an extended header is larger than {EXTENDED_LIMIT // 1024} KiB",
                )
            budget.count_extended(info.size)
            _EXTENSIONS[info.type](extended, stream.take(info.size))
            stream.skip(-info.size % _BLOCK)
            continue
        member = _member(info, header, extended)
        extended = _Extended()
        if member:
            yield member
    if extended.is_used:
        raise ArchiveError(Reason.ARCHIVE_BROKEN, "it ends after an extended header")
    stream.end()


def _member(info: tarfile.TarInfo, header: bytes, extended: _Extended) -> _Member | None:
    """The member of a header; None for the top folder itself."""
    name = info.name if extended.path is None else extended.path
    size = info.size if extended.size is None else extended.size
    path = _path(name, header if extended.path is None else b"")
    shown = printable(name)
    if extended.is_sparse:
        raise ArchiveError(
            Reason.ARCHIVE_SPARSE_FILE,
            f"{shown} is a sparse file: only plain files and folders are taken",
        )
    if info.type in _REFUSED_TYPES:
        reason, what = _REFUSED_TYPES[info.type]
        raise ArchiveError(reason, f"{shown} {what}: only plain files and folders are taken")
    is_folder = info.type == tarfile.DIRTYPE
    if not is_folder and info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
        raise ArchiveError(
            Reason.ARCHIVE_UNKNOWN_MEMBER_TYPE,
            f"{shown} is of an unknown kind: only plain files and folders are taken",
        )
    if size > FILE_LIMIT:
        raise ArchiveError(
            Reason.ARCHIVE_FILE_TOO_LARGE, f"{shown} declares more than {_mib(FILE_LIMIT)}"
        )
    if is_folder and size:
        raise ArchiveError(Reason.ARCHIVE_BROKEN, f"{shown} is a folder and has content")
    if path:
        return _Member(path, size, not is_folder)
    if is_folder:
        return None
    raise ArchiveError(Reason.ARCHIVE_EMPTY_NAME, "a file has no name")


def _path(name: str, header: bytes) -> str:
    """A member's path, without ``./`` in front; empty for the top folder itself."""
    if not name:
        raise ArchiveError(Reason.ARCHIVE_EMPTY_NAME, "a member has no name")
    shown = printable(name)
    if len(name.encode("utf-8", "surrogateescape")) > PATH_LIMIT:
        raise ArchiveError(
            Reason.ARCHIVE_PATH_TOO_LONG, f"{shown} is a path of more than {PATH_LIMIT} bytes"
        )
    if any("\ud800" <= character <= "\udfff" for character in name):
        raise ArchiveError(Reason.ARCHIVE_NAME_NOT_UTF8, f"the name {shown} is no UTF-8")
    # What stands behind a NUL in a header's field, other readers may take for a part of the name.
    if not name.isprintable() or b"\0" in header[:100].rstrip(b"\0"):
        raise ArchiveError(
            Reason.ARCHIVE_CONTROL_CHARACTER, f"the name {shown} holds a control character"
        )
    if name.startswith("/") or "\\" in name or re.match(r"[A-Za-z]:", name):
        raise ArchiveError(
            Reason.ARCHIVE_ABSOLUTE_PATH, f"{shown} is no relative path with / between the names"
        )
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise ArchiveError(Reason.ARCHIVE_PATH_TRAVERSAL, f"{shown} leads out of its folder")
    if len(parts) > DEPTH_LIMIT:
        raise ArchiveError(
            Reason.ARCHIVE_PATH_TOO_DEEP,
            f"{shown} goes through more than {DEPTH_LIMIT - 1} folders",
        )
    return "/".join(parts)


class _Extended:
    """What extended headers say of the next member."""

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
                        "an extended header declares a size that is no number",
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
                Reason.ARCHIVE_BROKEN, "a global extended header gives all members one name or size"
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
        found = re.compile(rb"([0-9]{1,6}) ([^=\n]+)=").match(body, start)
        end = start + int(found[1]) if found else 0
        if not found or end > len(body) or end <= found.end() or body[end - 1 : end] != b"\n":
            raise ArchiveError(Reason.ARCHIVE_BROKEN, "an extended header is damaged")
        yield found[2], body[found.end() : end - 1]
        start = end


# --- bytes ---


class _Budget:
    """What may still be unpacked, an archive in the archive included."""

    def __init__(self) -> None:
        self._members = MEMBER_LIMIT
        self._bytes = UNPACKED_LIMIT
        self._extended = ALL_EXTENDED_LIMIT

    def count_member(self) -> None:
        self._members -= 1
        if self._members < 0:
            raise ArchiveError(
                Reason.ARCHIVE_TOO_MANY_MEMBERS, f"it has more than {MEMBER_LIMIT} members"
            )

    def count_extended(self, size: int) -> None:
        self._extended -= size
        if self._extended < 0:
            raise ArchiveError(
                Reason.ARCHIVE_EXTENDED_HEADERS_TOO_LARGE,
                f"its extended headers together are larger than {_mib(ALL_EXTENDED_LIMIT)}",
            )

    def count_bytes(self, size: int) -> None:
        self._bytes -= size
        if self._bytes < 0:
            raise ArchiveError(
                Reason.ARCHIVE_TOO_LARGE, f"it unpacks to more than {_mib(UNPACKED_LIMIT)}"
            )


class _Source(Protocol):
    def more(self) -> bytes:
        """The next bytes of the tar, at most ``_CHUNK``; none at its end.

        Raises:
            ArchiveError: they cannot be read, or there are too many.
        """


def _opened(source: bytes | BinaryIO) -> BinaryIO:
    return io.BytesIO(source) if isinstance(source, bytes) else source


def _bytes_of(source: BinaryIO, budget: _Budget) -> _Source:
    start = source.read(_CHUNK)
    if not start:
        raise ArchiveError(Reason.ARCHIVE_EMPTY, "the archive is empty")
    if start.startswith(_GZIP):
        return _Gzip(start, source, budget)
    if _is_tar(start):
        return _Plain(start, source, budget)
    other = next(
        (
            f", but looks like {name}"
            for magic, name in _OTHER_FORMATS.items()
            if start.startswith(magic)
        ),
        "",
    )
    raise ArchiveError(
        Reason.ARCHIVE_NOT_AN_ARCHIVE, f"it is no .tgz archive{other}: only gzip and tar are read"
    )


def _is_tar(start: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(start[:_BLOCK], "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return start[:_BLOCK] == bytes(_BLOCK)  # one without members
    return True


class _Plain:
    def __init__(self, start: bytes, source: BinaryIO, budget: _Budget) -> None:
        self._start = start
        self._source = source
        self._budget = budget

    def more(self) -> bytes:
        piece, self._start = self._start or self._source.read(_CHUNK), b""
        self._budget.count_bytes(len(piece))
        return piece


class _Gzip:
    def __init__(self, start: bytes, source: BinaryIO, budget: _Budget) -> None:
        self._zlib = zlib.decompressobj(wbits=31)
        self._pending = start
        self._source = source
        self._budget = budget
        self._consumed = 0
        self._unpacked = 0

    def more(self) -> bytes:
        while not self._zlib.eof:
            given = self._pending or self._source.read(_CHUNK)
            try:
                piece = self._zlib.decompress(given, _CHUNK)
            except zlib.error:
                raise ArchiveError(
                    Reason.ARCHIVE_BROKEN_GZIP, "the compression is damaged"
                ) from None
            self._pending = self._zlib.unconsumed_tail
            self._consumed += len(given) - len(self._pending) - len(self._zlib.unused_data)
            self._check(len(piece))
            if piece:
                return piece
            if not given and not self._zlib.eof:
                raise ArchiveError(
                    Reason.ARCHIVE_TRUNCATED, "it ends in the middle of the compressed data"
                )
        self._check_end()
        return b""

    def _check(self, size: int) -> None:
        self._budget.count_bytes(size)
        self._unpacked += size
        if self._unpacked > max(RATIO_FLOOR, RATIO_LIMIT * self._consumed):
            raise ArchiveError(
                Reason.ARCHIVE_COMPRESSED_TOO_WELL,
                f"it unpacks to more than {RATIO_LIMIT} times its size",
            )
        if self._consumed > UNPACKED_LIMIT:
            raise ArchiveError(
                Reason.ARCHIVE_TOO_LARGE, f"it is larger than {_mib(UNPACKED_LIMIT)}"
            )

    def _check_end(self) -> None:
        rest = self._zlib.unused_data or self._source.read(_CHUNK)
        if rest.startswith(_GZIP):
            raise ArchiveError(
                Reason.ARCHIVE_SEVERAL_GZIP_STREAMS,
                "a second gzip stream follows the first: compress the tar in one go",
            )
        if rest:
            raise ArchiveError(
                Reason.ARCHIVE_TRAILING_DATA, "something follows the end of the compressed data"
            )


class _Stream:
    """The tar's bytes in order."""

    def __init__(self, source: _Source) -> None:
        self.position = 0
        self._source = source
        self._buffer = b""
        self._at = 0

    def take(self, size: int) -> bytes:
        """Exactly so many bytes."""
        return b"".join(self._pieces(size))

    def skip(self, size: int) -> None:
        for _ in self._pieces(size):
            pass

    def end(self) -> None:
        """Read to the end, where only zeros may stand."""
        piece = self._buffer[self._at :]
        while piece or (piece := self._source.more()):
            if piece.count(0) != len(piece):
                raise ArchiveError(
                    Reason.ARCHIVE_TRAILING_DATA, "something follows the end of the tar"
                )
            piece = b""

    def _pieces(self, size: int) -> Iterator[bytes]:
        self.position += size
        while size:
            if self._at == len(self._buffer):
                self._buffer, self._at = self._source.more(), 0
                if not self._buffer:
                    raise ArchiveError(Reason.ARCHIVE_TRUNCATED, "it ends in the middle of the tar")
            piece = self._buffer[self._at : self._at + size]
            self._at += len(piece)
            size -= len(piece)
            yield piece


def _mib(size: int) -> str:
    return f"{size // 1024 // 1024} MiB"
