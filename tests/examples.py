"""Numbers of examples of hypothesis tests, and seeds of random runs."""

from __future__ import annotations

import os
import random

from hypothesis import settings

FULL = 100
"""Examples of a hypothesis test with `--long`, unless the test sets another number."""
FEW = 20
_FEWEST = 10


def examples(full: int) -> int:
    """The value for `settings(max_examples=…)`: `full` with `--long`, else a fifth, at least 10."""
    return min(full, max(_FEWEST, full * settings.default.max_examples // FULL))


def seed_of_run(chosen: int | None) -> int:
    """The seed of a random run: `chosen` if not None, 1 in CI, otherwise a random one."""
    if chosen is not None:
        return chosen
    return 1 if os.environ.get("CI") else random.SystemRandom().randrange(2**32)
