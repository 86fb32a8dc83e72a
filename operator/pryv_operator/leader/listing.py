"""Which files of a role the leader offers, and which of those a follower keeps.

Source: the leader's own answers (``listing`` in its test vectors).
"""

from __future__ import annotations

from collections.abc import Iterable


def listed(paths: Iterable[str]) -> list[str]:
    """The paths of one role that the leader offers, in its order: depth first, each folder sorted byte by byte.

    The stem (name without folder and last extension) decides over the whole role: a later file replaces an earlier
    ``.json`` of its stem, a later ``.json`` gives way to any earlier one, everything else stays. What is a ``.json``
    the end of the path says: a file named just that is one, too.
    """
    kept: dict[str, None] = {}  # an ordered set
    by_stem: dict[str, str] = {}
    for path in sorted(paths, key=_reading_order):
        stem = _stem(path)
        earlier = by_stem.get(stem)
        if earlier is None:
            by_stem[stem] = path
        elif earlier.endswith(".json"):
            del kept[earlier]
            by_stem[stem] = path
        elif path.endswith(".json"):
            continue
        kept[path] = None
    return list(kept)


def kept_by_follower(path: str) -> bool:
    """Whether a follower writes this file: at the role's root, or under ``<x>/conf/`` or ``<x>/templates/``."""
    parts = path.split("/")
    return len(parts) == 1 or (len(parts) > 2 and parts[1] in {"conf", "templates"})


def kept(paths: Iterable[str]) -> list[str]:
    """The paths of one role that a follower keeps of what the leader offers."""
    return [path for path in listed(paths) if kept_by_follower(path)]


def _reading_order(path: str) -> list[bytes]:
    return [part.encode("utf-8", "surrogatepass") for part in path.split("/")]


def _stem(path: str) -> str:
    """The name as Node's ``path.parse`` has it: without the last extension, which a leading dot does not start."""
    name = path.rpartition("/")[2]
    dot = name.rfind(".")
    return name[:dot] if dot > 0 else name
