"""Which steps from line to line a run takes, by ``sys.settrace``: every Python has it, and nothing is to be installed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeAlias

_Tracer: TypeAlias = Callable[[FrameType, str, Any], Any]

#: How often a step was taken counts in powers of two, up to this one.
_COUNT_BITS = 7


class Coverage:
    """Traces the files whose path holds one of ``watched``."""

    def __init__(self, watched: tuple[str, ...]) -> None:
        self._watched = watched
        #: File → high bits of its steps; 0 for one that is not watched.
        self._bases: dict[str, int] = {}

    def features(self, run: Callable[[], object]) -> set[int]:
        """The steps of a run and how often each was taken: numbers that keep their meaning as long as this object lives."""
        counts: dict[int, int] = {}
        before = sys.gettrace()
        sys.settrace(self._tracer(counts))
        try:
            run()
        finally:
            sys.settrace(before)
        return {step << 3 | min(count.bit_length(), _COUNT_BITS) for step, count in counts.items()}

    def _tracer(self, counts: dict[int, int]) -> _Tracer:
        def enter(frame: FrameType, event: str, argument: Any) -> _Tracer | None:
            base = self._base(frame.f_code.co_filename)
            if not base:
                return None
            previous = 0

            def line(frame: FrameType, event: str, argument: Any) -> _Tracer:
                nonlocal previous
                if event == "line":
                    number = frame.f_lineno
                    step = base | previous << 14 | number
                    counts[step] = counts.get(step, 0) + 1
                    previous = number
                return line

            return line

        return enter

    def _base(self, file: str) -> int:
        base = self._bases.get(file)
        if base is None:
            base = (
                (len(self._bases) + 1) << 28 if any(part in file for part in self._watched) else 0
            )
            self._bases[file] = base
        return base


def steps(features: set[int]) -> set[int]:
    """The features without how often."""
    return {feature >> 3 for feature in features}
