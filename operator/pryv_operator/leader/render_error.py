"""The error that every kind of rendering raises: which file, line and variable, and why."""

from __future__ import annotations

from typing import Self


class RenderError(Exception):
    """A file that cannot be rendered.

    ``message`` says what is wrong and what to do; it names variables and places, never values.
    ``role`` and ``path`` (inside the role) are empty, ``variable`` and ``line`` (from 1) are None
    until known.
    """

    #: The message of an error that only the secrets in a file cause.
    hidden_message = (
        "cannot be rendered with its secrets, and could with others; correct the Secrets, or the "
        "file (no details are shown, as they could tell about a secret)"
    )

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

    def concealed(self) -> Self:
        """This error, without anything that a secret could have changed: only its kind stays."""
        self.message = self.hidden_message
        self.variable, self.line, self.path = None, None, ""
        return self

    def __str__(self) -> str:
        """``role/path, line n: message``."""
        place = "/".join(part for part in (self.role, self.path) if part)
        line = f"line {self.line}" if self.line else ""
        prefix = ", ".join(part for part in (place, line) if part)
        return f"{prefix}: {self.message}" if prefix else self.message
