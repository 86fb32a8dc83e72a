"""Completes a word of a command line of ``kubectl-pryv``.

typer's own completion parses the line, for which it loads pydantic. Whoever presses Tab waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import typer

from pryv_operator.cli.command_table import Command, Group
from pryv_operator.cli.lazy_group import load

#: Directives of cobra's protocol: what the shell does besides.
_NO_FILES: Final = ":4"
_FILES: Final = ":0"


@dataclass(frozen=True)
class Completions:
    """Words with their descriptions; ``files``: names of files, too."""

    found: tuple[tuple[str, str], ...] = ()
    files: bool = False

    def lines(self) -> list[str]:
        """The completions in the protocol of cobra, which kubectl speaks."""
        words = [f"{word}\t{text}" if text else word for word, text in self.found]
        return [*words, _FILES if self.files else _NO_FILES]


def complete(
    entries: Sequence[Command | Group], words: Sequence[str], incomplete: str
) -> Completions:
    """How the last word of a command line may go on. ``words``: those before it."""
    if not words:
        return Completions(
            tuple(
                (each.name, each.help)
                for each in entries
                if not each.hidden and each.name.startswith(incomplete)
            )
        )
    entry = next((each for each in entries if each.name == words[0]), None)
    if entry is None:
        return Completions()
    if isinstance(entry, Group):
        return complete(entry.commands, words[1:], incomplete)
    return _complete_command(load(entry), words[1:], incomplete)


def _complete_command(command: Any, words: Sequence[str], incomplete: str) -> Completions:
    context = typer.Context(command, info_name=command.name, resilient_parsing=True)
    parameters = command.get_params(context)
    options = {name: each for each in parameters if _is_option(each) for name in each.opts}
    name, separator, value = incomplete.partition("=")
    if separator and name in options:
        return _complete_value(options[name], context, value)
    if incomplete.startswith("-"):
        return Completions(
            tuple(
                (name, each.help or "")
                for name, each in options.items()
                if name.startswith(incomplete) and (incomplete != "-" or name.startswith("--"))
            )
        )
    last = options.get(words[-1]) if words else None
    if last is not None and not last.is_flag:
        return _complete_value(last, context, incomplete)
    values, number = _parsed(words, options)
    context.params = values
    arguments = [each for each in parameters if not _is_option(each)]
    position = min(number, len(arguments) - 1)
    if position < 0 or (number > position and arguments[position].nargs != -1):
        return Completions()
    return _complete_value(arguments[position], context, incomplete)


def _parsed(words: Sequence[str], options: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """The values of options by parameter, and the number of arguments."""
    values: dict[str, Any] = {}
    arguments = 0
    rest = list(words)
    while rest:
        name, separator, value = rest.pop(0).partition("=")
        option = options.get(name)
        if option is None:
            arguments += not name.startswith("-")
        elif separator:
            values[option.name] = value
        elif not option.is_flag and rest:
            values[option.name] = rest.pop(0)
    return values, arguments


def _complete_value(parameter: Any, context: typer.Context, incomplete: str) -> Completions:
    found = parameter.shell_complete(context, incomplete)
    words = tuple((str(each.value), each.help or "") for each in found if each.type == "plain")
    return Completions(words, files=_takes_files(parameter))


def _takes_files(parameter: Any) -> bool:
    return bool(parameter.type_descriptor.is_path or parameter.name == "file")


def _is_option(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "option")
