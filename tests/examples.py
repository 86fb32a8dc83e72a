"""How many examples a hypothesis test tries, and which."""

from __future__ import annotations

import os
import random

from hypothesis import settings

FULL = 100
"""With `--long`, where a test does not say otherwise."""
FEW = 20
_FEWEST = 10


def examples(full: int) -> int:
    """For `settings(max_examples=…)`: `full` with `--long`, otherwise its share of the profile's, and never less than ten."""
    return min(full, max(_FEWEST, full * settings.default.max_examples // FULL))


def seed_of_run(chosen: int | None) -> int:
    """Of random runs against the API server: the chosen one, in CI always the same, otherwise another each time."""
    if chosen is not None:
        return chosen
    return 1 if os.environ.get("CI") else random.SystemRandom().randrange(2**32)
