"""Whether an imported platform renders what its leader rendered, file by file."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import hjson

from pryv_operator.api import secret_variables
from pryv_operator.leader.js_yaml import JsYamlError, load_yaml
from pryv_operator.leader.listing import is_written_by_follower, offered_paths
from pryv_operator.leader.render_error import RenderError
from pryv_operator.leader.substitution import Substitution, TooLargeError
from pryv_operator.leader.taint import Value
from pryv_operator.rendering.files import TOTAL_LIMIT, RenderedFile
from pryv_operator.rendering.parse_checks import check_parses
from pryv_operator.templates.leader_folder import Leader
from pryv_operator.values.catalogue import Catalogue, Place

Rendered = Mapping[str, tuple[RenderedFile, ...]]


@dataclass(frozen=True)
class Comparison:
    """Files (role/path) of the roles that both have."""

    equal: tuple[str, ...]
    #: Written differently (the order of keys), with the same meaning.
    same_meaning: tuple[str, ...]
    different: tuple[str, ...]


@dataclass(frozen=True)
class Answers:
    """What the leader would have answered: a role's files (those that a follower would have kept), or why there are none."""

    files: Rendered
    #: Role and path are on each.
    refused: Mapping[str, RenderError]


def leader_files(leader: Leader) -> Rendered:
    """Role → the files that a follower would have kept, in the bytes that the leader would have sent.

    Raises:
        RenderError: one of them cannot be rendered; role and path are on it.
    """
    answers = leader_answers(leader)
    for error in answers.refused.values():
        raise error
    return answers.files


def leader_answers(leader: Leader) -> Answers:
    """Each role by itself, as the followers asked for them.

    Every listed file counts: a ``.json`` that does not parse made the leader's whole answer for the role fail.

    Raises:
        RenderError: the values cannot be used at all.
    """
    substitution = Substitution(_leader_values(leader), "leader")
    room = _Room()
    rendered: dict[str, tuple[RenderedFile, ...]] = {}
    refused: dict[str, RenderError] = {}
    for role, files in leader.bundle.roles.items():
        try:
            rendered[role] = _answer(role, files, substitution, room)
        except RenderError as error:
            refused[role] = error
    return Answers(rendered, refused)


class _Room:
    """What all files together may still be (bytes)."""

    def __init__(self) -> None:
        self._left = TOTAL_LIMIT

    def take(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise TooLargeError


def _answer(
    role: str, files: Mapping[str, bytes], substitution: Substitution, room: _Room
) -> tuple[RenderedFile, ...]:
    kept: list[RenderedFile] = []
    for path in offered_paths(files):
        try:
            text = substitution.apply(files[path].decode("utf-8", "replace"))
            content = text.text.encode()
            room.take(len(content))
            if path.endswith(".json"):
                check_parses(path, text.text)
        except RenderError as error:
            raise error.at(role, path) from None
        if is_written_by_follower(path):
            kept.append(RenderedFile(path, content, text.secret))
    return tuple(sorted(kept, key=lambda file: file.path))


def compare(leaders: Rendered, platforms: Rendered) -> Comparison:
    """The leader's files beside the platform's."""
    found: dict[str, list[str]] = {"equal": [], "same": [], "different": []}
    for role in sorted(leaders.keys() & platforms.keys()):
        ours, theirs = _by_path(platforms[role]), _by_path(leaders[role])
        for path in sorted({*ours, *theirs}):
            found[_compared(path, theirs.get(path), ours.get(path))].append(f"{role}/{path}")
    return Comparison(tuple(found["equal"]), tuple(found["same"]), tuple(found["different"]))


def ungenerated(leader: Leader) -> tuple[str, ...]:
    """Variables that the leader would have generated: nobody knows what it would have sent."""
    return tuple(name for name, value in leader.order.items() if value == secret_variables.GENERATE)


def _leader_values(leader: Leader) -> dict[str, Value]:
    names = Catalogue(leader.bundle.variables)
    given = {**leader.internals, **leader.values}
    secret = {
        name
        for name in leader.order
        if name in leader.internals
        or names.is_secret(Place(name))
        or any(names.secrets_in(Place(name), given.get(name)))
    }
    return {name: Value(value, name in secret) for name, value in leader.order.items()}


def _by_path(files: tuple[RenderedFile, ...]) -> dict[str, bytes]:
    return {file.path: file.content for file in files}


def _compared(path: str, leaders: bytes | None, platforms: bytes | None) -> str:
    if leaders is None or platforms is None:
        return "different"
    if leaders == platforms:
        return "equal"
    read = next((read for suffix, read in _READERS.items() if path.endswith(suffix)), None)
    if read is None:
        return "different"
    try:
        return "same" if read(leaders.decode()) == read(platforms.decode()) else "different"
    except (ValueError, JsYamlError, RecursionError):
        return "different"


def _hjson(text: str) -> Any:
    return json.loads(json.dumps(hjson.loads(text)))


_READERS: Final[Mapping[str, Callable[[str], Any]]] = {
    ".json": json.loads,
    ".yml": load_yaml,
    ".yaml": load_yaml,
    ".hjson": _hjson,
}
