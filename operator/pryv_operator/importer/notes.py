"""What an import tells the user: notes about variables and files, or a refusal. Never a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

NoteKind: TypeAlias = Literal[
    "missing", "check", "mapped", "renamed", "set", "secret", "not imported"
]


class ImportRefusedError(Exception):
    """An installation that cannot be imported as it is.

    The message says what to change and holds no value.
    """


@dataclass(frozen=True)
class Note:
    """One line of the report: what became of ``subject``, or what the user has to do.

    ``subject`` is a variable, a dotted path into one, a file of a role (``role/path``) or a field.
    """

    kind: NoteKind
    subject: str
    text: str = ""
