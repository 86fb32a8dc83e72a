"""The leader's folder in an archive, of any layout that Pryv hands out.

That is the archive of reg-master, of a single node, of just the leader's folder, or the outer
archive of a cluster, which holds one archive for each machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import BinaryIO, Final

from pryv_operator.api.messages import printable
from pryv_operator.api.reasons import Reason
from pryv_operator.templates.archive import ArchiveContents, unpack
from pryv_operator.templates.archive_limits import ArchiveError, Budget
from pryv_operator.templates.leader_conf import CONF_FILES
from pryv_operator.templates.leader_folder import (
    DATA,
    Leader,
    files_in,
    find_leader_folders,
    read_leader,
)

_INNER_ARCHIVE: Final = (".tgz", ".tar.gz")
#: Words in the names of the inner archives that should hold the leader.
_LEADERS_ROLES: Final = ("reg-master", "single")
_FOLLOWER: Final = "config-follower"
_EXPECTED: Final = "conf/ with platform.yml and config-leader.json, and data/ with the templates"
_SHOWN_FOLDERS: Final = 3


def read_leader_archive(source: bytes | BinaryIO, *, complete: bool = True) -> Leader:
    """The leader in an archive; ``complete``: require every role a platform cannot do without.

    Raises:
        ArchiveError: as ``read_leader_files``.
        LeaderError: the leader's folder cannot be used.
    """
    return read_leader(read_leader_files(source), complete=complete)


def read_leader_files(source: bytes | BinaryIO) -> Mapping[str, bytes]:
    """The files of the leader's folder: path inside that folder → content.

    Raises:
        ArchiveError: the archive is refused, or holds no leader's folder, or several.
    """
    budget = Budget()
    outer = unpack(source, budget, keep=_may_be_needed)
    found = _leader_files(outer)
    if found is None:
        inner = {
            path: outer.files.pop(path)
            for path in list(outer.files)
            if path.endswith(_INNER_ARCHIVE)
        }
        found = _leader_files_inside(inner, budget)
    if found is None:
        raise _no_leader_error(outer)
    return found


def _may_be_needed(path: str) -> bool:
    """Whether a file may belong to a leader, or be an archive with one."""
    folder, _, name = path.rpartition("/")
    if name.startswith("._"):  # macOS stores attributes of files in such companions
        return False
    return path.endswith((*_INNER_ARCHIVE, *CONF_FILES)) or f"/{DATA}/" in f"/{folder}/"


def _leader_files(contents: ArchiveContents) -> dict[str, bytes] | None:
    folders = find_leader_folders(contents.files)
    if len(folders) > 1:
        shown = [printable(folder) or "the top folder" for folder in folders[:_SHOWN_FOLDERS]]
        more = ["…"] if len(folders) > _SHOWN_FOLDERS else []
        raise ArchiveError(
            Reason.ARCHIVE_SEVERAL_LEADERS,
            f"it holds several leader's folders ({', '.join(shown + more)}); "
            "pack an archive of the one to use",
        )
    return files_in(contents.files, folders[0]) if folders else None


def _leader_files_inside(archives: dict[str, bytes], budget: Budget) -> dict[str, bytes] | None:
    """The files of the leader in the first of the archives that has one; each is dropped once read.

    Those that should have it are opened first.
    """
    for path in sorted(
        archives, key=lambda path: (not any(role in path for role in _LEADERS_ROLES), path)
    ):
        try:
            found = _leader_files(unpack(archives.pop(path), budget, keep=_may_be_needed))
        except ArchiveError as error:
            raise ArchiveError(error.reason, f"{printable(path)}: {error.message}") from None
        if found is not None:
            return found
    return None


def _no_leader_error(contents: ArchiveContents) -> ArchiveError:
    if contents.names(_FOLLOWER):
        tops = ", ".join(map(printable, contents.top_names))
        return ArchiveError(
            Reason.ARCHIVE_NO_TEMPLATES,
            f"no leader's folder: this archive ({tops}) has no templates, as its role fetches "
            f"files from the leader; use the archive of reg-master (it has {_EXPECTED})",
        )
    return ArchiveError(Reason.ARCHIVE_NO_TEMPLATES, f"no leader's folder found; pack {_EXPECTED}")
