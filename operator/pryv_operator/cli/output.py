"""What ``kubectl-pryv`` says on standard error: standard output is for what was asked for."""

from __future__ import annotations

from typing import NoReturn

import typer


def say(line: str) -> None:
    """Progress and problems, for people."""
    typer.echo(line, err=True)


def fail(message: str, code: int) -> NoReturn:
    """End with an error, each line of it marked as such."""
    for line in message.splitlines():
        say(f"error: {line}")
    raise typer.Exit(code)
