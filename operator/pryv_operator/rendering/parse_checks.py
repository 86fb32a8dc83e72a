"""Whether rendered files parse. Messages never quote a file, because it may hold secrets."""

from __future__ import annotations

import json
import re
from typing import Any, Final, NoReturn

import hjson
from hjson.decoder import PUNCTUATOR, make_scanner

from pryv_operator.leader.js_yaml import JsYamlError, load_yaml
from pryv_operator.leader.render_error import RenderError


class DoesNotParseError(RenderError):
    """A rendered file that does not parse; ``line`` and ``column`` are of its text, from 1."""

    hidden_message = (
        "does not parse with its secrets, and could with others; correct the Secrets (often one "
        "holds a quote or a line break, or is empty)"
    )

    def __init__(self, language: str, line: int | None, column: int | None) -> None:
        place = f" at line {line}, column {column} of the rendered file" if line and column else ""
        super().__init__(
            f"not valid {language}{place}; correct the value that is inserted there "
            "(often it holds a quote or a line break, or is empty)",
            line=line,
        )
        self.language = language
        self.column = column


def is_parsed(path: str) -> bool:
    """Whether ``check_parses`` parses a file of this name."""
    return path.endswith(_CHECKED)


def check_parses(path: str, text: str) -> None:
    """Check that a text parses as its extension says: ``.json``, ``.yml``, ``.yaml`` or ``.hjson``.

    Files of other names are not checked.

    Raises:
        DoesNotParseError: it does not.
    """
    for suffix, check in _CHECKS.items():
        if path.endswith(suffix):
            check(text)


def check_strict_json(text: str) -> None:
    """Check that a text is what ``nconf`` reads as JSON: that of most services, whatever its name.

    It ignores a byte-order mark (``lib/nconf/stores/file.js`` of nconf 0.12).

    Raises:
        DoesNotParseError: it is not.
    """
    _check_json(text.removeprefix("\ufeff"))


def _check_json(text: str) -> None:
    try:
        _JSON.decode(text)
    except json.JSONDecodeError as error:
        failure = DoesNotParseError("JSON", error.lineno, error.colno)
    except (_NoConstantError, RecursionError):
        failure = DoesNotParseError("JSON", None, None)
    else:
        return
    raise failure


def _check_yaml(text: str) -> None:
    try:
        load_yaml(text)
    except JsYamlError as error:
        failure = DoesNotParseError("YAML", error.line or None, error.column or None)
    else:
        return
    raise failure


def _check_hjson(text: str) -> None:
    try:
        _Hjson().decode(text)
    except hjson.HjsonDecodeError as error:
        failure = DoesNotParseError("Hjson", error.lineno, error.colno)
    except (ValueError, IndexError, RecursionError):  # IndexError: a comment without an end
        failure = DoesNotParseError("Hjson", None, None)
    else:
        return
    raise failure


class _Hjson(hjson.HjsonDecoder):  # type: ignore[misc]
    """Accepts what the hjson package (3.1) accepts, in linear time.

    Of each number and multi-line text, the package's own parsers read the whole line before it.
    They also fail on very long numbers, and on multi-line texts in the first line.
    """

    def __init__(self) -> None:
        super().__init__()
        self.parse_mlstring = _between_quotes
        self.parse_tfnns = _without_quotes
        self.scan_once, self.scan_object_once = make_scanner(self)


def _between_quotes(text: str, start: int) -> tuple[None, int]:
    end = text.find("'''", start + 3)
    if end < 0:
        raise hjson.HjsonDecodeError("no end", text, len(text))
    return None, end + 3


def _without_quotes(_: Any, text: str, start: int) -> tuple[None, int]:
    """Parse a word or a number that a delimiter follows, else a text up to the end of the line."""
    if text[start] in PUNCTUATOR:
        raise hjson.HjsonDecodeError("no value", text, start)
    found = _HJSON_WORD.match(text, start) or _LINE.match(text, start)
    return None, found.end() if found else start


class _NoConstantError(Exception):
    """NaN or Infinity, which Python accepts in JSON and JavaScript does not."""


def _refuse(_: str) -> NoReturn:
    raise _NoConstantError


_HJSON_WORD: Final = re.compile(
    r"(?:null|true|false|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)"
    r"[^\S\r\n]*(?=[\r\n,}\]#]|//|/\*|\Z)"
)
_LINE: Final = re.compile(r"[^\r\n]*")
#: Integers become floats: Python refuses very long integers, JavaScript does not.
_JSON: Final = json.JSONDecoder(parse_constant=_refuse, parse_int=float)
_CHECKS: Final = {
    ".json": _check_json,
    ".yml": _check_yaml,
    ".yaml": _check_yaml,
    ".hjson": _check_hjson,
}
_CHECKED: Final = tuple(_CHECKS)
