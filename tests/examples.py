"""How many examples a hypothesis test tries."""

from __future__ import annotations

from hypothesis import settings

FULL = 100
"""With `--long`, where a test does not say otherwise."""
FEW = 25
_FEWEST = 10


def examples(full: int) -> int:
    """For `settings(max_examples=…)`: `full` with `--long`, otherwise its share of the profile's, and never less than ten."""
    return min(full, max(_FEWEST, full * settings.default.max_examples // FULL))
