"""An event loop whose clock is simulated."""

from __future__ import annotations

import asyncio


class SimulatedClock(asyncio.SelectorEventLoop):
    """A loop whose time jumps to the next timer that is due instead of passing."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        select = self._selector.select  # type: ignore[attr-defined]

        def jump(timeout: float | None) -> object:
            if timeout is None:
                raise AssertionError("nothing is due: the test would wait for ever")
            self._now += timeout
            return select(0)

        self._selector.select = jump  # type: ignore[attr-defined]

    def time(self) -> float:
        return self._now
