"""Templates in memory: the files of every role, and the variables they use."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from types import MappingProxyType
from typing import Any, Final, Literal, TypeVar

from pryv_operator.leader.json_value import Json

T = TypeVar("T")


class Unset(Enum):
    """The type of ``UNSET``."""

    UNSET = "UNSET"

    def __repr__(self) -> str:
        return self.name


#: The default of a variable that has none; null is a default like any other.
UNSET: Final[Literal[Unset.UNSET]] = Unset.UNSET

#: Suffix of Jinja2 templates, which their output does not have.
JINJA_SUFFIX: Final = ".j2"

VariableType = Literal["string", "number", "integer", "boolean", "object", "array", "any"]
VARIABLE_TYPES: Final[tuple[VariableType, ...]] = (
    "string",
    "number",
    "integer",
    "boolean",
    "object",
    "array",
    "any",
)


@dataclass(frozen=True)
class Variable:
    """One variable of a release.

    ``computed`` values come from the cluster unless they are configured. ``secret`` is about the
    whole value, ``secret_paths`` are dotted paths into it (``*`` for any key). ``aliases`` are
    other names of the same value; ``alias_paths``: other names → dotted paths into the value.
    """

    name: str
    type: VariableType
    description: str = ""
    default: Json | Literal[Unset.UNSET] = UNSET
    required: bool = False
    computed: bool = False
    secret: bool = False
    secret_paths: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    alias_paths: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    minimum: float | None = None
    maximum: float | None = None
    enum: tuple[Json, ...] = ()


@dataclass(frozen=True)
class ReplacedFile:
    """A file of the user's in the place of one of the templates.

    ``path``: as the user names it. ``original`` None: the templates have no such file.
    """

    role: str
    path: str
    original: bytes | None = field(repr=False)
    replacement: bytes = field(repr=False)


@dataclass(frozen=True)
class Bundle:
    """A template source in memory.

    ``roles``: role → path inside the role → content. ``shared``: path (``_shared/…``) → content,
    for templates to include. ``jinja``: files named ``.j2`` are Jinja2 templates and lose that
    suffix; else they are files like any other, as for the leader. ``secret``: the bundle comes from
    a Secret, so every file of it is secret. ``replaced``: files in ``roles`` that are the user's.
    """

    name: str
    version: str
    roles: Mapping[str, Mapping[str, bytes]] = field(repr=False)
    shared: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    variables: Mapping[str, Variable] = field(default_factory=lambda: MappingProxyType({}))
    jinja: bool = True
    secret: bool = False
    replaced: tuple[ReplacedFile, ...] = ()
    #: See ``derive``.
    _derived: dict[Hashable, Any] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __getstate__(self) -> dict[str, Any]:
        """Without what is derived: equal bundles are pickled to equal bytes."""
        return {**vars(self), "_derived": {}}

    def derive(self, key: Hashable, compute: Callable[[], T]) -> T:
        """What follows from the bundle alone, computed when it is first asked for.

        A built-in release is one bundle for all platforms, so no value of a platform may go into
        it. ``key`` says what it is.
        """
        if key not in self._derived:
            self._derived[key] = compute()
        found: T = self._derived[key]
        return found

    def output(self, path: str) -> str:
        """The path that a file of a role has once it is rendered."""
        return path.removesuffix(JINJA_SUFFIX) if self.jinja else path

    def with_files(self, own: Mapping[str, Mapping[str, bytes]]) -> Bundle:
        """The bundle with files of the user's in the place of its own: role → path → content."""
        roles = {role: dict(files) for role, files in self.roles.items()}
        replaced = []
        for role, files in own.items():
            kept = roles.setdefault(role, {})
            for path, content in files.items():
                same = [each for each in kept if self.output(each) == self.output(path)]
                original = next((kept.pop(each) for each in same), None)
                replaced.append(ReplacedFile(role, path, original, content))
            kept.update(files)
        return replace(self, roles=roles, replaced=tuple(replaced))
