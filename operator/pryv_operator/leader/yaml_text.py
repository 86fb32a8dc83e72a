"""Texts that js-yaml 4 reads and libyaml, a parser of YAML 1.1, does not: made into such as both read alike.

libyaml refuses escapes of half a character, most control characters (in comments, too) and tabs where js-yaml passes over
them, and takes characters for line breaks that are none in YAML 1.2. What is put in their place, the parser's values are
rid of again: they know whether they stood in quotes.
Source: js-yaml 4 (``lib/loader.js``), and libyaml's ``reader.c`` and ``scanner.c``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

import yaml

#: Texts are parsed again after a mend, as long as what is parsed again is no more than this (characters).
MENDING_LIMIT: Final = 1024 * 1024

_TAB: Final = "\t"
#: Not for libyaml, or something else to it: js-yaml takes them in comments, the first few in every scalar.
_CHARACTERS: Final = re.compile(
    r"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]"
)
_ANYWHERE: Final = frozenset("\x85\u2028\u2029\ufeff")
#: An escape, if it stands in double quotes, of half a character; an odd number of backslashes, so it is one.
_SURROGATE: Final = re.compile(r"(?<!\\)((?:\\\\)*)(\\(?:u|U0000)[dD][89a-fA-F][0-9a-fA-F]{2})")
_ESCAPE: Final = re.compile(r"\\u([0-9a-fA-F]{4})|\\U0000([0-9a-fA-F]{4})")
_STAND_INS: Final = range(0xE000, 0xF900)

#: White space with a tab in it, which a comment or the end of the line follows.
_BLANK: Final = re.compile(r"(?:(?<=[\r\n])|\A) *\t[ \t]*(?=[#\r\n]|\Z)")
_REST_IS_BLANK: Final = re.compile(r"[ \t]*(?:[#\r\n]|\Z)")
_MAY_BEGIN_BLOCK: Final = re.compile(r"[|>]")
_LINE_END: Final = re.compile(r"[\r\n]|\Z")
_BLOCK_HEAD: Final = re.compile(r"(?:[&!]\S*\s+)*[|>][-+0-9]*#")
_TAB_BEFORE_TOKEN: Final = (
    "found character that cannot start any token",
    "found a tab character that violates indentation",
)
_TAB_IN_BLOCK: Final = "found a tab character where an indentation space is expected"


class NotAllowedError(Exception):
    """A character stands where js-yaml does not take it, either."""


@dataclass(frozen=True)
class YamlText:
    """A text for libyaml, and what stands for what in it."""

    text: str
    #: Stand-in → the character it stands for, as ``str.translate`` takes it.
    characters: Mapping[int, int]
    #: Escape of a stand-in → the escape that stood there.
    escapes: Mapping[str, str]
    #: Stands for a tab at the start of a block scalar's line.
    tab: str
    _room: int = MENDING_LIMIT

    def restored(self, value: str, style: str | None) -> str:
        """The value of a scalar without stand-ins.

        Raises:
            NotAllowedError: it holds a character that is not allowed in a scalar of its style.
        """
        if not self.characters or value.isascii():
            return self._spelt_again(value, style)
        standing = (
            chr(self.characters[ord(each)]) for each in set(value) if ord(each) in self.characters
        )
        if not all(_is_allowed(character, style) for character in standing):
            raise NotAllowedError
        plain = value.translate(self.characters)
        if style == '"' and self.escapes:  # halves that come together are one character
            plain = plain.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
        return self._spelt_again(plain, style)

    def _spelt_again(self, value: str, style: str | None) -> str:
        """The value with what is an escape in double quotes only as it was written."""
        if style == '"' or not self.escapes or "\\" not in value:
            return value
        return _ESCAPE.sub(lambda found: self.escapes.get(found[0], found[0]), value)

    def has_refused_head(self, scalar: yaml.ScalarEvent) -> bool:
        """Whether it is a block scalar with a comment right behind its head, which js-yaml does not take."""
        mark = scalar.start_mark
        return (
            scalar.style in ("|", ">")
            and mark is not None
            and bool(_BLOCK_HEAD.match(self.text, mark.index))
        )

    def mended(self, error: yaml.MarkedYAMLError) -> YamlText | None:
        """The text without the tab that the parser stopped at, if js-yaml passes over it or takes it for content."""
        mark, room = error.problem_mark, self._room - len(self.text)
        if mark is None or room < 0 or self.text[mark.index : mark.index + 1] != _TAB:
            return None
        if error.problem in _TAB_BEFORE_TOKEN:
            text = self._without_tabs(mark.index - mark.column)
        elif error.problem == _TAB_IN_BLOCK and error.context_mark is not None:
            text = self._in_block(error.context_mark.index, mark.index, mark.column)
        else:
            return None
        return None if text == self.text else replace(self, text=text, _room=room)

    def _without_tabs(self, start: int) -> str:
        """Blank lines and comments without tabs, from a line that is in no scalar to the next that may begin a block scalar."""
        line_end = _LINE_END.search(self.text, start)
        found = _MAY_BEGIN_BLOCK.search(self.text, line_end.start() if line_end else start)
        end = (
            max(self.text.rfind(each, start, found.start()) + 1 for each in "\r\n")
            if found
            else len(self.text)
        )
        region = _BLANK.sub(lambda blank: blank[0].replace(_TAB, " "), self.text[start:end])
        return self.text[:start] + region + self.text[end:]

    def _in_block(self, head: int, at: int, column: int) -> str:
        """A tab before a block scalar's first line is content, if indented; after that, less indented, it ends the scalar."""
        line_end = _LINE_END.search(self.text, head)
        is_first = not self.text[line_end.end() if line_end else at : at].strip()
        if is_first and column and self.text[head] == "|":
            new = self.tab
        elif _REST_IS_BLANK.match(self.text, at) and not (is_first and column):
            new = "#"
        else:
            return self.text
        return self.text[:at] + new + self.text[at + 1 :]


def _is_allowed(character: str, style: str | None) -> bool:
    if character == _TAB:
        return style == "|"
    return character in _ANYWHERE or (style in ("'", '"') and character >= " ")


def yaml_text(text: str) -> YamlText:
    """A text as the parser takes it; the lines and columns of what is in it stay.

    Raises:
        NotAllowedError: there is no character left to stand in.
    """
    if text and text[-1] not in "\r\n":
        text += "\n"  # js-yaml does so: a block scalar at the end has its line break
    characters = sorted(set(_CHARACTERS.findall(text)))
    spelt = dict.fromkeys(found[1] for found in _SURROGATE.findall(text))
    has_tab = _TAB in text
    if not characters and not spelt and not has_tab:
        return YamlText(text, {}, {}, "")
    taken = {int(short or long, 16) for short, long in _ESCAPE.findall(text)} | set(
        map(ord, set(text))
    )
    free = (code for code in _STAND_INS if code not in taken)
    codes = list(islice(free, len(characters) + len(spelt) + 1))
    if len(codes) <= len(characters) + len(spelt):
        raise NotAllowedError
    tab = codes.pop()
    by_character = dict(zip(characters, codes, strict=False))
    by_escape = dict(zip(spelt, codes[len(characters) :], strict=True))
    escapes = {escape: f"{escape[:-4]}{code:04x}" for escape, code in by_escape.items()}
    if escapes:
        text = _SURROGATE.sub(lambda found: found[1] + escapes[found[2]], text)
    if characters:
        text = text.translate({ord(character): code for character, code in by_character.items()})
    return YamlText(
        text,
        {code: ord(character) for character, code in by_character.items()}
        | {code: int(escape[-4:], 16) for escape, code in by_escape.items()}
        | {tab: ord(_TAB)},
        {new: escape for escape, new in escapes.items()},
        chr(tab),
    )
