"""How much work a Jinja template may do.

Work is counted, not timed, because rendering is a pure function. Every block that runs is a step;
every text that is built is charged by its length; and so is everything that filters, tests, calls,
comparisons and slices read.
"""

from __future__ import annotations

from collections.abc import ItemsView, KeysView, ValuesView
from typing import Any, Final

from pryv_operator.rendering.jinja_errors import RefusedError

#: Blocks (loop bodies, branches, macros) that one file may run.
STEP_LIMIT: Final = 100_000
#: Expressions in these blocks, and elements that they read; four characters count as one element.
WORK_LIMIT: Final = 300_000
#: Characters of all texts that one file may build, intermediate ones included.
TEXT_LIMIT: Final = 32 * 1024 * 1024

#: A call of one argument, without it: the call, its argument, and the two kinds of arguments.
_ONE_ARGUMENT: Final = 1 + 1 + 2

_COLLECTIONS: Final = (list, tuple, dict, KeysView, ValuesView, ItemsView)
_SCALARS: Final = frozenset({int, float, bool, type(None)})


class Budget:
    """What is left of the limits while one file is rendered; exceeding one raises RefusedError."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Begin the next file, which may use as much as the one before."""
        self._steps = STEP_LIMIT
        self._work = WORK_LIMIT
        self._text = TEXT_LIMIT

    def enter_block(self, expressions: int) -> None:
        """Count a block that runs, with the number of expressions in it."""
        self._steps -= 1
        if self._steps < 0:
            raise RefusedError("the template does too much work: its loops are too long")
        self._work -= expressions
        if self._work < 0:
            raise _too_much_read()

    def read(self, elements: int) -> None:
        """Count elements that are read."""
        self._work -= elements
        if self._work < 0:
            raise _too_much_read()

    def weighed(self, value: Any) -> Any:
        """The value, once everything in it has been counted as read."""
        pending = [value]
        left = self._work
        while pending:
            each = pending.pop()
            kind = type(each)
            if kind is str:
                left -= len(each) // 4
            elif kind is tuple or kind is list:
                left -= len(each)
                pending += each
            elif kind is dict:
                left -= len(each)
                pending += each
                pending += each.values()
            elif kind not in _SCALARS:
                left -= _weight(each, pending)
            if left < 0:
                raise _too_much_read()
        self._work = left
        return value

    def weigh_call(self, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        """Count a call and everything in its arguments as read."""
        if len(arguments) == 1 and not named and type(arguments[0]) is str:  # as of most filters
            self.read(_ONE_ARGUMENT + len(arguments[0]) // 4)
            return
        self.read(1)
        self.weighed((arguments, named))

    def build(self, size: int) -> None:
        """Count the characters of a text, or the elements of a list, that is built."""
        self._text -= size
        if self._text < 0:
            raise _too_much_built()

    def built(self, text: str) -> str:
        """The text, once it has been counted."""
        self._text -= len(text)
        if self._text < 0:
            raise _too_much_built()
        return text

    def numbers(self, *bounds: int) -> range:
        """``range``, but limited."""
        result = range(*bounds)
        if len(result) > STEP_LIMIT:
            raise RefusedError("the template does too much work: a range is too long; shorten it")
        return result


def _weight(value: Any, pending: list[Any]) -> int:
    """What a value of any type counts by itself; what is in it comes to ``pending``.

    Asking whether something is a view is slow, so the common types do not come here.
    """
    if isinstance(value, str):
        return len(value) // 4
    if isinstance(value, range):
        return len(value)
    if not isinstance(value, _COLLECTIONS):
        return 0
    pending.extend(value)
    if isinstance(value, dict):
        pending.extend(value.values())
    return len(value)


def _too_much_read() -> RefusedError:
    return RefusedError(
        "the template does too much work: it reads long values too often; shorten them"
    )


def _too_much_built() -> RefusedError:
    return RefusedError(
        "the template does too much work: it builds texts that are too long; shorten them"
    )
