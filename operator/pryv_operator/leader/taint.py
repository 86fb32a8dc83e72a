"""What the rendering works on: values that know whether they are secret, and the errors they can lead to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self, TypeAlias

from pryv_operator.leader.json_value import Json
from pryv_operator.leader.platform_yml import UNDEFINED, LeaderValue, Undefined

__all__ = ["UNDEFINED", "Json", "LeaderValue", "Order", "RenderError", "Text", "Undefined", "Value"]

#: Who wins at one position: the longest name, or (as with the leader) the first one of the map.
Order: TypeAlias = Literal["longest", "leader"]


@dataclass(frozen=True)
class Value:
    """A variable's value; ``secret`` taints every text it goes into."""

    value: LeaderValue
    secret: bool = False

    def __repr__(self) -> str:
        """Without a secret: representations end up in logs."""
        return "Value(secret)" if self.secret else f"Value({self.value!r})"


@dataclass(frozen=True)
class Text:
    """A rendered text; ``secret`` when a secret went into it, however deep."""

    text: str
    secret: bool

    def __repr__(self) -> str:
        """Without a secret: representations end up in logs."""
        return "Text(secret)" if self.secret else f"Text({self.text!r})"


class RenderError(Exception):
    """A file that cannot be rendered.

    ``message`` says in plain words what is wrong and how to mend it; it names variables and places, never values.
    ``role`` and ``path`` (inside the role) are empty, ``variable`` and ``line`` (from 1) None, until known.
    """

    def __init__(
        self, message: str, *, variable: str | None = None, line: int | None = None, path: str = ""
    ) -> None:
        super().__init__(message)
        self.message = message
        self.variable = variable
        self.line = line
        self.role = ""
        self.path = path

    def at(self, role: str, path: str) -> Self:
        """This error, with the file it was found in; a place it already has (an included file) stays."""
        self.role = self.role or role
        self.path = self.path or path
        return self

    def __str__(self) -> str:
        """``role/path, line n: message``."""
        place = "/".join(part for part in (self.role, self.path) if part)
        line = f"line {self.line}" if self.line else ""
        prefix = ", ".join(part for part in (place, line) if part)
        return f"{prefix}: {self.message}" if prefix else self.message
