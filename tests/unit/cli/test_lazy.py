"""What ``kubectl-pryv`` loads before it has something to do, and its table of commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pryv_operator import __version__
from pryv_operator.cli import exit_codes
from pryv_operator.cli.command_table import COMMANDS, Command, Group
from pryv_operator.cli.plugin import plugin

#: What takes long to load, and what typer would load to write help in colour.
HEAVY = {"aiohttp", "cryptography", "jinja2", "kopf", "kubernetes", "pydantic", "rich", "yaml"}
PROGRAM = """
import json, sys
from pryv_operator.cli.plugin import plugin
try:
    plugin(json.loads(sys.argv[1]))
finally:
    json.dump(sorted(sys.modules), sys.stderr)
"""


def commands(
    entries: tuple[Command | Group, ...] = COMMANDS, *before: str
) -> Iterator[tuple[tuple[str, ...], Command | Group]]:
    for entry in entries:
        yield (*before, entry.name), entry
        if isinstance(entry, Group):
            yield from commands(entry.commands, *before, entry.name)


ALL = dict(commands())


def loaded_by(*arguments: str) -> tuple[set[str], str]:
    """The modules that a process has loaded at its end, and its output."""
    paths = [path for path in sys.path if path]
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(arguments)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(ended.stderr)), ended.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("--version",),
        ("history", "--help"),
        ("render", "-h"),
        ("__complete", ""),
        ("__complete", "history", "--name"),
    ],
)
def test_help_and_completion_load_nothing_heavy(arguments: tuple[str, ...]) -> None:
    modules, output = loaded_by(*arguments)
    assert output
    assert {name for name in modules if name.partition(".")[0] in HEAVY} == set()
    own = {name for name in modules if name.startswith("pryv_operator.")}
    assert {name for name in own if not name.startswith("pryv_operator.cli")} == set()
    assert len(modules) < 260


def test_help_loads_no_command() -> None:
    modules, output = loaded_by("--help")
    assert not any(name.startswith("pryv_operator.cli.commands.") for name in modules)
    for entry in COMMANDS:
        assert (f"  {entry.name} " in output) is not entry.hidden


@pytest.mark.parametrize(
    "words", [words for words, each in ALL.items() if isinstance(each, Command)]
)
def test_help_of_the_table_begins_that_of_the_command(words: tuple[str, ...]) -> None:
    entry = ALL[words]
    assert isinstance(entry, Command)
    function = getattr(import_module(entry.module), entry.function)
    assert function.__doc__.splitlines()[0] == entry.help
    assert entry.help.endswith(".")
    result = CliRunner().invoke(plugin, [*words, "--help"])
    assert result.exit_code == 0, result.output
    assert " ".join(("Usage: kubectl pryv", *words)) in result.output


def test_modules_of_commands_import_little() -> None:
    """``load`` imports the module: whatever it imports at its top is loaded for its help."""
    code = "import json, sys\n"
    code += "".join(f"import {each.module}\n" for each in ALL.values() if isinstance(each, Command))
    ended = subprocess.run(
        [sys.executable, "-c", f"{code}json.dump(sorted(sys.modules), sys.stdout)"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert {name.partition(".")[0] for name in json.loads(ended.stdout)} & HEAVY == set()


@pytest.mark.parametrize("name", exit_codes.CODES)
def test_errors_with_an_exit_code_exist(name: str) -> None:
    module, _, error = name.rpartition(".")
    found = getattr(import_module(module), error)
    assert issubclass(found, Exception)
    assert exit_codes.exit_code_of(found.__new__(found)) == exit_codes.CODES[name]


def test_unexpected_errors_have_no_exit_code() -> None:
    assert exit_codes.exit_code_of(ValueError("x")) is None
    with pytest.raises(ValueError, match="x"), exit_codes.exit_on_error():
        raise ValueError("x")


def test_unknown_command_gets_a_suggestion() -> None:
    result = CliRunner().invoke(plugin, ["histori"])
    assert result.exit_code == 2
    assert "Did you mean 'history'?" in result.stderr


@pytest.mark.parametrize("arguments", [["version"], ["--version"]])
def test_version(arguments: list[str]) -> None:
    result = CliRunner().invoke(plugin, arguments)
    assert (result.exit_code, result.stdout) == (0, f"{__version__}\n")


def completions(*words: str, **env: str) -> list[str]:
    result = CliRunner(env=env).invoke(plugin, ["__complete", *words])
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


def test_completion_of_commands_options_and_values() -> None:
    assert [line.partition("\t")[0] for line in completions("his")] == ["history", ":4"]
    assert completions("history", "--cont") == [
        "--context\tContext of the kubeconfig. Default: the current one.",
        ":4",
    ]
    assert completions("history", "-o", "y") == ["yaml", ":4"]
    assert completions("render", "--leader-dir", "x")[-1] == ":0"
    assert completions("unknown", "x") == [":4"]


def test_completion_of_platforms_asks_kubectl(tmp_path: Path) -> None:
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(
        '#!/bin/sh\necho "$@" >"$0.called"\n'
        "echo pryvplatform.pryv.io/acme; echo pryvplatform.pryv.io/other\n"
    )
    kubectl.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    assert completions("history", "-n", "pryv", "--context=x", "a", PATH=path) == ["acme", ":4"]
    called = (tmp_path / "kubectl.called").read_text().split()
    assert {"--namespace=pryv", "--context=x"} <= set(called)
    kubectl.write_text("#!/bin/sh\nexit 1\n")
    assert completions("history", "a", PATH=path) == [":4"]


def test_completion_in_bash(tmp_path: Path) -> None:
    """Bash itself, with the script that it loads, and the command by its name."""
    script = CliRunner().invoke(plugin, ["completion", "bash"]).stdout
    command = tmp_path / "kubectl-pryv"
    command.write_text(
        f"#!/bin/sh\nexec {sys.executable} -c "
        "'from pryv_operator.cli.plugin import plugin; plugin()' \"$@\"\n"
    )
    command.chmod(0o755)
    asks = (
        'COMP_WORDS=(kubectl-pryv history --cont); COMP_CWORD=2; _kubectl_pryv; echo "$COMPREPLY"'
    )
    ended = subprocess.run(
        ["bash", "-c", f"{script}\n{asks}"],
        env={
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout == "--context\n"


def test_completion_of_kubectl_is_a_program(tmp_path: Path) -> None:
    script = tmp_path / "kubectl_complete-pryv"
    script.write_text(CliRunner().invoke(plugin, ["completion", "kubectl"]).stdout)
    script.chmod(0o755)
    (tmp_path / "kubectl-pryv").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (tmp_path / "kubectl-pryv").chmod(0o755)
    ended = subprocess.run(
        [script, "history", "-n", ""],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout.split("\n") == ["__complete", "history", "-n", "", ""]
