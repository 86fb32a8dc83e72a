"""The error that every kind of rendering raises: which file, line and variable, and why."""

from __future__ import annotations

from typing import Self


class RenderError(Exception):
    """A file that cannot be rendered.

    ``message`` says what is wrong and what to do; it names variables and places, never values.
    ``role`` and ``path`` (inside the role) are empty, ``variable`` and ``line`` (from 1) are None
    until known.
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
        """This error, with the file it was found in.

        A place that it already has (that of an included file) stays.
        """
        self.role = self.role or role
        self.path = self.path or path
        return self

    def __str__(self) -> str:
        """``role/path, line n: message``."""
        place = "/".join(part for part in (self.role, self.path) if part)
        line = f"line {self.line}" if self.line else ""
        prefix = ", ".join(part for part in (place, line) if part)
        return f"{prefix}: {self.message}" if prefix else self.message
