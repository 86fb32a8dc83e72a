"""A shell whose commands keep their variables and folder from one to the next."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

_SECONDS: Final = 600
#: Errors are of read-only variables of bash itself.
_SCRIPT: Final = """
source "$1/variables" 2> /dev/null
cd "$(cat "$1/folder")"
trap 'code=$?; declare -p > "$1/variables"; pwd > "$1/folder"; exit $code' EXIT
set -e -o pipefail
eval "$2"
"""


class CommandError(AssertionError):
    """A command of a page has failed; the message has its output."""


class Shell:
    """Runs the commands of a page, in order, as a reader does in one terminal."""

    def __init__(
        self,
        state: Path,
        folder: Path,
        environment: Mapping[str, str],
        enter: Callable[..., Sequence[str]] = lambda *command: command,
    ) -> None:
        """`enter` gives the command line that runs a command where the cluster is reachable."""
        self._state = state
        self._environment = dict(environment)
        self._enter = enter
        state.mkdir()
        (state / "variables").touch()
        (state / "folder").write_text(str(folder))

    @property
    def folder(self) -> Path:
        """The folder that the next command begins in."""
        return Path((self._state / "folder").read_text().strip())

    def run(self, command: str, *, fails: bool = False) -> str:
        """Run a command; return its output.

        Raises:
            CommandError: it exits with another code than 0, or with `fails` with 0.
        """
        done = subprocess.run(
            self._enter("bash", "-c", _SCRIPT, "bash", str(self._state), command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self._environment,
            timeout=_SECONDS,
            check=False,
        )
        if (done.returncode != 0) is not fails:
            raise CommandError(f"$ {command}\nexited with {done.returncode}:\n{done.stdout}")
        return done.stdout
