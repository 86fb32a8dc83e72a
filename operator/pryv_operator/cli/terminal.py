"""Messages of ``kubectl-pryv`` on standard error; standard output is for results only."""

from __future__ import annotations

from typing import NoReturn

import typer


def report(line: str) -> None:
    """Write a line about progress or a problem."""
    typer.echo(line, err=True)


def fail(message: str, exit_code: int) -> NoReturn:
    """Exit with an error message, every line of it marked as such."""
    for line in message.splitlines():
        report(f"error: {line}")
    raise typer.Exit(exit_code)
