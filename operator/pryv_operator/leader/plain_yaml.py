"""The part of YAML that most files of Pryv are written in, read line by line.

Parsers of YAML give a Python object for each token, which takes ten times as long as what follows.
This reader knows block maps and lists, texts on one line, JSON on one line and comments. It leaves
everything else, and all that is not valid, to the others: what it reads, they read as the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final, NoReturn

#: Neither tabs nor other control characters, nor what YAML 1.1 takes for a line break.
_CHARACTERS: Final = re.compile(
    "[\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]*"
)
#: The most common lines of maps: key, text in quotes, text without.
_COMMON: Final = re.compile(
    r"([A-Za-z_][A-Za-z0-9_./-]{0,127}):"
    r"""(?: +(?:"([^"\\]*)"|([A-Za-z0-9_/.$][A-Za-z0-9_/.$-]*)))?"""
)
_KEY: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_./-]{0,127}):(?: +|\Z)")
#: Plain keys that are not texts to all readers.
_WORDS: Final = frozenset({"null", "true", "false"})
_PLAIN: Final = re.compile(r"[A-Za-z0-9_/.$~+]|-[0-9.]")
_COMMENT: Final = r"(?: +#.*)?"
_DOUBLE_QUOTED: Final = re.compile(rf'"((?:[^"\\]|\\["\\nrt])*)"{_COMMENT}')
_SINGLE_QUOTED: Final = re.compile(rf"'([^']*)'{_COMMENT}")
_ESCAPES: Final = re.compile(r'(?:[^\\]|\\["\\nrt])*')
_WORD: Final = r"[A-Za-z_][A-Za-z0-9_./-]*"
_LIST_OF_WORDS: Final = re.compile(rf"\[ *({_WORD}(?: *, *{_WORD})*) *\]{_COMMENT}")
#: Characters of a key in JSON, at most: YAML limits them.
_LONGEST_KEY: Final = 500


class NotPlainError(Exception):
    """The text uses more of YAML, or is not valid."""


def read_plain_yaml(text: str, scalar: Callable[[str], Any], max_depth: int) -> Any:
    """The document: maps, lists and scalars.

    Args:
        text: the document, a map or a list.
        scalar: the value of a text without quotes.
        max_depth: levels of maps and lists that the caller's other reader takes.

    Raises:
        NotPlainError: another reader has to read it.
    """
    if not _CHARACTERS.fullmatch(text):
        raise NotPlainError
    lines = []
    for line in text.split("\n"):
        content = line.lstrip(" ")
        if content and content[0] != "#":
            lines.append((len(line) - len(content), content.rstrip(" ")))
    if lines and lines[0] == (0, "---"):
        del lines[0]
    return _Reader(lines, scalar, max_depth).document()


class _Reader:
    """Reads lines, each as its indentation and content."""

    def __init__(
        self, lines: list[tuple[int, str]], scalar: Callable[[str], Any], max_depth: int
    ) -> None:
        self._lines = lines
        self._at = 0
        self._scalar = scalar
        self._max_depth = max_depth
        #: Whether JSON's literals are what the caller makes of the same texts.
        self._knows_literals = scalar("true") is True and scalar("null") is None
        self._json = json.JSONDecoder(
            object_pairs_hook=_object,
            parse_int=scalar,
            parse_float=scalar,
            parse_constant=_refuse,
        )

    def document(self) -> Any:
        if not self._lines:
            raise NotPlainError
        found = self._block(self._lines[0][0], 1)
        if self._at < len(self._lines):
            raise NotPlainError
        return found

    def _block(self, indent: int, depth: int) -> Any:
        """The map or list that begins at the current line."""
        if depth > self._max_depth:
            raise NotPlainError
        is_list = _is_entry(self._lines[self._at][1])
        return self._list(indent, depth) if is_list else self._map(indent, depth)

    def _list(self, indent: int, depth: int) -> list[Any]:
        entries = []
        while self._at < len(self._lines):
            line_indent, content = self._lines[self._at]
            if line_indent != indent or not _is_entry(content):
                break
            rest = content[1:].lstrip(" ")
            if _is_entry(rest) or _KEY.match(rest):
                inner = indent + len(content) - len(rest)
                self._lines[self._at] = (inner, rest)
                entries.append(self._block(inner, depth + 1))
            else:
                entries.append(self._value(rest, indent, depth))
        return entries

    def _map(self, indent: int, depth: int) -> dict[str, Any]:
        entries: dict[str, Any] = {}
        lines, end = self._lines, len(self._lines)
        while self._at < end:
            line_indent, content = lines[self._at]
            if line_indent != indent:
                break
            if found := _COMMON.fullmatch(content):
                key, quoted, plain = found.groups()
            elif found := _KEY.match(content):
                key, quoted, plain = found[1], None, None
            else:
                raise NotPlainError
            if key in entries or key.lower() in _WORDS:
                raise NotPlainError
            if quoted is None and plain is None:
                entries[key] = self._value(content[found.end() :], indent, depth, of_map=True)
                continue
            entries[key] = quoted if plain is None else self._scalar(plain)
            self._at = following = self._at + 1
            if following < end and lines[following][0] > indent:  # as ``_check_end``
                raise NotPlainError
        return entries

    def _value(self, text: str, indent: int, depth: int, *, of_map: bool = False) -> Any:
        """The value that the rest of the current line holds, or the lines below it."""
        self._at += 1
        if text and text[0] != "#":
            value = self._inline(text, depth)
        else:
            value = self._below(indent, depth, of_map=of_map)
        self._check_end(indent)
        return value

    def _check_end(self, indent: int) -> None:
        """Refuse a text that goes on in the current line, and indentation that is not valid."""
        if self._at < len(self._lines) and self._lines[self._at][0] > indent:
            raise NotPlainError

    def _below(self, indent: int, depth: int, *, of_map: bool) -> Any:
        """The map or list below the last line, None if there is none.

        The entries of a list may be indented as the key whose value it is.
        """
        if self._at == len(self._lines):
            return None
        line_indent, content = self._lines[self._at]
        if line_indent > indent or (of_map and line_indent == indent and _is_entry(content)):
            return self._block(line_indent, depth + 1)
        return None

    def _inline(self, text: str, depth: int) -> Any:
        if text[0] == '"':
            return self._double_quoted(text)
        if text[0] == "'":
            return _matched(_SINGLE_QUOTED, text)
        if text[0] in "[{":
            return self._flow(text, depth)
        plain = text.partition(" #")[0].rstrip(" ")
        if not _PLAIN.match(plain) or ": " in plain or plain[-1] == ":":
            raise NotPlainError
        return self._scalar(plain)

    @staticmethod
    def _double_quoted(text: str) -> str:
        inner = _matched(_DOUBLE_QUOTED, text)
        return str(json.loads(f'"{inner}"')) if "\\" in inner else inner

    def _flow(self, text: str, depth: int) -> Any:
        if depth + text.count("[") + text.count("{") > self._max_depth:
            raise NotPlainError
        if words := _LIST_OF_WORDS.fullmatch(text):
            return [self._scalar(word.strip(" ")) for word in words[1].split(",")]
        if "\\" in text and not _ESCAPES.fullmatch(text):
            raise NotPlainError
        if not self._knows_literals and any(word in text for word in _WORDS):
            raise NotPlainError
        try:
            return self._json.decode(text)
        except ValueError:
            pass
        raise NotPlainError


def _is_entry(content: str) -> bool:
    """Whether a line is an entry of a list."""
    return content[:2] == "- " or content == "-"


def _matched(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.fullmatch(text)
    if not found:
        raise NotPlainError
    return found[1]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs) or any(not 0 < len(key) <= _LONGEST_KEY for key in found):
        raise NotPlainError
    return found


def _refuse(_: str) -> NoReturn:
    raise NotPlainError
