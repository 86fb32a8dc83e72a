"""Polling for a condition."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Found = TypeVar("Found")


class WaitTimeoutError(TimeoutError):
    """The condition did not become true in time."""


def wait_until(
    check: Callable[[], Found | None], what: str, *, seconds: float, every: float = 0.1
) -> Found:
    """Call `check` every `every` seconds until its result is true; return the result.

    `check` is called at least once; its errors are not caught.

    Raises:
        WaitTimeoutError: the result is still false after `seconds`; the message names `what`.
    """
    deadline = time.monotonic() + seconds
    while True:
        found = check()
        if found:
            return found
        if time.monotonic() >= deadline:
            raise WaitTimeoutError(f"waited {seconds:g} s for {what}")
        time.sleep(every)
