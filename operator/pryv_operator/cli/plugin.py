"""``kubectl-pryv``, which ``kubectl pryv`` runs: its commands, each in a module of its own.

``render`` and ``import`` need no cluster; ``history``, ``diff`` and ``rollback`` do. Exit codes are
those of ``exit_codes``.
"""

from __future__ import annotations

import typer

from pryv_operator import __version__
from pryv_operator.cli import exit_codes, history
from pryv_operator.cli.import_command import import_installation
from pryv_operator.cli.render import render

plugin = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help=f"Manage Pryv.io platforms from the command line. {exit_codes.HELP}",
)


@plugin.callback()
def main() -> None:
    """Manage Pryv.io platforms from the command line."""


@plugin.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


plugin.command()(render)
plugin.command("import")(import_installation)
plugin.command()(history.history)
plugin.command()(history.diff)
plugin.command()(history.rollback)
