"""Whether a rendered file parses. What is said about one that does not never quotes it: secrets may stand there."""

from __future__ import annotations

import json
import re
from typing import Any, Final, NoReturn

import hjson
from hjson.decoder import PUNCTUATOR, make_scanner

from pryv_operator.leader.js_yaml import JsYamlError, load_yaml
from pryv_operator.leader.render_error import RenderError


class DoesNotParseError(RenderError):
    """A rendered file that its reader could not read; ``line`` and ``column`` count from 1 and are of the rendered text."""

    def __init__(self, language: str, line: int | None, column: int | None) -> None:
        place = f" at line {line}, column {column} of the rendered file" if line and column else ""
        super().__init__(
            f"it is no valid {language}{place}: a value that is put in breaks it (often a quote, a line break or an empty value)",
            line=line,
        )
        self.language = language
        self.column = column


def is_parsed(path: str) -> bool:
    """Whether a file of this name is checked."""
    return path.endswith(tuple(_CHECKS))


def check_parses(path: str, text: str) -> None:
    """Nothing, for a text that parses as its name says (``.json``, ``.yml``, ``.yaml``, ``.hjson``), or has another name.

    Raises:
        DoesNotParseError: it does not.
    """
    for suffix, check in _CHECKS.items():
        if path.endswith(suffix):
            check(text)


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
    except (ValueError, IndexError, RecursionError):  # an IndexError: a comment without an end
        failure = DoesNotParseError("Hjson", None, None)
    else:
        return
    raise failure


class _Hjson(hjson.HjsonDecoder):  # type: ignore[misc]
    """Takes what hjson 3.1 takes, in linear time; numbers of any size too, and texts between three quotes on the first line.

    Its own readers of these look back over the whole line for each of them, and break at such numbers and lines.
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
    """A word or a number up to what may follow it, else a text up to the end of the line."""
    if text[start] in PUNCTUATOR:
        raise hjson.HjsonDecodeError("no value", text, start)
    found = _HJSON_WORD.match(text, start) or _LINE.match(text, start)
    return None, found.end() if found else start


class _NoConstantError(Exception):
    """NaN and Infinity: Python reads them, JavaScript does not."""


def _refuse(_: str) -> NoReturn:
    raise _NoConstantError


_HJSON_WORD: Final = re.compile(
    r"(?:null|true|false|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)[^\S\r\n]*(?=[\r\n,}\]#]|//|/\*|\Z)"
)
_LINE: Final = re.compile(r"[^\r\n]*")
#: Integers as floats: Python refuses very long ones, JavaScript does not.
_JSON: Final = json.JSONDecoder(parse_constant=_refuse, parse_int=float)
_CHECKS: Final = {
    ".json": _check_json,
    ".yml": _check_yaml,
    ".yaml": _check_yaml,
    ".hjson": _check_hjson,
}
