"""The built-in releases: each is a folder of ``releases/``, a bundle as files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Any, Final, TypeVar, get_args

from pryv_operator.api.spec import Release
from pryv_operator.leader.js_yaml import JsYamlError, load_yaml
from pryv_operator.leader.json_value import is_number
from pryv_operator.templates.bundle import UNSET, VARIABLE_TYPES, Bundle, Variable

_K = TypeVar("_K")
_V = TypeVar("_V")

RELEASES: Final[tuple[str, ...]] = get_args(Release)
_FOLDERS: Final = files("pryv_operator.templates") / "releases"
_SHARED: Final = "_shared"
_VARIABLES_FILE: Final = "variables.yaml"


class UnknownReleaseError(Exception):
    """A release that is not built in."""

    def __init__(self, version: str) -> None:
        super().__init__(f'release "{version}" is not built in; use one of ' + ", ".join(RELEASES))
        self.version = version


class BrokenReleaseError(Exception):
    """A release's ``variables.yaml`` is malformed: an operator bug, which tests find."""


def load_release(version: str | None = None) -> Bundle:
    """The bundle of a built-in release; default: the newest one.

    Raises:
        UnknownReleaseError: it is not one of ``RELEASES``.
        BrokenReleaseError: its variables.yaml is malformed.
    """
    return _load_release(version or RELEASES[0])


@cache
def _load_release(version: str) -> Bundle:
    if version not in RELEASES:
        raise UnknownReleaseError(version)
    folder = _FOLDERS / version
    folders = {entry.name: _frozen(_read(entry)) for entry in folder.iterdir() if entry.is_dir()}
    shared = {f"{_SHARED}/{path}": content for path, content in folders.pop(_SHARED, {}).items()}
    text = (folder / _VARIABLES_FILE).read_text(encoding="utf-8")
    return Bundle(
        name=f"pryv.io-{version}",
        version=version,
        roles=_frozen(dict(sorted(folders.items()))),
        shared=_frozen(shared),
        variables=_frozen(read_variables(text)),
    )


def read_variables(text: str) -> dict[str, Variable]:
    """The variables of a ``variables.yaml``, by name; anything unexpected is an error.

    Raises:
        BrokenReleaseError: names the variable and what is wrong with it.
    """
    try:
        document = load_yaml(text)
    except JsYamlError as error:
        raise BrokenReleaseError(f"{_VARIABLES_FILE}: {error}") from error
    if (
        not isinstance(document, dict)
        or set(document) != {"variables"}
        or not isinstance(document["variables"], dict)
    ):
        raise BrokenReleaseError(f'{_VARIABLES_FILE}: not one map named "variables"')
    return {name: _variable(name, entry) for name, entry in document["variables"].items()}


def _variable(name: str, entry: Any) -> Variable:
    if not isinstance(entry, dict):
        raise BrokenReleaseError(f"{name}: not a map")
    unknown = sorted(set(entry) - set(_CHECKS) - {"default"})
    if unknown:
        raise BrokenReleaseError(f"{name}: unknown keys: {', '.join(unknown)}")
    for key, (is_valid, expected) in _CHECKS.items():
        if key in entry and not is_valid(entry[key]):
            raise BrokenReleaseError(f"{name}.{key}: must be {expected}")
    if "type" not in entry:
        raise BrokenReleaseError(f"{name}: has no type")
    return Variable(
        name=name,
        type=entry["type"],
        description=entry.get("description", ""),
        default=entry.get("default", UNSET),
        required=entry.get("required", False),
        computed=entry.get("computed", False),
        secret=entry.get("secret", False),
        secret_paths=tuple(entry.get("secretPaths", ())),
        aliases=tuple(entry.get("aliases", ())),
        alias_paths=_frozen(entry.get("aliasPaths", {})),
        minimum=entry.get("minimum"),
        maximum=entry.get("maximum"),
        enum=tuple(entry.get("enum", ())),
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_list_of_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_map_of_texts(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _is_type(value: Any) -> bool:
    return isinstance(value, str) and value in VARIABLE_TYPES


_CHECKS: Final = {
    "type": (_is_type, f"one of {', '.join(VARIABLE_TYPES)}"),
    "description": (_is_text, "a text"),
    "required": (_is_flag, "true or false"),
    "computed": (_is_flag, "true or false"),
    "secret": (_is_flag, "true or false"),
    "secretPaths": (_is_list_of_texts, "a list of texts"),
    "aliases": (_is_list_of_texts, "a list of texts"),
    "aliasPaths": (_is_map_of_texts, "a map of texts"),
    "minimum": (is_number, "a number"),
    "maximum": (is_number, "a number"),
    "enum": (_is_list, "a list"),
}


def _read(folder: Traversable, prefix: str = "") -> dict[str, bytes]:
    return dict(sorted(_walk(folder, prefix)))


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _walk(entry, f"{prefix}{entry.name}/")
        else:
            yield prefix + entry.name, entry.read_bytes()


def _frozen(mapping: Mapping[_K, _V]) -> Mapping[_K, _V]:
    return MappingProxyType(dict(mapping))
