"""``kubectl-pryv explain``: a variable, what it affects, and where it is set."""

from __future__ import annotations

from typing import Annotated

import typer

from pryv_operator.cli.platform_completion import complete_platforms
from pryv_operator.cli.shared_options import ConnectionOptions, OutputOptions


def explain(
    variable: Annotated[
        str | None,
        typer.Argument(
            metavar="[VARIABLE]",
            help="A variable by any of its names, or a dotted path into one. Default: list all.",
        ),
    ] = None,
    *,
    platform: Annotated[
        str | None,
        typer.Option(
            "--platform",
            "-p",
            help="Explain it for this live platform: its templates, its value, its components. "
            "Default: an example of the newest release; no cluster is needed.",
            autocompletion=complete_platforms,
        ),
    ] = None,
    release: Annotated[
        str | None,
        typer.Option(help="Explain it for this built-in release. Default: the newest."),
    ] = None,
    connection: ConnectionOptions,
    output: OutputOptions,
) -> None:
    """Explain a variable.

    Its type, default and meaning, its name of 2019, and where it is set. Also which files of which
    roles use it, and which components restart when it changes.
    """
    if platform and release:
        raise typer.BadParameter("pass only one of --platform and --release")
    from pryv_operator.cli import explain as work
    from pryv_operator.cli.cluster import run
    from pryv_operator.cli.exit_codes import exit_on_error
    from pryv_operator.cli.output import write

    if platform:
        write(
            run(connection, lambda cluster: work.of_platform(cluster, platform, variable)),
            output.output,
        )
        return
    with exit_on_error():
        write(work.of_release(release, variable), output.output)
