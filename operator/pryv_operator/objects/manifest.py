"""Kubernetes objects as YAML, quoted so that every YAML reader reads a string as a string."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import yaml

from pryv_operator.leader.javascript import well_formed

#: Strings that YAML 1.1 and 1.2 read as strings without quotes.
_PLAIN: Final = re.compile(
    r"[A-Za-z/](?:[A-Za-z0-9_./@%+=-]|:(?=[^\s]))*(?: [A-Za-z0-9_./@%+=-]+)*"
    r"|[0-9]{1,3}(?:\.[0-9]{1,3}){3}",
    re.ASCII,
)
_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_WORDS: Final = frozenset(
    {"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"}
)
#: Larger integers are not exact in JavaScript, nor in JSON.
_SAFE_INTEGER: Final = 2**53 - 1


class Inline(dict[str, Any]):
    """A map that is written on one line."""


class _Dumper(yaml.SafeDumper):
    """Block style, no aliases, strings in quotes where a reader could read something else."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the base class's signature
        return True

    def increase_indent(
        self,
        flow: bool = False,
        indentless: bool = False,  # noqa: ARG002 - the base class's signature
    ) -> None:
        super().increase_indent(flow, indentless=False)

    def write_double_quoted(self, text: str, split: bool = True) -> None:  # noqa: ARG002 - as above
        """On one line; characters that a reader could skip or read as line breaks are escaped."""
        self.write_indicator(f'"{"".join(map(_escaped, text))}"', need_whitespace=True)


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    return f"\\u{ord(character):04x}" if ord(character) < 0x10000 else f"\\U{ord(character):08x}"


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        style = None
    elif "\n" in text.rstrip("\n") and all(each == "\n" or each.isprintable() for each in text):
        style = "|"
    else:
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _inline(dumper: _Dumper, value: Inline) -> yaml.MappingNode:
    return dumper.represent_mapping("tag:yaml.org,2002:map", value.items(), flow_style=True)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(Inline, _inline)


def dump(documents: Iterable[Mapping[str, Any]], comment: str = "") -> str:
    """The documents as YAML, separated by ``---``, after the lines of ``comment``."""
    texts = [
        yaml.dump(
            _plain(document),
            Dumper=_Dumper,
            sort_keys=False,
            allow_unicode=True,
            width=2**31,
            default_flow_style=False,
        )
        for document in documents
    ]
    head = "".join(f"# {line}".rstrip() + "\n" for line in comment.splitlines())
    return head + "---\n".join(texts)


def _plain(value: Any) -> Any:
    """The value as JSON from JavaScript: no lone surrogates, no integers that are not exact."""
    if isinstance(value, str):
        return well_formed(value)
    if isinstance(value, Mapping):
        plain = {well_formed(str(key)): _plain(child) for key, child in value.items()}
        return Inline(plain) if isinstance(value, Inline) else plain
    if isinstance(value, (list, tuple)):
        return [_plain(child) for child in value]
    if (
        isinstance(value, float)
        and math.isfinite(value)
        and value.is_integer()
        and abs(value) <= _SAFE_INTEGER
    ):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _SAFE_INTEGER:
        return float(value)
    return value
