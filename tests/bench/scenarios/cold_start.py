"""The operator starts while platforms exist that need nothing."""

from __future__ import annotations

import sys
from typing import Final

from tests.bench.commands import Run, alternate
from tests.bench.context import Context
from tests.bench.results import Measurement, Result

_NOTHING: Final = (sys.executable, "-c", "pass")
#: The libraries that the operator cannot do without.
_EMPTY: Final = (sys.executable, "-c", "import asyncio, aiohttp, msgspec, pydantic, jinja2, yaml")


def measure(context: Context) -> Result:
    """At each size; the start of Python and of the libraries is the baseline."""
    code = context.operator_folder
    operator_import = (
        sys.executable,
        "-c",
        f"import sys; sys.path.insert(0, {str(code)!r}); import pryv_operator.cli.main",
    )
    nothing, empty, imported = alternate(context.options.rounds, _NOTHING, _EMPTY, operator_import)
    fleet = context.at_sizes
    sizes = fleet.sizes
    libraries = tuple(each.peak_mebibytes for each in empty)
    with context.operator(name="without-platforms") as operator:
        operator.wait_at_rest()
        idle, idle_seconds = operator.memory(), operator.start_seconds
    return Result(
        "cold-start",
        "Start",
        (
            Measurement(
                "import, CPU", "s", _cpu(imported), _cpu(nothing), "`python -c pass`"
            ),
            Measurement("import, CPU", "s", _cpu(imported), _cpu(empty), "libraries"),
            Measurement(
                "RSS without platforms", "MiB", (idle.resident,), libraries, "libraries"
            ),
            Measurement(
                "until ready, without platforms", "s", (idle_seconds,),
                tuple(each.seconds for each in nothing), "`python -c pass`",
            ),
            *(
                measurement
                for at in sizes
                for measurement in (
                    Measurement(
                        f"until ready, {at.size} platforms", "s", (at.start.ready_seconds,),
                        (idle_seconds,), "without platforms",
                    ),
                    Measurement(
                        f"until all of {at.size} platforms are looked at",
                        "s",
                        (at.start.rest_seconds,),
                        (idle_seconds,),
                        "without platforms",
                    ),
                    Measurement(
                        f"CPU of the start, {at.size} platforms",
                        "s",
                        (at.start.usage.cpu_seconds,),
                        (fleet.install.usage.cpu_seconds,),
                        "one installation",
                    ),
                    Measurement(
                        f"peak RSS of the start, {at.size} platforms",
                        "MiB",
                        (at.start.memory.peak,),
                        libraries,
                        "libraries",
                    ),
                )
            ),
        ),
        notes=(
            "The platforms are Ready, and nothing has changed while the operator was down.",
            "The process before has kept which platforms are at rest.",
            "Libraries: a process that imports aiohttp, msgspec, pydantic, jinja2 and yaml.",
        ),
        requests={f"{at.size} platforms": at.start.usage.by_verb for at in sizes},
    )  # fmt: skip


def _cpu(runs: list[Run]) -> tuple[float, ...]:
    return tuple(each.cpu_seconds for each in runs)
