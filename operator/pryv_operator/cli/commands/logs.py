"""``kubectl-pryv logs``."""

from __future__ import annotations

from typing import Annotated

import typer

from pryv_operator.cli.shared_options import ConnectionOptions, PlatformName


def logs(
    platform: PlatformName,
    components: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TARGET]...",
            help="A role, an instance, a component, or INSTANCE/COMPONENT. Default: all.",
        ),
    ] = None,
    *,
    follow: Annotated[
        bool,
        typer.Option(
            "--follow", "-f", help="Go on with what is logged from now on, also by new pods."
        ),
    ] = False,
    files: Annotated[
        bool,
        typer.Option(
            "--files", help="Print the files that images write under /app/log, not the output."
        ),
    ] = False,
    audit: Annotated[
        bool, typer.Option("--audit", help="Print the audit trail: a record for each API call.")
    ] = False,
    all_containers: Annotated[
        bool, typer.Option("--all-containers", help="Print the logs of all containers of the pods.")
    ] = False,
    since: Annotated[
        str | None, typer.Option(help="Only what is newer than this, such as 5m or 2h.")
    ] = None,
    tail: Annotated[
        int | None,
        typer.Option(
            min=-1,
            help="So many lines of each container. Default: 10 if the logs of several components "
            "are asked for, else all. -1: all.",
        ),
    ] = None,
    previous: Annotated[
        bool, typer.Option("--previous", "-p", help="Print the log of the container that ended.")
    ] = False,
    timestamps: Annotated[
        bool, typer.Option("--timestamps", help="Begin each line with its time.")
    ] = False,
    prefix: Annotated[
        bool | None,
        typer.Option(
            help="Begin each line with the component. Default: if several containers are printed."
        ),
    ] = None,
    connection: ConnectionOptions,
) -> None:
    """Print the logs of all components, or of some.

    The output of the components' own containers. With --files, --audit or --all-containers, that
    of their sidecars.
    """
    if files + audit + all_containers > 1:
        raise typer.BadParameter("pass only one of --files, --audit and --all-containers")
    if follow and previous:
        raise typer.BadParameter("pass only one of --follow and --previous")
    from pryv_operator.cli import logs as work
    from pryv_operator.cli.cluster import run
    from pryv_operator.cli.durations import seconds_of
    from pryv_operator.cli.views.log_sources import Kind

    seconds = None if since is None else seconds_of(since)
    if since is not None and seconds is None:
        raise typer.BadParameter(
            f'--since: "{since}" is not a duration; use a form such as 30s, 5m or 2h'
        )
    lines = tail
    if tail is None and len(components or ()) != 1 and since is None:
        lines = 10
    kinds = ((Kind.FILES, files), (Kind.AUDIT, audit), (Kind.ALL, all_containers))
    options = work.LogOptions(
        kind=next((each for each, asked in kinds if asked), Kind.OUTPUT),
        follow=follow,
        previous=previous,
        timestamps=timestamps,
        prefix=prefix,
        since=seconds,
        tail=None if lines == -1 else lines,
    )
    run(connection, lambda cluster: work.print_logs(cluster, platform, components or (), options))
