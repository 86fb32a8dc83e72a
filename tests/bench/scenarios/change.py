"""A variable of one platform changes while others are at rest."""

from __future__ import annotations

from tests.bench.context import Context
from tests.bench.results import Measurement, Result


def measure(context: Context) -> Result:
    """At each size: from the change to the last patch, and what it used."""
    fleet = context.at_sizes
    sizes = fleet.sizes
    return Result(
        "change",
        "A variable changes",
        tuple(
            measurement
            for at in sizes
            for measurement in (
                Measurement(
                    f"until the last patch, beyond the gathering second, {at.size} platforms",
                    "s",
                    tuple(each.seconds for each in at.changes),
                    tuple(each.bare_seconds for each in at.changes),
                    "bare patches",
                ),
                Measurement(
                    f"CPU, {at.size} platforms",
                    "s",
                    tuple(each.usage.cpu_seconds for each in at.changes),
                    tuple(each.usage.cpu_seconds for each in sizes[0].changes),
                    f"{sizes[0].size} platforms",
                ),
                Measurement(
                    f"requests that read, {at.size} platforms",
                    "",
                    tuple(each.usage.reads for each in at.changes),
                    tuple(each.usage.reads for each in sizes[0].changes),
                    f"{sizes[0].size} platforms",
                ),
            )
        ),
        notes=(
            f"PLATFORM_NAME changes: {sizes[0].changes[0].workloads} workloads are patched.",
            "The baseline patches as many workloads, one after another.",
        ),
        requests={f"{at.size} platforms": at.changes[-1].usage.by_verb for at in sizes},
    )
