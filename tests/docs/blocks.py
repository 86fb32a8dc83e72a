"""Reads the blocks of a Markdown page, and what the comments before them say about running them.

A `console` block has commands after `$ `, and output. A `sh` block is pasted as it is. A `yaml`
block is a manifest that the API server accepts. `text` is for everything that is not run.

A comment directly before a block is not shown to readers:

=======================  ====================================================================
`not run: REASON`        the block is not run at all
`needs: real pods`       run on kind only (`make e2e`): simulated pods have no logs, no exec
`needs: docker`          as above: an engine and kind
`fails: REASON`          the last command of the block exits with another code than 0
`file: NAME`             a YAML or JSON block is written to this file, for the next commands
`fragment: PATH`         the YAML block is what stands at this path of a `PryvPlatform`; an
                         empty path means fields of the resource
=======================  ====================================================================
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

KEYS: Final = frozenset({"not run", "needs", "fails", "file", "fragment"})
_COMMENT: Final = re.compile(r"<!--\s*([a-z ]+):\s*(.*?)\s*-->")
_HEREDOC: Final = re.compile(r"<<-?\s*(['\"]?)(\w+)\1")
_PROMPT: Final = "$ "


class BlockError(ValueError):
    """A comment or a block that cannot be read; the message names the line."""


@dataclass(frozen=True)
class Block:
    """A fenced block."""

    line: int
    """Of its first line of text, from 1."""
    language: str
    text: str
    notes: dict[str, str] = field(default_factory=dict)
    """What the comments before it say: key → value."""

    @property
    def commands(self) -> list[str]:
        """The commands of a `console` block, without prompts and output.

        A command goes on in the next line after a backslash, an open quote or a `<<WORD`.

        Raises:
            BlockError: the last command is not complete.
        """
        lines = iter(self.text.splitlines())
        return [
            "\n".join(_whole_command(line.removeprefix(_PROMPT), lines))
            for line in lines
            if line.startswith(_PROMPT)
        ]


def read_blocks(page: str) -> list[Block]:
    """The fenced blocks of a page, in order.

    Raises:
        BlockError: a comment has a key that is not known.
    """
    found = []
    notes: dict[str, str] = {}
    for token in MarkdownIt("commonmark").parse(page):
        if token.type == "html_block":
            notes |= _notes(token)
        elif token.type == "fence":
            found.append(_block(token, notes))
            notes = {}
        elif token.type.endswith("_open"):
            notes = {}
    return found


def _block(token: Token, notes: dict[str, str]) -> Block:
    language = token.info.split()[0] if token.info.split() else ""
    return Block(_first_line(token) + 1, language, token.content, notes)


def _notes(token: Token) -> dict[str, str]:
    """The notes of an HTML block; comments without a colon and other HTML are no notes."""
    found = dict(_COMMENT.findall(token.content))
    for key in found.keys() - KEYS:
        if key.split()[0] in {word for known in KEYS for word in known.split()}:
            known = ", ".join(sorted(KEYS))
            raise BlockError(f'line {_first_line(token)}: "{key}" is not one of {known}')
    return {key: value for key, value in found.items() if key in KEYS}


def _first_line(token: Token) -> int:
    assert token.map is not None
    return token.map[0] + 1


def _whole_command(first: str, following: Iterator[str]) -> Iterator[str]:
    """The lines of a command that begins with `first`; takes what belongs to it."""
    yield first
    until = _HEREDOC.search(first)
    lines = [first]
    while until or lines[-1].endswith("\\") or _has_open_quote(lines):
        line = next(following, None)
        if line is None:
            raise BlockError(f"the command is not complete: {first}")
        # A shell shows "> " where a command goes on.
        line = line.removeprefix("> ")
        yield line
        lines.append(line)
        if until and line.strip() == until[2]:
            return


def _has_open_quote(lines: Sequence[str]) -> bool:
    quote = ""
    text = iter("\n".join(lines))
    for character in text:
        if character == "\\" and quote != "'":
            next(text, None)
        elif character == quote:
            quote = ""
        elif not quote and character in "'\"":
            quote = character
        elif not quote and character == "#":
            while next(text, "\n") != "\n":
                pass
    return bool(quote)
