"""``kubectl-pryv restart``, ``stop``, ``start``, ``pause`` and ``resume``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from pryv_operator.cli.shared_options import ConnectionOptions, OutputOptions, PlatformName


@dataclass(frozen=True)
class ChangeOptions:
    """Options of a change."""

    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Write nothing. Show whether the API server accepts the change."
        ),
    ] = False
    wait: Annotated[
        bool,
        typer.Option(
            "--wait",
            help="Wait until the change is done. Exit code 1 if it fails, or takes too long.",
        ),
    ] = False
    timeout: Annotated[
        str, typer.Option(help="With --wait: how long to wait, such as 90s, 20m or 1h.")
    ] = "15m"


def restart(
    platform: PlatformName,
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TARGET]...",
            help="A role, an instance, a component, or INSTANCE/COMPONENT. Default: all.",
        ),
    ] = None,
    *,
    change: ChangeOptions,
    connection: ConnectionOptions,
    output: OutputOptions,
) -> None:
    """Restart components without a change of configuration.

    In the order of any change, and only as far as the rest is ready. "core" is the role: every
    component of every core; "co1/core" is one component. It is a revision of the platform.
    """
    _run(
        change,
        connection,
        output,
        lambda work, cluster, waits: work.restart(
            cluster, platform, targets or (), waits, dry_run=change.dry_run
        ),
    )


def stop(
    platform: PlatformName,
    *,
    change: ChangeOptions,
    connection: ConnectionOptions,
    output: OutputOptions,
) -> None:
    """Scale every component to zero, and retain all data.

    Sets spec.stopped. "start" starts the platform again.
    """
    _run(
        change,
        connection,
        output,
        lambda work, cluster, waits: work.set_stopped(
            cluster, platform, waits, stopped=True, dry_run=change.dry_run
        ),
    )


def start(
    platform: PlatformName,
    *,
    change: ChangeOptions,
    connection: ConnectionOptions,
    output: OutputOptions,
) -> None:
    """Start a platform that was stopped.

    Removes spec.stopped.
    """
    _run(
        change,
        connection,
        output,
        lambda work, cluster, waits: work.set_stopped(
            cluster, platform, waits, stopped=False, dry_run=change.dry_run
        ),
    )


def pause(
    platform: PlatformName,
    *,
    change: ChangeOptions,
    connection: ConnectionOptions,
    output: OutputOptions,
) -> None:
    """Apply no changes until "resume".

    Sets spec.rollout.paused. What runs keeps running; nothing is repaired either. The condition
    Paused lists what would be applied.
    """
    _run(
        change,
        connection,
        output,
        lambda work, cluster, waits: work.set_paused(
            cluster, platform, waits, paused=True, dry_run=change.dry_run
        ),
    )


def resume(
    platform: PlatformName,
    *,
    change: ChangeOptions,
    connection: ConnectionOptions,
    output: OutputOptions,
) -> None:
    """Apply changes again.

    Removes spec.rollout.paused.
    """
    _run(
        change,
        connection,
        output,
        lambda work, cluster, waits: work.set_paused(
            cluster, platform, waits, paused=False, dry_run=change.dry_run
        ),
    )


def _run(
    change: ChangeOptions, connection: ConnectionOptions, output: OutputOptions, command: Any
) -> None:
    seconds = wait_seconds(change)
    from pryv_operator.cli import changes as work
    from pryv_operator.cli.cluster import run
    from pryv_operator.cli.output import write

    waits = work.WaitOptions(change.wait, seconds)
    write(run(connection, lambda cluster: command(work, cluster, waits)), output.output)


def wait_seconds(change: ChangeOptions) -> float:
    """How long to wait.

    Raises:
        BadParameter: the option is not a duration.
    """
    from pryv_operator.cli.durations import seconds_of

    seconds = seconds_of(change.timeout)
    if seconds is None:
        raise typer.BadParameter(
            f'--timeout: "{change.timeout}" is not a duration; use a form such as 90s, 20m or 1h'
        )
    return seconds
