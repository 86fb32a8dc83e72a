"""The commands of ``kubectl-pryv``: name, help and where each is, without loading any of them.

To add a command, write a module in ``commands/`` with a function of the command's options, and add
a line here. The function imports what does the work when it is called: at the top of its module,
only ``typer`` and what it needs for its options may be imported (``tests/unit/cli/test_lazy.py``).
Its docstring is its help, and begins with the help in this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_PACKAGE: Final = "pryv_operator.cli.commands"

# Sections of the help
SEE: Final = "See what runs"
CHANGE: Final = "Change it"
FILES: Final = "Without a cluster"
OTHER: Final = "Other"


@dataclass(frozen=True)
class Command:
    """A command.

    ``target``: ``module:function``, below ``commands/``.
    """

    name: str
    target: str
    help: str
    section: str = OTHER
    hidden: bool = False

    @property
    def module(self) -> str:
        """The module that holds its function."""
        return f"{_PACKAGE}.{self.target.partition(':')[0]}"

    @property
    def function(self) -> str:
        """The name of its function."""
        return self.target.partition(":")[2]


@dataclass(frozen=True)
class Group:
    """A command with commands of its own."""

    name: str
    help: str
    commands: tuple[Command, ...]
    section: str = OTHER
    hidden: bool = False


COMMANDS: Final[tuple[Command | Group, ...]] = (
    Command(
        "status", "status:status", "Show what a platform consists of, and what it waits for.", SEE
    ),
    Command("logs", "logs:logs", "Print the logs of all components, or of some.", SEE),
    Command(
        "events", "events:events", "Show the events of a platform, and of what belongs to it.", SEE
    ),
    Command("history", "history:history", "List the revisions of a platform.", SEE),
    Command(
        "diff", "history:diff", "Compare two revisions, or the live platform with a file.", SEE
    ),
    Command("check", "check:check", "Check a platform and what it depends on.", SEE),
    Command("report", "report:report", "Write a report for support, without any secret.", SEE),
    Command(
        "restart",
        "changes:restart",
        "Restart components without a change of configuration.",
        CHANGE,
    ),
    Command("stop", "changes:stop", "Scale every component to zero, and retain all data.", CHANGE),
    Command("start", "changes:start", "Start a platform that was stopped.", CHANGE),
    Command("pause", "changes:pause", 'Apply no changes until "resume".', CHANGE),
    Command("resume", "changes:resume", "Apply changes again.", CHANGE),
    Group(
        "secrets",
        "List secret variables, or rotate one.",
        (
            Command(
                "list",
                "secrets:list_secrets",
                "List the secret variables, and where their values come from.",
            ),
            Command(
                "rotate",
                "secrets:rotate",
                "Generate a new value of a secret variable, and roll it to all its users.",
            ),
        ),
        CHANGE,
    ),
    Command("rollback", "history:rollback", "Restore the spec of a revision.", CHANGE),
    Command("explain", "explain:explain", "Explain a variable.", FILES),
    Command("render", "render:render", "Render the files of every role.", FILES),
    Command(
        "import",
        "import_installation:import_installation",
        "Import a docker-compose installation as a PryvPlatform.",
        FILES,
    ),
    Command("completion", "completion:completion", "Print a script for shell completion."),
    Command("version", "version:version", "Print the version."),
)
