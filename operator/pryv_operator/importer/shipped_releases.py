"""What Pryv ships, known by SHA-256: the templates of the built-in releases, and default values.

``shipped/RELEASE.sha256`` lists the files that a follower keeps, in the format of ``sha256sum``,
computed from Pryv's archives of the release (in ``config-leader/data``).
``shipped/defaults.sha256`` lists shipped default values that differ from this project's own: each
hash is of the value as JSON, without spaces and with sorted keys.
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
class ReleaseMatch:
    """The built-in release that some templates are closest to.

    ``changed`` are the files (role/path) that differ from it, are added or are missing; ``files``
    is the number of files compared.
    """

    release: str
    changed: tuple[str, ...]
    files: int


def files_of_follower(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files of a role that a follower keeps, by path."""
    return {path: files[path] for path in sorted(written_paths(files))}


def closest_release(roles: Roles) -> ReleaseMatch:
    """The built-in release with the fewest changed files; roles that are absent do not count."""
    digests = {
        f"{role}/{path}": _sha256(content)
        for role, files in roles.items()
        for path, content in files_of_follower(files).items()
    }
    matches = [_match(release, digests, roles) for release in RELEASES]
    return min(matches, key=lambda match: len(match.changed))


def _match(release: str, digests: Mapping[str, str], roles: Roles) -> ReleaseMatch:
    shipped = {
        path: digest
        for path, digest in _shipped_files(release).items()
        if path.partition("/")[0] in roles
    }
    unknown_roles = set(roles) - load_release(release).roles.keys()
    paths = sorted({*digests, *shipped})
    changed = [
        path
        for path in paths
        if digests.get(path) != shipped.get(path) or path.partition("/")[0] in unknown_roles
    ]
    return ReleaseMatch(release, tuple(changed), len(paths))


def is_shipped_default(name: str, value: Json) -> bool:
    """Whether a release of Pryv's has this value as its default, so that no user chose it."""
    digest = _sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode())
    return (digest, name) in _shipped_defaults()


@cache
def _shipped_defaults() -> frozenset[tuple[str, str]]:
    lines = (_HASHES / "defaults.sha256").read_text(encoding="utf-8").splitlines()
    return frozenset((digest, name) for digest, name in (line.split("  ", 1) for line in lines))


@cache
def _shipped_files(release: str) -> Mapping[str, str]:
    """Role/path → SHA-256 (hexadecimal); empty for a release without a list."""
    source = _HASHES / f"{release}.sha256"
    lines = source.read_text(encoding="utf-8").splitlines() if source.is_file() else []
    return {path: digest for digest, path in (line.split("  ", 1) for line in lines)}


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
