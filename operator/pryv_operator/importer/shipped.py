"""What Pryv ships, told by its hashes: the templates of a built-in release, and the defaults of variables.

``shipped/RELEASE.sha256`` has the files that a follower keeps, as ``sha256sum`` writes them, computed from Pryv's archives
of the release (in config-leader/data). ``shipped/defaults.sha256`` has the values that variables were shipped with where they
are not this project's own: of the value as JSON, without spaces and with its keys sorted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files as resources
from typing import Final

from pryv_operator.leader.json_value import Json
from pryv_operator.leader.listing import written_paths
from pryv_operator.templates.builtin import RELEASES, load_release

Roles = Mapping[str, Mapping[str, bytes]]

_HASHES: Final = resources("pryv_operator.importer") / "shipped"


@dataclass(frozen=True)
class Likeness:
    """How received templates compare with a release's; ``changed`` are the files (role/path) that differ, are new or are missing."""

    release: str
    changed: tuple[str, ...]
    files: int


def kept_files(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files of a role that a follower keeps, by path."""
    return {path: files[path] for path in sorted(written_paths(files))}


def likeness(roles: Roles) -> Likeness:
    """The built-in release that is nearest to some templates. A role may be missing: a cluster without reg-slave."""
    found = {
        f"{role}/{path}": _hash(content)
        for role, files in roles.items()
        for path, content in kept_files(files).items()
    }
    each = [_compared(release, found, roles) for release in RELEASES]
    return min(each, key=lambda likeness: len(likeness.changed))


def _compared(release: str, found: Mapping[str, str], roles: Roles) -> Likeness:
    shipped = {
        path: digest
        for path, digest in _shipped(release).items()
        if path.partition("/")[0] in roles
    }
    unknown = set(roles) - load_release(release).roles.keys()
    paths = sorted({*found, *shipped})
    changed = [
        path
        for path in paths
        if found.get(path) != shipped.get(path) or path.partition("/")[0] in unknown
    ]
    return Likeness(release, tuple(changed), len(paths))


def is_shipped_default(name: str, value: Json) -> bool:
    """Whether a release of Pryv's came with this value, so that nobody has chosen it."""
    return (_digest(value), name) in _shipped_defaults()


@cache
def _shipped_defaults() -> frozenset[tuple[str, str]]:
    lines = (_HASHES / "defaults.sha256").read_text(encoding="utf-8").splitlines()
    return frozenset((digest, name) for digest, name in (line.split("  ", 1) for line in lines))


def _digest(value: Json) -> str:
    return _hash(json.dumps(value, sort_keys=True, separators=(",", ":")).encode())


@cache
def _shipped(release: str) -> Mapping[str, str]:
    source = _HASHES / f"{release}.sha256"
    lines = source.read_text(encoding="utf-8").splitlines() if source.is_file() else []
    return {path: digest for digest, path in (line.split("  ", 1) for line in lines)}


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
