"""``kubectl-pryv import``: a docker-compose installation as files for ``kubectl apply``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


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
    ] = "pryv",
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
    if release and own_templates:
        raise typer.BadParameter("pass only one of --release and --own-templates")
    from pryv_operator.cli import import_installation as work
    from pryv_operator.importer.import_leader import Options

    options = Options(name, namespace, release, skip_unknown, own_templates)
    work.import_installation(source, output, options, force=force)
