"""Platforms that need nothing: what the resyncs of an hour cost."""

from __future__ import annotations

from typing import Final

from tests.bench.context import Context
from tests.bench.results import Measurement, Result

#: Resyncs of an hour, at the default interval of 300 s.
_PER_HOUR: Final = 12


def measure(context: Context) -> Result:
    """Intervals are shorter than the default; what one costs does not depend on its length."""
    fleet = context.at_sizes
    sizes = fleet.sizes
    return Result(
        "at-rest",
        "An hour at rest",
        tuple(
            measurement
            for at in sizes
            for measurement in (
                Measurement(
                    f"CPU of an hour, {at.size} platforms",
                    "s",
                    (_PER_HOUR * at.resync.cpu_seconds,),
                    (_PER_HOUR * fleet.install.usage.cpu_seconds,),
                    "12 installations",
                ),
                Measurement(
                    f"requests of a resync for each of {at.size} platforms",
                    "",
                    ((at.resync.reads + at.resync.writes) / at.size,),
                    (fleet.install.usage.reads,),
                    "reads of an installation",
                ),
                Measurement(f"requests that write, {at.size} platforms", "", (at.resync.writes,)),
            )
        ),
        notes=(
            "The interval is shorter than the default of 300 s, and one is measured.",
            "An hour is 12 intervals.",
        ),
        requests={f"a resync of {at.size} platforms": at.resync.by_verb for at in sizes},
    )
