"""The bytes of a tar, plain or gzipped, in order and within limits."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO, Final, Protocol

from pryv_operator.api.reasons import Reason
from pryv_operator.templates.archive_limits import (
    RATIO_FLOOR,
    RATIO_LIMIT,
    UNPACKED_LIMIT,
    ArchiveError,
    Budget,
    mib,
)

#: Bytes of a tar's header, and the unit to which content is padded.
BLOCK: Final = 512

_CHUNK: Final = 64 * 1024
_GZIP: Final = b"\x1f\x8b"
_OTHER_FORMATS: Final = {
    b"PK": "zip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstandard",
    b"7z\xbc\xaf": "7-Zip",
}


class TarStream:
    """Reads a tar from its first byte to its last."""

    def __init__(self, source: BinaryIO, budget: Budget) -> None:
        """Reads the beginning of the source.

        Raises:
            ArchiveError: it is not a tar, plain or gzipped.
        """
        self.position = 0
        self._source = _byte_source(source, budget)
        self._buffer = b""
        self._at = 0

    def take(self, size: int) -> bytes:
        """Exactly the next ``size`` bytes.

        Raises:
            ArchiveError: the tar ends before, or a limit is exceeded.
        """
        return b"".join(self._pieces(size))

    def skip(self, size: int) -> None:
        """Read ``size`` bytes and drop them.

        Raises:
            ArchiveError: as ``take``.
        """
        for _ in self._pieces(size):
            pass

    def finish(self) -> None:
        """Read to the end.

        Raises:
            ArchiveError: something other than zeros follows, or a limit is exceeded.
        """
        piece = self._buffer[self._at :]
        while piece or (piece := self._source.read_more()):
            if piece.count(0) != len(piece):
                raise ArchiveError(Reason.ARCHIVE_TRAILING_DATA, "data follows the end of the tar")
            piece = b""

    def _pieces(self, size: int) -> Iterator[bytes]:
        self.position += size
        while size:
            if self._at == len(self._buffer):
                self._buffer, self._at = self._source.read_more(), 0
                if not self._buffer:
                    raise ArchiveError(Reason.ARCHIVE_TRUNCATED, "it ends in the middle of the tar")
            piece = self._buffer[self._at : self._at + size]
            self._at += len(piece)
            size -= len(piece)
            yield piece


class _ByteSource(Protocol):
    def read_more(self) -> bytes:
        """The next bytes of the tar, at most ``_CHUNK``; none at its end.

        Raises:
            ArchiveError: they cannot be read, or a limit is exceeded.
        """


def _byte_source(source: BinaryIO, budget: Budget) -> _ByteSource:
    start = source.read(_CHUNK)
    if not start:
        raise ArchiveError(Reason.ARCHIVE_EMPTY, "the archive is empty")
    if start.startswith(_GZIP):
        return _Gzip(start, source, budget)
    if _is_tar(start):
        return _Plain(start, source, budget)
    formats = [name for magic, name in _OTHER_FORMATS.items() if start.startswith(magic)]
    other = f" (it looks like {formats[0]})" if formats else ""
    raise ArchiveError(
        Reason.ARCHIVE_NOT_AN_ARCHIVE, f"not a .tgz or .tar archive{other}; pack it with tar"
    )


def _is_tar(start: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(start[:BLOCK], "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return start[:BLOCK] == bytes(BLOCK)  # a tar without members
    return True


class _Plain:
    def __init__(self, start: bytes, source: BinaryIO, budget: Budget) -> None:
        self._start = start
        self._source = source
        self._budget = budget

    def read_more(self) -> bytes:
        piece, self._start = self._start or self._source.read(_CHUNK), b""
        self._budget.spend_bytes(len(piece))
        return piece


class _Gzip:
    def __init__(self, start: bytes, source: BinaryIO, budget: Budget) -> None:
        self._zlib = zlib.decompressobj(wbits=31)
        self._pending = start
        self._source = source
        self._budget = budget
        self._consumed = 0
        self._unpacked = 0

    def read_more(self) -> bytes:
        while not self._zlib.eof:
            compressed = self._pending or self._source.read(_CHUNK)
            try:
                piece = self._zlib.decompress(compressed, _CHUNK)
            except zlib.error:
                raise ArchiveError(
                    Reason.ARCHIVE_BROKEN_GZIP, "the gzip stream is damaged"
                ) from None
            self._pending = self._zlib.unconsumed_tail
            self._consumed += len(compressed) - len(self._pending) - len(self._zlib.unused_data)
            self._check_limits(len(piece))
            if piece:
                return piece
            if not compressed and not self._zlib.eof:
                raise ArchiveError(
                    Reason.ARCHIVE_TRUNCATED, "it ends in the middle of the gzip stream"
                )
        self._check_end()
        return b""

    def _check_limits(self, size: int) -> None:
        self._budget.spend_bytes(size)
        self._unpacked += size
        if self._unpacked > max(RATIO_FLOOR, RATIO_LIMIT * self._consumed):
            raise ArchiveError(
                Reason.ARCHIVE_COMPRESSED_TOO_WELL,
                f"it unpacks to more than {RATIO_LIMIT} times its size",
            )
        if self._consumed > UNPACKED_LIMIT:
            raise ArchiveError(Reason.ARCHIVE_TOO_LARGE, f"it is larger than {mib(UNPACKED_LIMIT)}")

    def _check_end(self) -> None:
        rest = self._zlib.unused_data or self._source.read(_CHUNK)
        if rest.startswith(_GZIP):
            raise ArchiveError(
                Reason.ARCHIVE_SEVERAL_GZIP_STREAMS,
                "a second gzip stream follows the first; compress the tar as one stream",
            )
        if rest:
            raise ArchiveError(
                Reason.ARCHIVE_TRAILING_DATA, "data follows the end of the gzip stream"
            )
