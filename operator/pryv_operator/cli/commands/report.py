"""``kubectl-pryv report``: a support bundle without any secret."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pryv_operator.cli.shared_options import ConnectionOptions, PlatformName


def report(
    platform: PlatformName,
    *,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE.tgz",
            help="File to write; it is replaced if it exists. Default: "
            "pryv-report-PLATFORM-TIME.tgz in the current folder.",
        ),
    ] = None,
    logs: Annotated[
        bool,
        typer.Option("--logs", help="Add logs of the components. They may hold personal data."),
    ] = False,
    connection: ConnectionOptions,
) -> None:
    """Write a report for support, without any secret.

    A tar.gz with the resource, status, checks, events, objects, revisions, versions, nodes and the
    operator's logs. Data of Secrets and ConfigMaps are never in it; values are masked unless they
    are known to be harmless.
    What you may not read is listed in its README.txt. Nothing in the cluster is changed.
    """
    from pryv_operator.cli import report as work
    from pryv_operator.cli.cluster import run
    from pryv_operator.cli.exit_codes import exit_on_error
    from pryv_operator.cli.output import show
    from pryv_operator.cli.terminal import report as tell

    if logs:
        tell("warning: logs of components may hold personal data; review them before you share")
    found = run(connection, lambda cluster: work.read_report(cluster, platform, logs=logs))
    for each in found.missing:
        tell(f"warning: not in the report: {each}")
    with exit_on_error():
        path = work.write(found, output)
    show(f"{path}\n")
