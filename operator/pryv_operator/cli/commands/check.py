"""``kubectl-pryv check``: the prerequisites of a platform, and whether it works as users see it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pryv_operator.cli.platform_completion import complete_platforms
from pryv_operator.cli.shared_options import ConnectionOptions, Format, OutputOptions


def check(
    platform: Annotated[
        str | None,
        typer.Argument(
            metavar="[PLATFORM]",
            help="Name of the platform.",
            autocompletion=complete_platforms,
        ),
    ] = None,
    *,
    file: Annotated[
        list[str] | None,
        typer.Option(
            "--filename",
            "--file",
            "-f",
            help="Instead of a live platform: YAML file with it, before it is applied, or with "
            "ConfigMaps that it refers to. May be repeated; - is standard input.",
        ),
    ] = None,
    resolver: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS[:PORT]", help="DNS resolver to ask. Default: that of this machine."
        ),
    ] = None,
    connect_to: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HOST:PORT:ADDRESS:PORT",
            help="Connect to ADDRESS:PORT instead of HOST:PORT, as curl does. May be repeated.",
        ),
    ] = None,
    ca_file: Annotated[
        Path | None,
        typer.Option(help="Authorities to trust besides those of this machine: a PEM file."),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SECTION",
            help="Check only this: cluster, platform, dns, certificate, ports, mail, images or "
            "storage. May be repeated.",
        ),
    ] = None,
    send_mail_to: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Send a test e-mail to this address. Default: none."),
    ] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for each answer.")] = 5.0,
    connection: ConnectionOptions,
    output: OutputOptions,
) -> None:
    """Check a platform and what it depends on.

    Tests DNS, certificates, ports, the service information and the login at the mail server. Tests
    images, storage classes, the cluster and the operator, too. It asks from this machine, with your
    credentials.
    Each row says what was found and how to fix it. Nothing is changed. Exit code: 0 if no row
    failed, else 1.
    """
    if (platform is None) == (not file):
        raise typer.BadParameter("pass either the name of a platform or --filename")
    from pryv_operator.checks.declarations import Section

    unknown = sorted(set(only or ()) - {each.option for each in Section})
    if unknown:
        raise typer.BadParameter(f'--only: "{unknown[0]}" is not a section')
    from dataclasses import replace

    from pryv_operator.cli import check as work
    from pryv_operator.cli.cluster import run
    from pryv_operator.cli.exit_codes import FAILED, exit_on_error
    from pryv_operator.cli.output import write

    options = work.Options(resolver, connect_to or (), ca_file, only or (), send_mail_to, timeout)
    if platform:
        view = run(connection, lambda cluster: work.check_platform(cluster, platform, options))
    else:
        from pryv_operator.cli.input_files import read_yaml_texts
        from pryv_operator.offline.documents import read_documents

        with exit_on_error():
            documents = read_documents(read_yaml_texts(file or ()))
        view = run(connection, lambda cluster: work.check_documents(cluster, documents, options))
    is_text = output.output in (Format.TABLE, Format.WIDE)
    write(replace(view, color=is_text), output.output)
    if view.failed:
        raise typer.Exit(FAILED)
