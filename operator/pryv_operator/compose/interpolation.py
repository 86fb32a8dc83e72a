"""Variables of the machine in values of compose files: ``$NAME``, ``${NAME:-default}``, ``$$``.

Pods have no variables of the machine, so what is not given here counts as unset. Source:
https://github.com/compose-spec/compose-spec/blob/main/12-interpolation.md
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pryv_operator.compose.error import ComposeError

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BRACED: Final = re.compile(
    r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?:(?P<operator>:?[-+?])(?P<rest>.*))?"
)
#: Defaults within defaults, at most.
_DEPTH_LIMIT: Final = 20


@dataclass(frozen=True)
class Interpolated:
    """A value with its variables replaced. ``unset`` are those that are empty as they are unset."""

    value: Any = field(repr=False)
    unset: tuple[str, ...] = ()


def interpolate(where: str, value: Any, known: Mapping[str, str]) -> Interpolated:
    """A text, or every text in lists and maps, with its variables replaced; keys are left alone.

    Args:
        where: path of the value, for messages.
        value: the value, as read from YAML.
        known: the variables that are set.

    Raises:
        ComposeError: an expression is not valid, or requires a variable that is not set.
    """
    if isinstance(value, str):
        return _text(where, value, known, depth=0) if "$" in value else Interpolated(value)
    if isinstance(value, list):
        entries = [interpolate(where, entry, known) for entry in value]
        return Interpolated([entry.value for entry in entries], _all_unset(entries))
    if isinstance(value, dict):
        fields = {key: interpolate(where, entry, known) for key, entry in value.items()}
        return Interpolated(
            {key: entry.value for key, entry in fields.items()}, _all_unset(fields.values())
        )
    return Interpolated(value)


def _text(where: str, text: str, known: Mapping[str, str], *, depth: int) -> Interpolated:
    if depth > _DEPTH_LIMIT:
        raise ComposeError(f"{where}: defaults of variables nested deeper than {_DEPTH_LIMIT}")
    found: list[Interpolated] = []
    position = 0
    while (dollar := text.find("$", position)) >= 0:
        found.append(Interpolated(text[position:dollar]))
        start = dollar + 1
        if text.startswith("$", start):
            found.append(Interpolated("$"))
            position = start + 1
        elif text.startswith("{", start):
            position = _closing_brace(where, text, start) + 1
            found.append(_braced(where, text[start + 1 : position - 1], known, depth=depth))
        elif name := _NAME.match(text, start):
            found.append(_variable(name[0], known))
            position = name.end()
        else:
            found.append(Interpolated("$"))
            position = start
    found.append(Interpolated(text[position:]))
    replaced = "".join(each.value for each in found)
    return Interpolated(replaced, _all_unset(found))


def _braced(where: str, text: str, known: Mapping[str, str], *, depth: int) -> Interpolated:
    """The value of what stands between ``${`` and ``}``."""
    match = _BRACED.fullmatch(text)
    if not match:
        raise ComposeError(f"{where}: not a valid ${{NAME}} expression; write a literal $ as $$")
    name, operator = match["name"], match["operator"]
    if operator is None:
        return _variable(name, known)
    is_set = bool(known.get(name)) if operator.startswith(":") else name in known
    if operator.endswith("+"):
        rest = match["rest"] if is_set else ""
        return _text(where, rest, known, depth=depth + 1)
    if is_set:
        return Interpolated(known[name])
    if operator.endswith("?"):
        raise ComposeError(
            f"{where}: ${name} is required, and is a variable of the machine, which pods do not "
            "have; write the value itself"
        )
    return _text(where, match["rest"], known, depth=depth + 1)


def _variable(name: str, known: Mapping[str, str]) -> Interpolated:
    return Interpolated(known[name]) if name in known else Interpolated("", (name,))


def _closing_brace(where: str, text: str, start: int) -> int:
    """Where the brace at ``start`` is closed; braces between them are in pairs."""
    depth = 0
    for match in re.compile("[{}]").finditer(text, start):
        depth += 1 if match[0] == "{" else -1
        if depth == 0:
            return match.start()
    raise ComposeError(f"{where}: a ${{ is not closed; close it, or write a literal $ as $$")


def _all_unset(found: Iterable[Interpolated]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for each in found for name in each.unset))
