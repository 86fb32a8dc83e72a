"""What an import has done, for the person who reads it: names and places, never a value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Kind: TypeAlias = Literal["missing", "check", "mapped", "renamed", "set", "secret", "left out"]


class ImportRefusedError(Exception):
    """An installation that cannot be taken over as it stands. The message says what to change, and holds no value."""


@dataclass(frozen=True)
class Note:
    """One thing that was done, or is to be done."""

    kind: Kind
    subject: str
    text: str


_TITLES: Final[Sequence[tuple[Kind, str, str]]] = (
    ("missing", "Missing", "Not filled in when the installation was imported."),
    ("check", "To check", "Taken over, but look at these."),
    ("mapped", "Mapped", "Said in another place now."),
    ("renamed", "Renamed", "Names of 2019 and what they are called since."),
    ("set", "Variables", "Different from the defaults, so they stand under `variables`."),
    ("secret", "Secrets", "Their values are in secrets.yaml, and nowhere else."),
    ("left out", "Left out", "Not taken over, and why."),
)


def written(
    title: str,
    summary: Sequence[str],
    notes: Iterable[Note],
    sections: Sequence[tuple[str, Sequence[str]]],
) -> str:
    """The report as Markdown: ``summary`` lines, the notes by kind, then more sections of lines."""
    given = list(dict.fromkeys(notes))
    lines = [f"# {title}", "", *summary, ""]
    for kind, heading, meaning in _TITLES:
        mine = [note for note in given if note.kind == kind]
        if mine:
            lines += [f"## {heading}", "", meaning, ""]
            lines += [
                f"- {_one_line(note.subject)}" + (f": {_one_line(note.text)}" if note.text else "")
                for note in mine
            ]
            lines.append("")
    for heading, content in sections:
        lines += [f"## {heading}", "", *content, ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _one_line(text: str) -> str:
    """Names come from the installation, and could hold anything."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
