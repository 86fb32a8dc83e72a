"""A template source in memory: the files of every role, and the variables they ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Final, Literal

from pryv_operator.leader.json_value import Json


class Unset(Enum):
    """The type of ``UNSET``."""

    UNSET = "UNSET"

    def __repr__(self) -> str:
        return self.name


#: "This variable has no default", which is not the same as a default of null.
UNSET: Final[Literal[Unset.UNSET]] = Unset.UNSET

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

    ``secret`` means the whole value, ``secret_paths`` are dotted paths into it (``*`` for any key).
    ``aliases`` are other names of the same value; ``alias_paths`` are other names (the keys) of what stands at a
    dotted path inside it. ``computed`` values come from the cluster when nobody says otherwise.
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
class Bundle:
    """Role → path inside the role → bytes; ``shared`` are the files (``_shared/…``) that templates may include.

    ``jinja``: files named ``.j2`` are templates and lose that suffix; else they are files like any other, as for the leader.
    ``secret``: it was kept in a Secret, so every file of it is a secret.
    """

    name: str
    version: str
    roles: Mapping[str, Mapping[str, bytes]]
    shared: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))
    variables: Mapping[str, Variable] = field(default_factory=lambda: MappingProxyType({}))
    jinja: bool = True
    secret: bool = False
