"""``kubectl-pryv status``."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from pryv_operator.cli.shared_options import (
    ConnectionOptions,
    Format,
    OptionalPlatformName,
    OutputOptions,
)


def status(
    platform: OptionalPlatformName = None,
    *,
    all_namespaces: Annotated[
        bool, typer.Option("--all-namespaces", "-A", help="Show the platforms of all namespaces.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Show it again whenever it changes.")
    ] = False,
    connection: ConnectionOptions,
    output: OutputOptions,
) -> None:
    """Show what a platform consists of, and what it waits for.

    A tree of roles, instances and components: images, pods that are ready, and why others are not.
    Also conditions, warnings, addresses, certificates and the newest revision.
    """
    if platform and all_namespaces:
        raise typer.BadParameter("--all-namespaces cannot be used with the name of a platform")
    from pryv_operator.cli import status as work
    from pryv_operator.cli.cluster import Cluster, run
    from pryv_operator.cli.output import View, write

    async def read(cluster: Cluster) -> View:
        if platform:
            return await work.read_status(cluster, platform)
        return await work.read_all(cluster, all_namespaces=all_namespaces)

    def show(view: View) -> None:
        if watch and sys.stdout.isatty() and output.output in (Format.TABLE, Format.WIDE):
            typer.echo("\033[H\033[2J", nl=False)
        write(view, output.output)

    if watch:
        run(connection, lambda cluster: work.watch(lambda: read(cluster), show))
    else:
        show(run(connection, read))
