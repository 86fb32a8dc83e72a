"""Archives (``.tgz``, or a plain tar), unpacked in memory, in one pass and within fixed limits."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from pryv_operator.api.messages import printable
from pryv_operator.api.reasons import Reason
from pryv_operator.templates.archive_limits import HELD_LIMIT, ArchiveError, Budget, mib
from pryv_operator.templates.archive_members import Member, read_members
from pryv_operator.templates.archive_stream import BLOCK, TarStream

_SHOWN_NAMES: Final = 3


@dataclass
class ArchiveContents:
    """What was found in one archive."""

    #: The files that were asked for: path → content.
    files: dict[str, bytes] = field(default_factory=dict, repr=False)
    #: The first few names at the top.
    top_names: list[str] = field(default_factory=list)
    #: Every path → whether it is a file.
    paths: dict[str, bool] = field(default_factory=dict)

    def names(self, name: str) -> bool:
        """Whether a file or folder of this name is in the archive, at any level."""
        return any(name in path.split("/") for path in self.paths)


def read_archive(source: bytes | BinaryIO) -> Mapping[str, bytes]:
    """All files of an archive by path (``/`` between names, no leading ``./``), without folders.

    Raises:
        ArchiveError: it is not an archive, it is damaged, or something in it is refused.
    """
    return unpack(source, Budget(), keep=lambda _: True).files


def unpack(
    source: bytes | BinaryIO, budget: Budget, keep: Callable[[str], bool]
) -> ArchiveContents:
    """The contents of an archive; only files whose path ``keep`` accepts are held in memory.

    Raises:
        ArchiveError: as ``read_archive``.
    """
    opened = io.BytesIO(source) if isinstance(source, bytes) else source
    stream = TarStream(opened, budget)
    contents = ArchiveContents()
    held = 0
    for member in read_members(stream, budget):
        _note(contents, member)
        if member.is_file and keep(member.path):
            held += member.size
            if held > HELD_LIMIT:
                raise ArchiveError(
                    Reason.ARCHIVE_TOO_LARGE,
                    f"{printable(member.path)}: "
                    f"the templates up to here are larger than {mib(HELD_LIMIT)}",
                )
            contents.files[member.path] = stream.take(member.size)
        else:
            stream.skip(member.size)
        stream.skip(-member.size % BLOCK)
    _check_no_file_is_a_folder(contents)
    return contents


def _note(contents: ArchiveContents, member: Member) -> None:
    earlier = contents.paths.get(member.path)
    if earlier is not None and (earlier or member.is_file):
        raise ArchiveError(
            Reason.ARCHIVE_DUPLICATE_MEMBER, f"{printable(member.path)}: it occurs twice"
        )
    contents.paths[member.path] = member.is_file
    top = member.path.partition("/")[0]
    if top not in contents.top_names and len(contents.top_names) < _SHOWN_NAMES:
        contents.top_names.append(top)


def _check_no_file_is_a_folder(contents: ArchiveContents) -> None:
    for path in contents.files:
        parent = path.rpartition("/")[0]
        while parent:
            if parent in contents.files:
                raise ArchiveError(
                    Reason.ARCHIVE_DUPLICATE_MEMBER,
                    f"{printable(parent)}: it occurs twice, as a file and as a folder",
                )
            parent = parent.rpartition("/")[0]
