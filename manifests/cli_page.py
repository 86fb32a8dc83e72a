"""docs/cli.md: every command and option of kubectl-pryv and pryv-operator, from the commands."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import typer

from pryv_operator.cli.command_table import COMMANDS, Command, Group
from pryv_operator.cli.exit_codes import HELP
from pryv_operator.cli.lazy_group import PROGRAM, load
from pryv_operator.cli.main import operator
from pryv_operator.cli.shared_options import ConnectionOptions

_SHARED = {field.name for field in dataclasses.fields(ConnectionOptions)}


def page(generated: str) -> str:
    """The page. ``generated``: the note that it is."""
    history = load(next(each for each in COMMANDS if each.name == "history"))
    shared = [each for each in history.params if each.name in _SHARED]
    lines = [
        f"<!-- {generated} -->",
        "# Command line",
        "",
        "After this page you can look up every command and option of `kubectl pryv` and of",
        "`pryv-operator`. `--help` shows the same.",
        "",
        "## kubectl pryv",
        "",
        HELP,
        "",
        *_table(COMMANDS),
        "",
        "### Options of kubectl",
        "",
        "Commands that use a cluster have these options. They find it as kubectl does.",
        "",
        *_options(shared),
        "",
        "### Completion",
        "",
        "`source <(kubectl-pryv completion bash)` completes `kubectl-pryv`; there is the same for",
        "zsh and fish. For `kubectl pryv`, save what `kubectl pryv completion kubectl` prints as",
        "`kubectl_complete-pryv` in a folder of `PATH`, and make it executable.",
        "",
        *_sections(PROGRAM, COMMANDS),
        "## pryv-operator",
        "",
        "The operator's own program. In a cluster, the chart sets its options.",
        "",
    ]
    group = typer.main.get_command(operator)
    for name in sorted(group.commands):  # type: ignore[attr-defined]
        lines += _section(f"pryv-operator {name}", group.commands[name])  # type: ignore[attr-defined]
    return "\n".join(lines).rstrip() + "\n"


def _table(entries: Sequence[Command | Group]) -> Iterator[str]:
    yield from ("| Command | What it does |", "|---|---|")
    for each in entries:
        if not each.hidden:
            anchor = f"{PROGRAM} {each.name}".replace(" ", "-")
            yield f"| [`{each.name}`](#{anchor}) | {_cell(each.help)} |"


def _sections(program: str, entries: Sequence[Command | Group]) -> Iterator[str]:
    for each in entries:
        if each.hidden:
            continue
        if isinstance(each, Group):
            yield from (f"### {program} {each.name}", "", each.help, "")
            yield from _sections(f"{program} {each.name}", each.commands)
        else:
            yield from _section(f"{program} {each.name}", load(each))


def _section(title: str, command: Any) -> Iterator[str]:
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option"]
    own = [each for each in options if each.name not in _SHARED or not _uses_cluster(options)]
    usage = " ".join([title, *map(_placeholder, arguments), *(["[OPTIONS]"] if options else [])])
    yield from (f"### {title}", "", "```text", usage, "```", "")
    for paragraph in (command.help or "").split("\n\n"):
        yield from (_text(" ".join(paragraph.split())), "")
    if arguments:
        yield from ("| Argument | Meaning |", "|---|---|")
        yield from (f"| `{_placeholder(each)}` | {_cell(each.help or '')} |" for each in arguments)
        yield ""
    if own:
        yield from (*_options(own), "")
    if _uses_cluster(options):
        yield from ("It has the [options of kubectl](#options-of-kubectl), too.", "")


def _uses_cluster(options: Iterable[Any]) -> bool:
    return {each.name for each in options} >= _SHARED


def _options(options: Iterable[Any]) -> Iterator[str]:
    yield from ("| Option | Meaning |", "|---|---|")
    for each in options:
        names = ", ".join(
            f"`{name}`" for name in sorted([*each.opts, *each.secondary_opts], key=len)
        )
        if not each.is_flag:
            names += f" {_value(each)}"
        required = " **(required)**" if each.required else ""
        yield f"| {names}{required} | {_cell(each.help or '')}{_default(each)} |"


def _value(parameter: Any) -> str:
    if parameter.metavar:
        return f"`{parameter.metavar}`"
    choices = parameter.type_descriptor.choices
    if choices:
        return " or ".join(f"`{getattr(each, 'value', each)}`" for each in choices)
    return f"`{str(parameter.name).upper().replace('_', '-')}`"


def _default(option: Any) -> str:
    default = option.default
    if default is None or default in ("", ()) or isinstance(default, bool) or callable(default):
        return ""
    return f" Default: `{getattr(default, 'value', default)}`."


def _placeholder(argument: Any) -> str:
    name = argument.metavar or str(argument.name).upper()
    return name if argument.required or name.startswith("[") else f"[{name}]"


def _text(text: str) -> str:
    return text.replace("<", "&lt;").replace("*", "\\*")


def _cell(text: str) -> str:
    return _text(text).replace("|", "\\|")
