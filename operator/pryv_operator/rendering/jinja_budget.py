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

_COLLECTIONS: Final = (list, tuple, dict, KeysView, ValuesView, ItemsView)
#: Looked up by exact type first: asking whether something is a view is slow.
_EXACT_COLLECTIONS: Final = frozenset({list, tuple, dict})
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
        self.read(expressions)

    def read(self, elements: int) -> None:
        """Count elements that are read."""
        self._work -= elements
        if self._work < 0:
            raise RefusedError(
                "the template does too much work: it reads long values too often; shorten them"
            )

    def weighed(self, value: Any) -> Any:
        """The value, once everything in it has been counted as read."""
        pending = [value]
        while pending:
            each = pending.pop()
            kind = type(each)
            if kind is str or isinstance(each, str):
                self.read(len(each) // 4)
            elif kind in _SCALARS:
                continue
            elif isinstance(each, range):
                self.read(len(each))
            elif kind in _EXACT_COLLECTIONS or isinstance(each, _COLLECTIONS):
                self.read(len(each))
                pending.extend(each)
                if isinstance(each, dict):
                    pending.extend(each.values())
        return value

    def build(self, size: int) -> None:
        """Count the characters of a text, or the elements of a list, that is built."""
        self._text -= size
        if self._text < 0:
            raise RefusedError(
                "the template does too much work: it builds texts that are too long; shorten them"
            )

    def built(self, text: str) -> str:
        """The text, once it has been counted."""
        self.build(len(text))
        return text

    def numbers(self, *bounds: int) -> range:
        """``range``, but limited."""
        result = range(*bounds)
        if len(result) > STEP_LIMIT:
            raise RefusedError("the template does too much work: a range is too long; shorten it")
        return result
