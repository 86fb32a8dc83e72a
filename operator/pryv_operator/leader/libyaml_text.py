"""YAML texts rewritten so that libyaml, a parser of YAML 1.1, reads them as js-yaml 4 does.

libyaml refuses escapes of lone surrogates, most control characters (in comments, too), and tabs
that js-yaml ignores; and it takes some characters for line breaks that are not line breaks in YAML
1.2. Such characters are replaced by private-use characters before parsing. ``LibyamlText.original``
replaces them back in the parser's values, where it is known whether a value was quoted.
Source: js-yaml 4 (``lib/loader.js``), and libyaml's ``reader.c`` and ``scanner.c``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final

import yaml

#: A text is parsed again after a tab was replaced, up to this many characters in all.
REPARSE_LIMIT: Final = 1024 * 1024

_TAB: Final = "\t"
#: Refused by libyaml, or line breaks to it. js-yaml allows them in comments, some in scalars, too.
_CHARACTERS: Final = re.compile(
    r"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]"
)
_ANYWHERE: Final = frozenset("\x85\u2028\u2029\ufeff")
#: The escape of a lone surrogate, if it is in double quotes; after an even number of backslashes.
_SURROGATE: Final = re.compile(r"(?<!\\)((?:\\\\)*)(\\(?:u|U0000)[dD][89a-fA-F][0-9a-fA-F]{2})")
_ESCAPE: Final = re.compile(r"\\u([0-9a-fA-F]{4})|\\U0000([0-9a-fA-F]{4})")
_PRIVATE_USE: Final = range(0xE000, 0xF900)

#: White space that holds a tab, before a comment or the end of the line.
_BLANK: Final = re.compile(r"(?:(?<=[\r\n])|\A) *\t[ \t]*(?=[#\r\n]|\Z)")
_REST_IS_BLANK: Final = re.compile(r"[ \t]*(?:[#\r\n]|\Z)")
_MAY_BEGIN_BLOCK: Final = re.compile(r"[|>]")
_LINE_END: Final = re.compile(r"[\r\n]|\Z")
_BLOCK_HEADER_COMMENT: Final = re.compile(r"(?:[&!]\S*\s+)*[|>][-+0-9]*#")
_TAB_BEFORE_TOKEN: Final = (
    "found character that cannot start any token",
    "found a tab character that violates indentation",
)
_TAB_IN_BLOCK: Final = "found a tab character where an indentation space is expected"


class CharacterNotAllowedError(Exception):
    """A character that js-yaml does not allow there, either."""


@dataclass(frozen=True)
class LibyamlText:
    """A text for libyaml, and what its replacements stand for."""

    text: str = field(repr=False)
    #: Replacement → original character, as ``str.translate`` takes it.
    characters: Mapping[int, int]
    #: Escape of a replacement → original escape.
    escapes: Mapping[str, str]
    #: Replacement of a tab at the start of a block scalar's line.
    tab: str
    _room: int = REPARSE_LIMIT

    def original(self, value: str, style: str | None) -> str:
        """The value of a scalar with the original characters.

        Raises:
            CharacterNotAllowedError: one of them is not allowed in a scalar of this style.
        """
        if not self.characters or value.isascii():
            return self._with_original_escapes(value, style)
        originals = (
            chr(self.characters[ord(each)]) for each in set(value) if ord(each) in self.characters
        )
        if not all(_is_allowed(character, style) for character in originals):
            raise CharacterNotAllowedError
        plain = value.translate(self.characters)
        if style == '"' and self.escapes:  # two surrogates that meet are one character
            plain = plain.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
        return self._with_original_escapes(plain, style)

    def _with_original_escapes(self, value: str, style: str | None) -> str:
        """The value, if not in double quotes, with its backslashes as plain characters."""
        if style == '"' or not self.escapes or "\\" not in value:
            return value
        return _ESCAPE.sub(lambda found: self.escapes.get(found[0], found[0]), value)

    def has_comment_at_block_header(self, scalar: yaml.ScalarEvent) -> bool:
        """Whether a comment touches a block scalar's header (``|#``), which js-yaml refuses."""
        mark = scalar.start_mark
        return (
            scalar.style in ("|", ">")
            and mark is not None
            and bool(_BLOCK_HEADER_COMMENT.match(self.text, mark.index))
        )

    def without_tab_at(self, error: yaml.MarkedYAMLError) -> LibyamlText | None:
        """The text without the tab that the parser stopped at.

        None if js-yaml refuses that tab as well, or if too much was parsed again already.
        """
        mark, room = error.problem_mark, self._room - len(self.text)
        if mark is None or room < 0 or self.text[mark.index : mark.index + 1] != _TAB:
            return None
        if error.problem in _TAB_BEFORE_TOKEN:
            text = self._without_ignored_tabs(mark.index - mark.column)
        elif error.problem == _TAB_IN_BLOCK and error.context_mark is not None:
            text = self._without_block_tab(error.context_mark.index, mark.index, mark.column)
        else:
            return None
        return None if text == self.text else replace(self, text=text, _room=room)

    def _without_ignored_tabs(self, start: int) -> str:
        """The text without tabs in blank lines and before comments.

        From ``start``, the begin of a line outside of scalars, to the next line that may begin a
        block scalar, in which tabs are content.
        """
        line_end = _LINE_END.search(self.text, start)
        found = _MAY_BEGIN_BLOCK.search(self.text, line_end.start() if line_end else start)
        end = (
            max(self.text.rfind(each, start, found.start()) + 1 for each in "\r\n")
            if found
            else len(self.text)
        )
        region = _BLANK.sub(lambda blank: blank[0].replace(_TAB, " "), self.text[start:end])
        return self.text[:start] + region + self.text[end:]

    def _without_block_tab(self, head: int, at: int, column: int) -> str:
        """The text without a tab in the indentation of a block scalar.

        Before the scalar's first line an indented tab is content; later, a blank line whose tab is
        indented less than the content ends the scalar.
        """
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


def to_libyaml(text: str) -> LibyamlText:
    """A text as libyaml takes it; lines and columns stay as they are.

    Raises:
        CharacterNotAllowedError: the text uses so many private-use characters that none is left.
    """
    if text and text[-1] not in "\r\n":
        text += "\n"  # js-yaml does so: a block scalar at the end has its line break
    characters = sorted(set(_CHARACTERS.findall(text)))
    surrogates = dict.fromkeys(found[1] for found in _SURROGATE.findall(text))
    has_tab = _TAB in text
    if not characters and not surrogates and not has_tab:
        return LibyamlText(text, {}, {}, "")
    in_use = {int(short or long, 16) for short, long in _ESCAPE.findall(text)} | set(
        map(ord, set(text))
    )
    free = (code for code in _PRIVATE_USE if code not in in_use)
    codes = list(islice(free, len(characters) + len(surrogates) + 1))
    if len(codes) <= len(characters) + len(surrogates):
        raise CharacterNotAllowedError
    tab = codes.pop()
    by_character = dict(zip(characters, codes, strict=False))
    by_escape = dict(zip(surrogates, codes[len(characters) :], strict=True))
    escapes = {escape: f"{escape[:-4]}{code:04x}" for escape, code in by_escape.items()}
    if escapes:
        text = _SURROGATE.sub(lambda found: found[1] + escapes[found[2]], text)
    if characters:
        text = text.translate({ord(character): code for character, code in by_character.items()})
    return LibyamlText(
        text,
        {code: ord(character) for character, code in by_character.items()}
        | {code: int(escape[-4:], 16) for escape, code in by_escape.items()}
        | {tab: ord(_TAB)},
        {new: escape for escape, new in escapes.items()},
        chr(tab),
    )
