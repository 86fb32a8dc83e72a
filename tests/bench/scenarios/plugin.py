"""The plugin's commands that need no cluster."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from tests.bench.commands import alternate
from tests.bench.context import Context
from tests.bench.results import Measurement, Result

_SAMPLE: Final = Path(__file__).parents[3] / "manifests" / "samples" / "platform.yaml"


def measure(context: Context) -> Result:
    """Start, and render a platform of two cores."""
    code = (
        f"import sys; sys.path.insert(0, {str(context.operator_folder)!r}); "
        "from pryv_operator.cli.plugin import plugin; plugin()"
    )
    render = ("render", f"--file={_SAMPLE}", "--objects")
    nothing, usage, rendered = alternate(
        context.options.rounds,
        (sys.executable, "-c", "pass"),
        (sys.executable, "-c", code, "--help"),
        (sys.executable, "-c", code, *render),
    )
    return Result(
        "plugin",
        "The plugin",
        tuple(
            Measurement(
                f"{command}, {what}",
                unit,
                tuple(getattr(each, attribute) for each in runs),
                tuple(getattr(each, attribute) for each in nothing),
                "`python -c pass`",
            )
            for command, runs in (("`--help`", usage), ("`render --objects`", rendered))
            for what, unit, attribute in (
                ("seconds", "s", "seconds"),
                ("CPU", "s", "cpu_seconds"),
                ("peak RSS", "MiB", "peak_mebibytes"),
            )
        ),
        notes=("Rendered is the sample with two cores, as objects.",),
    )
