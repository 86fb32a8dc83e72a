"""Waiting for a condition, never for a length of time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Found = TypeVar("Found")


class WaitedTooLongError(TimeoutError):
    """The condition did not come true before its deadline."""


def wait_until(
    check: Callable[[], Found | None], what: str, *, seconds: float, every: float = 0.1
) -> Found:
    """Ask `check` every `every` seconds until its answer is true-ish, and return that answer.

    `check` is asked at least once. Raises WaitedTooLongError, naming `what`, after `seconds`; errors of `check` pass through.
    """
    deadline = time.monotonic() + seconds
    while True:
        found = check()
        if found:
            return found
        if time.monotonic() >= deadline:
            raise WaitedTooLongError(f"waited {seconds:g} s for {what}")
        time.sleep(every)
