"""``kubectl-pryv events``."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from pryv_operator.cli.shared_options import ConnectionOptions, OutputOptions, PlatformName


class EventType(StrEnum):
    """Types of events."""

    NORMAL = "Normal"
    WARNING = "Warning"


def events(
    platform: PlatformName,
    *,
    types: Annotated[
        EventType | None, typer.Option(help="Show events of this type only. Default: all.")
    ] = None,
    connection: ConnectionOptions,
    output: OutputOptions,
) -> None:
    """Show the events of a platform, and of what belongs to it.

    Events of its workloads, pods, PersistentVolumeClaims and Services. Equal ones are one line, the
    newest is the last. Kubernetes retains events for an hour unless configured otherwise.
    """
    from pryv_operator.cli import events as work
    from pryv_operator.cli.cluster import run
    from pryv_operator.cli.output import write

    chosen = types.value if types else None
    found = run(connection, lambda cluster: work.read_events(cluster, platform, chosen))
    if not found.items:
        typer.echo(f'no events of PryvPlatform "{platform}" found', err=True)
    write(found, output.output)
