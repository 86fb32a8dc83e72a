"""``kubectl-pryv import``: a docker-compose installation as files for ``kubectl apply``."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path
from typing import Annotated

import typer

from pryv_operator.cli.exit_codes import FAILED, exit_on_error
from pryv_operator.cli.input_files import read_leader_from
from pryv_operator.cli.output_folder import OutputFolder
from pryv_operator.cli.terminal import fail, report
from pryv_operator.importer.import_leader import (
    DEFAULT_NAME,
    Options,
    import_leader,
    is_platform_name,
)


def import_installation(
    source: Annotated[
        Path,
        typer.Argument(
            help="Leader's folder, of any release from 2019 on, or a received archive (.tgz)."
        ),
    ],
    *,
    output: Annotated[
        Path,
        typer.Option(
            help="Folder to write platform.yaml, secrets.yaml, templates.yaml and report.md to."
        ),
    ],
    name: Annotated[
        str,
        typer.Option(help="Name of the platform. It cannot be changed later."),
    ] = DEFAULT_NAME,
    namespace: Annotated[
        str | None,
        typer.Option(help="Namespace of the platform. Default: that of the kubectl context."),
    ] = None,
    release: Annotated[
        str | None,
        typer.Option(help="Use this built-in release and drop the received templates."),
    ] = None,
    own_templates: Annotated[
        bool,
        typer.Option(
            "--own-templates",
            help="Use the received templates even if they are those of a built-in release.",
        ),
    ] = False,
    skip_unknown: Annotated[
        bool,
        typer.Option(
            "--skip-unknown",
            help="Drop variables that nothing uses and no release knows, instead of failing.",
        ),
    ] = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="Write to a folder that is not empty."),
    ] = False,
) -> None:
    """Import a docker-compose installation as a PryvPlatform.

    Writes the resource, its Secrets, its templates unless they are a built-in release, and a
    report that tells where each value went. No cluster is needed. What was written is tried: if
    the operator would refuse it, that is reported, and the exit code is 1.
    """
    if not is_platform_name(name):
        raise typer.BadParameter(
            f"--name: \"{name}\" is not a valid name; use a-z, 0-9 and '-', beginning with a letter"
        )
    if release and own_templates:
        raise typer.BadParameter("pass only one of --release and --own-templates")
    started = time.monotonic()
    with exit_on_error():
        leader = read_leader_from(source, is_archive=not source.is_dir(), complete=True)
        options = Options(name, namespace, release, skip_unknown, own_templates)
        imported = import_leader(leader, options, dt.datetime.now(dt.UTC))
        OutputFolder(output, force=force).write(
            {each.name: (each.text.encode(), each.secret) for each in imported.files}
        )
    for line in imported.check:
        report(f"to check: {line}")
    for line in imported.warnings:
        report(f"warning: {line}")
    if imported.missing:
        report(f"missing: {', '.join(imported.missing)}")
    written = ", ".join(each.name for each in imported.files)
    took = time.monotonic() - started
    report(f"wrote {written} to {output} in {took:.2f} s; read report.md first")
    report(
        "the new platform's stores are empty, and its users stay on the old machines until you cut "
        'over: see "Cut over" in docs/migrate.md'
    )
    if imported.refused:
        fail("\n".join(f"would be refused: {line}" for line in imported.refused), FAILED)
