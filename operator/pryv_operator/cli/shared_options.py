"""Options that commands share: those of kubectl, and the format of the result."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pryv_operator.cli.platform_completion import complete_platforms


@dataclass(frozen=True)
class ConnectionOptions:
    """Options of a command that are kubectl's own; None: kubectl's default."""

    namespace: Annotated[
        str | None,
        typer.Option(
            "--namespace", "-n", help="Namespace of the platform. Default: that of the context."
        ),
    ] = None
    kubeconfig: Annotated[
        Path | None,
        typer.Option(help="Kubeconfig file. Default: as kubectl, KUBECONFIG or ~/.kube/config."),
    ] = None
    context: Annotated[
        str | None, typer.Option(help="Context of the kubeconfig. Default: the current one.")
    ] = None
    cluster: Annotated[
        str | None, typer.Option(help="Cluster of the kubeconfig. Default: that of the context.")
    ] = None
    user: Annotated[
        str | None, typer.Option(help="User of the kubeconfig. Default: that of the context.")
    ] = None
    server: Annotated[str | None, typer.Option("--server", "-s", help="URL of the API server.")] = (
        None
    )
    token: Annotated[
        str | None, typer.Option(help="Bearer token, in place of the user's credentials.")
    ] = None
    client_certificate: Annotated[
        Path | None, typer.Option(help="Certificate of the user: a PEM file.")
    ] = None
    client_key: Annotated[
        Path | None, typer.Option(help="Key of that certificate: a PEM file.")
    ] = None
    certificate_authority: Annotated[
        Path | None, typer.Option(help="Authorities of the API server's certificate: a PEM file.")
    ] = None
    insecure_skip_tls_verify: Annotated[
        bool,
        typer.Option(
            "--insecure-skip-tls-verify", help="Do not verify the API server's certificate."
        ),
    ] = False
    tls_server_name: Annotated[
        str | None, typer.Option(help="Name to expect in the API server's certificate.")
    ] = None
    impersonate: Annotated[
        str | None, typer.Option("--as", metavar="USER", help="User to impersonate.")
    ] = None
    impersonate_groups: Annotated[
        list[str] | None,
        typer.Option("--as-group", metavar="GROUP", help="Group to impersonate. May be repeated."),
    ] = None
    impersonate_uid: Annotated[
        str | None, typer.Option("--as-uid", metavar="UID", help="UID to impersonate.")
    ] = None
    request_timeout: Annotated[
        str,
        typer.Option(
            help="How long a request may take, such as 1s, 2m or 3h. 0: no limit of its own. "
            "Default: 30s."
        ),
    ] = ""


class Format(StrEnum):
    """Formats of results."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


@dataclass(frozen=True)
class OutputOptions:
    """How a result is written."""

    output: Annotated[
        Format,
        typer.Option("--output", "-o", help="Format of the result."),
    ] = Format.TABLE


PlatformName = Annotated[
    str,
    typer.Argument(
        metavar="PLATFORM", help="Name of the platform.", autocompletion=complete_platforms
    ),
]
OptionalPlatformName = Annotated[
    str | None,
    typer.Argument(
        metavar="[PLATFORM]",
        help="Name of the platform. Default: all platforms of the namespace.",
        autocompletion=complete_platforms,
    ),
]
