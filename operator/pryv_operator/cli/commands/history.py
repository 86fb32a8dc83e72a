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
    revision: Annotated[
        int | None, typer.Option("--revision", help="Number of the revision to compare.")
    ] = None,
    to: Annotated[
        int | None,
        typer.Option(
            "--to", help="Number of the revision to compare it with. Default: the newest."
        ),
    ] = None,
    file: Annotated[
        list[str] | None,
        typer.Option(
            "--filename",
            "--file",
            "-f",
            help="Compare the live platform with this YAML file of it: what applying it would "
            "change. May be repeated; - is standard input.",
        ),
    ] = None,
    connection: ConnectionOptions,
    output: OutputOptions,
) -> None:
    """Compare two revisions, or the live platform with a file.

    With --revision: the spec, and each component's files and pod template. Files in Secrets are
    named, but their content is not shown.

    With --filename: the spec, and the rendered files with masks for secrets. Then the pods that
    would be replaced, step by step, and other objects that would change. Also the problems and
    warnings that the operator would report. Secrets are not read: a reference to another one is a
    change.
    Exit code as of kubectl diff: 0 no difference, 1 differences, 2 an error.
    """
    if (revision is None) == (not file):
        raise typer.BadParameter("pass either --revision or --filename")
    if file and to is not None:
        raise typer.BadParameter("--to requires --revision")
    from pryv_operator.cli.cluster import run

    if revision is not None:
        from pryv_operator.cli import history as work

        text = run(connection, lambda cluster: work.compare(cluster, platform, revision, to))
        typer.echo(text, nl=False)
        return
    from pryv_operator.cli import edit_diff
    from pryv_operator.cli.exit_codes import FAILED, WRONG_USAGE, exit_on_error
    from pryv_operator.cli.input_files import read_yaml_texts
    from pryv_operator.cli.output import write
    from pryv_operator.offline.documents import read_documents

    try:
        with exit_on_error():
            documents = read_documents(read_yaml_texts(file or ()))
        found = run(
            connection,
            lambda cluster: edit_diff.compare_with_files(cluster, platform, documents),
        )
    except typer.Exit:
        raise typer.Exit(WRONG_USAGE) from None
    write(found, output.output)
    if not found.is_empty:
        raise typer.Exit(FAILED)


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
