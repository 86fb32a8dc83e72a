"""``kubectl-pryv secrets list`` and ``secrets rotate``."""

from __future__ import annotations

from typing import Annotated

import typer

from pryv_operator.cli.commands.changes import ChangeOptions, wait_seconds
from pryv_operator.cli.shared_options import ConnectionOptions, OutputOptions, PlatformName


def list_secrets(
    platform: PlatformName, *, connection: ConnectionOptions, output: OutputOptions
) -> None:
    """List the secret variables, and where their values come from.

    Which Secret holds each value, its age, and which components use it. Values are never read.
    """
    from pryv_operator.cli import secrets as work
    from pryv_operator.cli.cluster import run
    from pryv_operator.cli.output import write

    write(run(connection, lambda cluster: work.list_secrets(cluster, platform)), output.output)


def rotate(
    platform: PlatformName,
    variable: Annotated[str, typer.Argument(metavar="VARIABLE", help="Name of the variable.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    change: ChangeOptions,
    connection: ConnectionOptions,
    output: OutputOptions,
) -> None:
    """Generate a new value of a secret variable, and roll it to all its users.

    Increases spec.secrets.VARIABLE.generate.rotation. Reports before what restarts. The value of a
    Secret of yours (secretKeyRef) is changed there instead.
    """
    seconds = wait_seconds(change)
    from pryv_operator.cli import secrets as work
    from pryv_operator.cli.changes import WaitOptions
    from pryv_operator.cli.cluster import run
    from pryv_operator.cli.output import write

    waits = WaitOptions(change.wait, seconds)
    found = run(
        connection,
        lambda cluster: work.rotate(
            cluster, platform, variable, waits, confirmed=yes, dry_run=change.dry_run
        ),
    )
    write(found, output.output)
