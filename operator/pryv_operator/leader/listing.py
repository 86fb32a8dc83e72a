"""Which files of a role the leader offers, and which of those a follower writes.

Source: the leader's own answers, recorded (``listing`` in its test vectors).
"""

from __future__ import annotations

from collections.abc import Iterable


def offered_paths(paths: Iterable[str]) -> list[str]:
    """The paths of one role that the leader offers, in its order.

    The order is depth first, each folder sorted by bytes. Files of one stem (name without folder
    and last extension) compete over the whole role: a later file replaces an earlier ``.json``, a
    later ``.json`` is ignored after any other, all others stay. Whether a path is a ``.json`` is
    decided by its end, so a file named just ``.json`` is one.
    """
    offered: dict[str, None] = {}  # an ordered set
    by_stem: dict[str, str] = {}
    for path in sorted(paths, key=_reading_order):
        stem = _stem(path)
        earlier = by_stem.get(stem)
        if earlier is None:
            by_stem[stem] = path
        elif earlier.endswith(".json"):
            del offered[earlier]
            by_stem[stem] = path
        elif path.endswith(".json"):
            continue
        offered[path] = None
    return list(offered)


def is_written_by_follower(path: str) -> bool:
    """Whether a follower writes this file.

    It does at the role's root, and in ``<x>/conf/`` and ``<x>/templates/``.
    """
    parts = path.split("/")
    return len(parts) == 1 or (len(parts) > 2 and parts[1] in {"conf", "templates"})


def written_paths(paths: Iterable[str]) -> list[str]:
    """The paths of one role that a follower writes, of those that the leader offers."""
    return [path for path in offered_paths(paths) if is_written_by_follower(path)]


def _reading_order(path: str) -> list[bytes]:
    return [part.encode("utf-8", "surrogatepass") for part in path.split("/")]


def _stem(path: str) -> str:
    """The name without its last extension, as Node's ``path.parse`` has it.

    A leading dot does not start an extension.
    """
    name = path.rpartition("/")[2]
    dot = name.rfind(".")
    return name[:dot] if dot > 0 else name
