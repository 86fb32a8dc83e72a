"""A group of commands that loads a command only when it is called."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperGroup

from pryv_operator.cli.command_table import Command, Group
from pryv_operator.cli.expanded_options import expanded

#: Without this, typer loads rich to write help.
PLAIN: Final = None
SETTINGS: Final[dict[str, Any]] = {"help_option_names": ["-h", "--help"]}
PROGRAM: Final = "kubectl pryv"
#: Columns of names in the list of commands.
_WIDTH: Final = 12


class LazyGroup(TyperGroup):
    """The commands of a table."""

    entries: Sequence[Command | Group] = ()

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        """The names of the commands that help shows."""
        del ctx
        return [each.name for each in self.entries if not each.hidden]

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]
        """The command of that name, loaded now; None: unknown."""
        del ctx
        entry = next((each for each in self.entries if each.name == cmd_name), None)
        return None if entry is None else load(entry)

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> Any:  # type: ignore[override]
        """The command that the arguments name; an unknown one gets suggestions by the table."""
        self.commands: Any = dict.fromkeys(self.list_commands(ctx))
        return super().resolve_command(ctx, args)

    def main(self, args: Any = None, prog_name: str | None = None, **options: Any) -> Any:  # type: ignore[override]
        """Run; messages name the program as kubectl calls it.

        Help is written without parsing: typer loads pydantic to parse.
        """
        words = list(sys.argv[1:] if args is None else args)
        program = PROGRAM if prog_name in (None, self.name) else prog_name
        if help_wanted(words) and (text := self._help(words, program)):
            typer.echo(text)
            sys.exit(0)
        return super().main(words, program, **options)

    def _help(self, words: Sequence[str], program: str | None) -> str | None:
        """The help of the command that begins a line; None: it is not a command."""
        context = typer.Context(self, info_name=program)
        command: Any = self
        for word in words:
            if not isinstance(command, LazyGroup):
                break
            command = command.get_command(context, word)
            if command is None:
                return None
            context = typer.Context(command, info_name=word, parent=context)
        return str(context.get_help())

    def format_commands(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]
        """Write the commands with their help, by section, without loading them."""
        del ctx
        shown = [each for each in self.entries if not each.hidden]
        for section in dict.fromkeys(each.section for each in shown):
            with formatter.section(section):
                formatter.write_dl(
                    [
                        (each.name.ljust(_WIDTH), each.help)
                        for each in shown
                        if each.section == section
                    ]
                )


def help_wanted(words: Sequence[str]) -> bool:
    """Whether a command line that begins with a command asks for its help."""
    options = words[: words.index("--")] if "--" in words else words
    names = SETTINGS["help_option_names"]
    return bool(options) and options[0] not in names and any(each in names for each in options)


def load(entry: Command | Group) -> Any:
    """The command that an entry of the table stands for, as typer builds it."""
    if isinstance(entry, Group):
        listed = type("Listed", (LazyGroup,), {"entries": entry.commands})
        return typer.main.get_command(group(entry.name, entry.help, listed))
    function = getattr(import_module(entry.module), entry.function)
    app = typer.Typer(add_completion=False, rich_markup_mode=PLAIN)
    app.command(entry.name, hidden=entry.hidden, context_settings=SETTINGS)(expanded(function))
    return typer.main.get_command(app)


def group(name: str, text: str, commands: type[LazyGroup]) -> typer.Typer:
    """A group of commands."""
    app = typer.Typer(
        name=name,
        cls=commands,
        help=text,
        add_completion=False,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=PLAIN,
        context_settings=SETTINGS,
    )
    app.callback()(lambda: None)
    return app
