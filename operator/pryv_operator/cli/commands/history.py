"""``kubectl-pryv history``, ``diff`` and ``rollback``: the revision history of a platform."""

from __future__ import annotations

from typing import Annotated

import typer

from pryv_operator.cli.shared_options import ConnectionOptions, OutputOptions, PlatformName


def history(
    platform: PlatformName, *, connection: ConnectionOptions, output: OutputOptions
) -> None:
    """List the revisions of a platform.

    With their state, and what each of them changed.
    """
    from pryv_operator.cli import history as work
    from pryv_operator.cli.cluster import run
    from pryv_operator.cli.output import write

    write(run(connection, lambda cluster: work.read_history(cluster, platform)), output.output)


def diff(
    platform: PlatformName,
    *,
    revision: Annotated[int, typer.Option("--revision", help="Number of the revision to compare.")],
    to: Annotated[
        int | None,
        typer.Option(
            "--to", help="Number of the revision to compare it with. Default: the newest."
        ),
    ] = None,
    connection: ConnectionOptions,
) -> None:
    """Compare two revisions.

    Shows the spec, and each component's files and pod template. Files in Secrets are named, but
    their content is not shown.
    """
    from pryv_operator.cli import history as work
    from pryv_operator.cli.cluster import run

    text = run(connection, lambda cluster: work.compare(cluster, platform, revision, to))
    typer.echo(text, nl=False)


def rollback(
    platform: PlatformName,
    *,
    to: Annotated[int, typer.Option("--to", help="Number of the revision whose spec is restored.")],
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Write nothing. Show the change, and whether the API server accepts it.",
        ),
    ] = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Do not compare Secrets and templates with those of the revision. The result may "
            "be a state that never ran.",
        ),
    ] = False,
    connection: ConnectionOptions,
) -> None:
    """Restore the spec of a revision.

    The operator rolls it out like any other change. Writes the whole spec, except spec.rollout,
    spec.stopped and spec.deletionPolicy, which keep their current values. Fails if a Secret or
    template that the revision was made from has changed or does not exist.
    """
    from pryv_operator.cli import history as work
    from pryv_operator.cli.cluster import run

    options = work.RollbackOptions(dry_run, force)
    text = run(connection, lambda cluster: work.roll_back(cluster, platform, to, options))
    typer.echo(text, nl=False)
