"""How the tests are divided between two processes: folder by folder, the slowest ones first.

The tests of a folder run in one process, in their order, so that those that share a control plane
meet the same objects in each run.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Final

from xdist.scheduler import LoadScopeScheduling

#: Folders of ``tests`` in the order in which a free process takes them; others come last.
_ORDER: Final = ("api", "faults", "attacks", "unit", "readers", "cluster", "fuzz")


def ring(nodeid: str) -> str:
    """The folder of ``tests`` that a test is in."""
    return PurePosixPath(nodeid.partition("::")[0]).parts[1]


def place(nodeid: str) -> int:
    """When the folder of a test is taken."""
    return _ORDER.index(ring(nodeid)) if ring(nodeid) in _ORDER else len(_ORDER)


class RingScheduling(LoadScopeScheduling):
    """Gives a free process the next folder."""

    def _split_scope(self, nodeid: str) -> str:
        return ring(nodeid)
