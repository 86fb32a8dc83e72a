"""Compares the files of an imported platform with those of its leader."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import hjson

from pryv_operator.importer.leader_rendering import Rendered
from pryv_operator.leader.js_yaml import JsYamlError, load_yaml
from pryv_operator.rendering.files import RenderedFile

_Likeness = Literal["equal", "same meaning", "different"]


@dataclass(frozen=True)
class Comparison:
    """Files (role/path) of the roles that both have."""

    #: Byte for byte.
    equal: tuple[str, ...]
    #: Equal when parsed: only the order of keys or the notation differs.
    same_meaning: tuple[str, ...]
    different: tuple[str, ...]

    @property
    def total(self) -> int:
        """How many files were compared."""
        return len(self.equal) + len(self.same_meaning) + len(self.different)


def compare_files(leaders: Rendered, platforms: Rendered) -> Comparison:
    """Compare the leader's files with the platform's."""
    found: dict[_Likeness, list[str]] = {"equal": [], "same meaning": [], "different": []}
    for role in sorted(leaders.keys() & platforms.keys()):
        theirs, ours = _by_path(leaders[role]), _by_path(platforms[role])
        for path in sorted({*ours, *theirs}):
            found[_likeness(path, theirs.get(path), ours.get(path))].append(f"{role}/{path}")
    return Comparison(
        tuple(found["equal"]), tuple(found["same meaning"]), tuple(found["different"])
    )


def _by_path(files: tuple[RenderedFile, ...]) -> dict[str, bytes]:
    return {file.path: file.content for file in files}


def _likeness(path: str, leaders: bytes | None, platforms: bytes | None) -> _Likeness:
    """How two versions of a file compare; None: there is no such file."""
    if leaders is None or platforms is None:
        return "different"
    if leaders == platforms:
        return "equal"
    parse = next((parse for suffix, parse in _PARSERS.items() if path.endswith(suffix)), None)
    if parse is None:
        return "different"
    try:
        is_same = parse(leaders.decode()) == parse(platforms.decode())
    except (ValueError, JsYamlError, RecursionError):
        return "different"
    return "same meaning" if is_same else "different"


def _hjson(text: str) -> Any:
    return json.loads(json.dumps(hjson.loads(text)))


_PARSERS: Final[Mapping[str, Callable[[str], Any]]] = {
    ".json": json.loads,
    ".yml": load_yaml,
    ".yaml": load_yaml,
    ".hjson": _hjson,
}
