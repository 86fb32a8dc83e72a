"""Masks that a template can print, and do nothing else with.

Where a secret may only be copied, its mask refuses all that would tell something about the secret:
conditions, comparisons, loops, lengths, slices. A text that a mask went into refuses the same.
"""

from __future__ import annotations

from collections.abc import ItemsView, KeysView, Mapping, ValuesView
from typing import Any, Final, NoReturn

from pryv_operator.leader.taint import is_masked
from pryv_operator.rendering.jinja_errors import RefusedError

_REFUSED: Final = (
    "a secret decides about this file: secrets may only be printed here (also with ~, tojson, "
    "yaml, nginx, indent and join); remove the condition or the calculation"
)
#: Filters and tests that only print, or do not look at a value.
ALLOWED: Final = frozenset(
    ("d", "default", "indent", "join", "nginx", "string", "tojson", "yaml", "defined", "undefined")
)


def _refuse(*_: object, **__: object) -> NoReturn:
    raise RefusedError(_REFUSED)


class Opaque(str):
    """A text with a mask in it."""

    __slots__ = ()

    __bool__ = __iter__ = __hash__ = _refuse
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse

    def __str__(self) -> str:
        """Itself, so that what is printed does not become a text like any other."""
        return self


def wrapped(text: str) -> str:
    """The text, opaque if a mask is in it."""
    return Opaque(text) if is_masked(text) else text


def opaque_value(value: Any) -> Any:
    """A value whose texts with masks are opaque."""
    if isinstance(value, str):
        return wrapped(value)
    if isinstance(value, Mapping):
        return {key: opaque_value(child) for key, child in value.items()}
    if isinstance(value, list):
        return [opaque_value(child) for child in value]
    return value


def refuse_masks(value: Any) -> None:
    """Raise if a mask is anywhere in a value.

    Raises:
        RefusedError: one is.
    """
    pending = [value]
    while pending:
        each = pending.pop()
        if isinstance(each, str) and is_masked(each):
            _refuse()
        if isinstance(each, Mapping):
            pending += (*each.keys(), *each.values())
        elif isinstance(each, (list, tuple, KeysView, ValuesView, ItemsView)):
            pending += each
