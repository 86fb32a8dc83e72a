"""How the tests are divided between two processes: folder by folder, the slowest ones first.

The tests of a folder run in one process, in their order, so that those that share a control plane
meet the same objects in each run. The attacks come when the other process has little left to do:
they are about who gets the CPUs.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Final

from xdist.scheduler import LoadScopeScheduling

#: Folders of ``tests``: a free process takes the next line. Other folders come last.
_ORDER: Final = (
    ("api", "cluster", "attacks"),
    ("faults", "docs"),
    ("unit",),
    ("readers",),
    ("fuzz",),
)
_PLACES: Final = {
    folder: (line, column)
    for line, folders in enumerate(_ORDER)
    for column, folder in enumerate(folders)
}


def place(nodeid: str) -> tuple[int, int]:
    """Where a test stands: its line, and its folder's place in that."""
    folder = PurePosixPath(nodeid.partition("::")[0]).parts[1]
    return _PLACES.get(folder, (len(_ORDER), 0))


class FolderScheduling(LoadScopeScheduling):
    """Gives a free process the next folders."""

    def _split_scope(self, nodeid: str) -> str:
        return str(place(nodeid)[0])
