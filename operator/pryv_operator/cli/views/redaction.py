"""What of a resource may leave the cluster: fields on an allow-list, all else masked. Pure.

A rule says which fields of a value are shown. What has no rule is masked with its keys, and its
structure stays: of a map the number of entries, of a list the number of items.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from pryv_operator.api.secret_variables import (
    SECRET_VARIABLES,
    is_secret_path,
    looks_like_credential,
    names_credential,
)

MASK: Final = "(masked)"
#: Longer texts in fields, such as certificates, are masked.
_LONGEST_FIELD: Final = 512
#: A line of free text is cut here: the detection of credentials needs quadratic time.
_LONGEST_LINE: Final = 4096
#: Masked values of fewer characters are not searched in free text: they occur in it by chance.
_SHORTEST_KNOWN: Final = 8
_NAME: Final = re.compile(r"(?:[a-z0-9][a-z0-9.-]{0,252}/)?[A-Za-z0-9_][\w.-]{0,127}", re.ASCII)
#: In free text: a value after a name of a credential.
_NAMED_VALUE: Final = re.compile(
    r"""(?<![\w.-])"""  # only where a name begins: else long words take quadratic time
    r"""([\w.-]*(?:passw|passphrase|pass\b|pwd|secret|token|auth|credential|key|sid\b)[\w-]*)"""
    r"""(["']?\s*[=:]\s*["']?)(?!\(masked\))[^\s"',;&]+""",
    re.IGNORECASE,
)
#: In free text: headers, URLs with credentials, tokens of Pryv.io, JWTs.
_IN_TEXT: Final = (
    re.compile(r"((?:authorization|cookie)[\"']?\s*[:=]\s*).+", re.IGNORECASE),
    re.compile(r"\b((?:Bearer|Basic)\s+)[\w+/.~=-]{8,}", re.IGNORECASE),
    re.compile(r"(?<![a-z0-9+.-])([a-z][a-z0-9+.-]*://)[^\s/?#@]+@", re.IGNORECASE),
    re.compile(r"()\bc[a-z0-9]{24}\b"),
    re.compile(r"()\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"),
)
#: What stands for a masked value while a line is searched for others: a placeholder.
_PLACEHOLDER: Final = "{{masked}}"


class Leaf(Enum):
    """How a scalar is shown."""

    KEEP = "as it is, unless it looks like a credential"
    TEXT = "free text, in which credentials and masked values are masked"
    HIDE = "masked, under its name"


KEEP: Final = Leaf.KEEP
HIDE: Final = Leaf.HIDE
TEXT: Final = Leaf.TEXT


@dataclass(frozen=True)
class Items:
    """A list, whose items have a rule."""

    rule: Rule


@dataclass(frozen=True)
class Entries:
    """A map with names of the user's as keys, whose values have a rule; None: all masked."""

    rule: Rule | None = None


@dataclass(frozen=True)
class Variables:
    """Platform variables. Shown: harmless values of those that a release declares."""


Rule = Leaf | Items | Entries | Variables | Mapping[str, Any]

_HARMLESS_PATHS: Final = {
    ("EMAIL_SMTP_SETTINGS", "host"),
    ("EMAIL_SMTP_SETTINGS", "port"),
    ("EMAIL_SMTP_SETTINGS", "secure"),
}


class Redactor:
    """Masks resources, and remembers what it has masked, to mask it in free text too."""

    def __init__(self, variables: Iterable[str] = ()) -> None:
        """``variables``: names that the release declares; values of others are masked."""
        self._variables = frozenset(variables)
        self._masked: set[str] = set()
        self._shown: set[str] = set()

    def redact(self, value: Any, rule: Rule | None) -> Any:
        """The value with what its rule does not show masked. Texts are left for ``texts``."""
        if value is None or isinstance(value, bool):
            return value
        match rule:
            case Leaf.KEEP if not isinstance(value, Mapping | list):
                return self._scalar(value)
            case Leaf.TEXT if isinstance(value, str):
                return _Text(value)
            case Items() if isinstance(value, list):
                return [self.redact(each, rule.rule) for each in value]
            case Entries() if isinstance(value, Mapping):
                return self._entries(value, lambda _, each: self.redact(each, rule.rule))
            case Variables() if isinstance(value, Mapping):
                return self._entries(value, lambda name, each: self._variable((name,), each))
            case Mapping() if isinstance(value, Mapping):
                return self._fields(value, rule)
        return self._mask(value)

    def texts(self, value: Any) -> Any:
        """The value with its free texts masked; for the end, when all resources were redacted."""
        if isinstance(value, _Text):
            return self.text(value)
        if isinstance(value, Mapping):
            return {key: self.texts(each) for key, each in value.items()}
        return [self.texts(each) for each in value] if isinstance(value, list) else value

    def text(self, text: str) -> str:
        """Free text without what was masked elsewhere, and without what looks like a credential."""
        for known in self._known():
            text = text.replace(known, MASK)
        return "\n".join(map(_masked_line, text.split("\n")))

    def _known(self) -> Sequence[str]:
        """Longer ones first: they may hold shorter ones. What is shown anyway is not secret."""
        return sorted(self._masked - self._shown, key=lambda each: (-len(each), each))

    def _scalar(self, value: Any) -> Any:
        if isinstance(value, str) and (
            len(value) > _LONGEST_FIELD or looks_like_credential("", value)
        ):
            return self._mask(value)
        self._shown.add(str(value))
        return value

    def _fields(self, value: Mapping[Any, Any], rule: Mapping[str, Any]) -> dict[str, Any]:
        """Known fields by their rules. The names of others may be the user's."""
        shown = {key: self.redact(value[key], rule[key]) for key in rule if key in value}
        others = [value[key] for key in value if key not in rule]
        return shown | {f"unknown-{n}": self._mask(each) for n, each in enumerate(others, 1)}

    def _entries(
        self, value: Mapping[Any, Any], entry: Callable[[str, Any], Any]
    ) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for number, (key, each) in enumerate(value.items(), 1):
            name = str(key)
            is_name = bool(_NAME.fullmatch(name)) and not looks_like_credential("", name)
            found[name if is_name else f"masked-{number}"] = entry(name, each)
        return found

    def _variable(self, path: tuple[str, ...], value: Any) -> Any:
        """A variable, or what is inside it: of that only numbers, flags and harmless paths."""
        variable = path[0]
        hidden = (
            variable not in self._variables
            or variable in SECRET_VARIABLES
            or is_secret_path(variable, path[1:])
            or any(names_credential(name) for name in path)
        )
        if hidden:
            return self._mask(value)
        if isinstance(value, Mapping):
            return self._entries(value, lambda name, each: self._variable((*path, name), each))
        if isinstance(value, list):
            return [self._variable((*path, "item"), each) for each in value]
        if looks_like_credential(path[-1], value):
            return self._mask(value)
        if isinstance(value, str) and len(path) > 1 and path not in _HARMLESS_PATHS:
            return self._mask(value)
        return self._scalar(value)

    def _mask(self, value: Any) -> Any:
        """The value without any of its scalars and keys."""
        if value is None:
            return None
        if isinstance(value, Mapping):
            return {f"masked-{n}": self._mask(each) for n, each in enumerate(value.values(), 1)}
        if isinstance(value, list):
            return [self._mask(each) for each in value]
        self._remember(str(value))
        return MASK

    def _remember(self, text: str) -> None:
        for each in {text, text.strip(), *text.split("\n")}:
            if len(each) >= _SHORTEST_KNOWN:
                self._masked.add(each)


def _masked_line(line: str) -> str:
    cut = line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]}… (cut)"
    for pattern in _IN_TEXT:
        cut = pattern.sub(rf"\g<1>{MASK}", cut)
    cut = _NAMED_VALUE.sub(_masked_value, cut)
    if looks_like_credential("", cut.replace(MASK, _PLACEHOLDER)):
        return f"{MASK}: a line that may hold a credential"
    return cut


def _masked_value(found: re.Match[str]) -> str:
    """A name and ``(masked)``. Messages of the operator name fields, and hold no secret value."""
    if found[1].startswith(("spec.", "status.")):
        return found[0]
    return f"{found[1]}{found[2]}{MASK}"


class _Text(str):
    """Free text that is not masked yet."""

    __slots__ = ()
