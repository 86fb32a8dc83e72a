"""``kubectl-pryv render``: configuration files and objects, without a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def render(
    *,
    leader_dir: Annotated[
        Path | None,
        typer.Option(help="Render a leader's folder (conf/ and data/) as its leader would."),
    ] = None,
    archive: Annotated[
        Path | None,
        typer.Option(help="Render a received archive (.tgz) as its leader would."),
    ] = None,
    file: Annotated[
        list[str] | None,
        typer.Option(
            "--filename",
            "--file",
            "-f",
            help="Render a PryvPlatform: YAML file with it, or with Secrets and ConfigMaps that it "
            "refers to. May be repeated; - is standard input.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            help="Folder to write OUTPUT/ROLE/PATH to. With --objects, default: standard output."
        ),
    ] = None,
    objects: Annotated[
        bool,
        typer.Option("--objects", help="With --filename: write Kubernetes objects, not files."),
    ] = False,
    show_secrets: Annotated[
        bool,
        typer.Option("--show-secrets", help="With --filename: do not mask secret values."),
    ] = False,
    cluster_dns: Annotated[
        str | None,
        typer.Option(help="With --filename: IP address of the cluster's DNS. Default: 10.96.0.10."),
    ] = None,
    owner: Annotated[
        str | None,
        typer.Option(
            metavar="UID[:GID]",
            help="With --output: owner of what is written, such as the user of the image that "
            "reads it. Requires root.",
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Write to a folder that is not empty."),
    ] = False,
) -> None:
    """Render the files of every role.

    No cluster is needed.

    With --leader-dir or --archive: the files that a follower of each role would have kept, byte
    for byte. A role with a file that cannot be rendered is skipped and reported, and the exit code
    is 1.

    With --filename: the files, or the objects, of the platform as the operator would create them.
    Addresses, generated secrets and what else only a cluster knows are placeholders.
    """
    if sum((leader_dir is not None, archive is not None, bool(file))) != 1:
        raise typer.BadParameter("pass exactly one of --leader-dir, --archive and --filename")
    if output is None and not objects:
        raise typer.BadParameter("--output is required, except with --objects")
    if (objects or show_secrets) and not file:
        raise typer.BadParameter("--objects and --show-secrets require --file")
    if owner is not None and output is None:
        raise typer.BadParameter("--owner requires --output")
    from pryv_operator.cli import render as work

    work.render(
        work.Options(
            leader_dir,
            archive,
            file or (),
            output,
            objects,
            show_secrets,
            cluster_dns,
            owner,
            force,
        )
    )
