"""Values made of maps and lists: read, replaced and searched by a path of keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from pryv_operator.leader.json_value import Json
from pryv_operator.templates.bundle import UNSET

#: Keys from the outside to the inside; empty: the whole value.
Path: TypeAlias = tuple[str, ...]


def value_at(value: Any, path: Path, missing: Any = UNSET) -> Any:
    """The value at a path, or ``missing`` when a key on the way does not exist."""
    for key in path:
        if not isinstance(value, Mapping) or key not in value:
            return missing
        value = value[key]
    return value


def with_value_at(value: Any, path: Path, new: Json) -> Any:
    """A copy of the value with ``new`` at a path; what is not a map on the way becomes one."""
    if not path:
        return new
    copy = dict(value) if isinstance(value, Mapping) else {}
    copy[path[0]] = with_value_at(copy.get(path[0]), path[1:], new)
    return copy


def without_paths(value: Json, paths: Iterable[Path]) -> Json:
    """The value without what is at some paths, and without maps that become empty thereby."""
    for path in paths:
        value = _without_path(value, path)
    return value


def _without_path(value: Json, path: Path) -> Json:
    if not isinstance(value, Mapping) or path[0] not in value:
        return value
    others = {key: child for key, child in value.items() if key != path[0]}
    if len(path) == 1:
        return others
    child = _without_path(value[path[0]], path[1:])
    return others if child == {} else {**value, path[0]: child}


def blanked_at(value: Json, paths: Iterable[Path]) -> Json:
    """The value with an empty text at those of the paths that exist; keys keep their order."""
    for path in paths:
        if value_at(value, path) is not UNSET:
            value = with_value_at(value, path, "")
    return value


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Path and value of everything in nested maps that is not a map itself."""
    pending = [(path, value)]
    while pending:
        path, value = pending.pop()
        if isinstance(value, Mapping):
            pending += [((*path, key), child) for key, child in reversed([*value.items()])]
        else:
            yield path, value


def map_leaves(value: Any, change: Callable[[Any], Any]) -> Any:
    """A copy of the value with everything changed that is neither a map nor a list."""
    if isinstance(value, Mapping):
        return {key: map_leaves(child, change) for key, child in value.items()}
    if isinstance(value, list):
        return [map_leaves(child, change) for child in value]
    return change(value)


def texts_in(value: Any) -> Iterator[str]:
    """Every text in a value, keys of maps included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, child in value.items():
            yield key
            yield from texts_in(child)
    elif isinstance(value, list):
        for child in value:
            yield from texts_in(child)
