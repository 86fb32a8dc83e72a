"""``kubectl-pryv``, which ``kubectl pryv`` runs. Its commands are in ``command_table``.

Nothing is loaded here but what help needs. Exit codes are those of ``exit_codes``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Any, Final

import typer

from pryv_operator import __version__
from pryv_operator.cli import exit_codes
from pryv_operator.cli.command_table import COMMANDS
from pryv_operator.cli.lazy_group import LazyGroup, group

#: Asked by shells: the words of a command line follow, of which the last one is to be completed.
COMPLETE: Final = "__complete"


class _Plugin(LazyGroup):
    """The commands, and completion."""

    entries = COMMANDS

    def main(self, args: Sequence[str] | None = None, *more: Any, **options: Any) -> Any:
        """Run a command, or complete one."""
        words = list(sys.argv[1:] if args is None else args)
        if words[:1] == [COMPLETE]:
            from pryv_operator.cli.word_completion import complete  # noqa: PLC0415 - seldom needed

            *before, last = words[1:] or [""]
            typer.echo("\n".join(complete(COMMANDS, before, last).lines()))
            sys.exit(0)
        return super().main(words, *more, **options)


plugin = group(
    "kubectl pryv",
    f"Manage Pryv.io platforms from the command line. {exit_codes.HELP}",
    _Plugin,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@plugin.callback()
def main(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Manage Pryv.io platforms from the command line."""
