"""What an archive may hold at most, and the error about one that is refused."""

from __future__ import annotations

from typing import Final

from pryv_operator.api.reasons import Reason

#: Members of an archive, including extended headers and the members of an archive in it.
MEMBER_LIMIT: Final = 10_000
#: Bytes that all members together unpack to, including headers and an archive in the archive.
UNPACKED_LIMIT: Final = 64 * 1024 * 1024
#: Bytes of one file.
FILE_LIMIT: Final = 8 * 1024 * 1024
#: Bytes of all files that are held in memory at once, for each level of archives.
HELD_LIMIT: Final = 16 * 1024 * 1024
#: Bytes unpacked for each byte read, beyond the first ``RATIO_FLOOR``.
RATIO_LIMIT: Final = 200
RATIO_FLOOR: Final = 1024 * 1024
#: Bytes of a path, and steps in it.
PATH_LIMIT: Final = 512
DEPTH_LIMIT: Final = 24
#: Bytes of an extended header (long names, PAX records).
EXTENDED_LIMIT: Final = 16 * 1024
#: Bytes of all of them together: a record takes five bytes, and many compress to next to nothing.
ALL_EXTENDED_LIMIT: Final = 1024 * 1024


class ArchiveError(Exception):
    """An archive that is refused; ``message`` names the member, never its content."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class Budget:
    """What may still be unpacked from an archive and the archives in it."""

    def __init__(self) -> None:
        self._members = MEMBER_LIMIT
        self._bytes = UNPACKED_LIMIT
        self._extended = ALL_EXTENDED_LIMIT

    def spend_member(self) -> None:
        """Count one member.

        Raises:
            ArchiveError: there are too many.
        """
        self._members -= 1
        if self._members < 0:
            raise ArchiveError(
                Reason.ARCHIVE_TOO_MANY_MEMBERS, f"it has more than {MEMBER_LIMIT} members"
            )

    def spend_extended(self, size: int) -> None:
        """Count the bytes of an extended header.

        Raises:
            ArchiveError: they are too many in all.
        """
        self._extended -= size
        if self._extended < 0:
            raise ArchiveError(
                Reason.ARCHIVE_EXTENDED_HEADERS_TOO_LARGE,
                f"its extended headers together exceed {mib(ALL_EXTENDED_LIMIT)}",
            )

    def spend_bytes(self, size: int) -> None:
        """Count unpacked bytes.

        Raises:
            ArchiveError: they are too many in all.
        """
        self._bytes -= size
        if self._bytes < 0:
            raise ArchiveError(
                Reason.ARCHIVE_TOO_LARGE, f"it unpacks to more than {mib(UNPACKED_LIMIT)}"
            )


def mib(size: int) -> str:
    """Bytes as mebibytes, for a message."""
    return f"{size // 1024 // 1024} MiB"
