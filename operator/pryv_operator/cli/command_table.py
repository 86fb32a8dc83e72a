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
    Command("history", "history:history", "List the revisions of a platform.", SEE),
    Command("diff", "history:diff", "Compare two revisions.", SEE),
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
