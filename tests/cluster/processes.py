"""Server processes that do not outlive the process that started them."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.cluster import supervise

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.cluster.run_folder import RunFolder


class ServerExitedError(RuntimeError):
    """A server has exited by itself; the message holds its last log lines."""


class ServerProcess:
    """A server and its supervisor (`supervise.py`). Logs to `<run folder>/logs/<name>.log`.

    It has a session of its own, so that Ctrl-C does not reach it: servers are stopped in order.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        folder: RunFolder,
        *,
        env: Mapping[str, str],
        grace_seconds: float = 10,
    ) -> None:
        self.name = name
        self.log_file = folder.path / "logs" / f"{name}.log"
        self.log_file.parent.mkdir(exist_ok=True)
        self._grace_seconds = grace_seconds
        supervisor = [
            sys.executable,
            "-I",
            "-S",
            str(Path(supervise.__file__)),
            str(os.getpid()),
            str(grace_seconds),
        ]
        with self.log_file.open("ab") as log:
            self._log_start = log.tell()
            self._supervisor = subprocess.Popen(
                [*supervisor, *map(str, command)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=dict(env),
                cwd=folder.path,
                pass_fds=(folder.lock_fd,),
                start_new_session=True,
                bufsize=0,
            )

    @property
    def alive(self) -> bool:
        return self._supervisor.poll() is None

    def check_alive(self) -> None:
        """Raise ServerExitedError if the server is not running."""
        if not self.alive:
            raise ServerExitedError(
                f"{self.name} exited with code {self._supervisor.returncode}; the end of its log:\n"
                f"{self.last_lines()}"
            )

    def log(self) -> str:
        """The log since this start of the server."""
        with self.log_file.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")

    def last_lines(self, count: int = 20) -> str:
        return "\n".join(f"  {line}" for line in self.log().splitlines()[-count:])

    def ask_to_stop(self, *, abruptly: bool = False) -> None:
        """Send SIGTERM (`abruptly`: SIGKILL) without waiting."""
        assert self._supervisor.stdin is not None
        if self._supervisor.stdin.closed:
            return
        with contextlib.suppress(BrokenPipeError):  # it has exited by itself
            self._supervisor.stdin.write(supervise.KILL if abruptly else supervise.TERMINATE)
        self._supervisor.stdin.close()

    def stop(self, *, abruptly: bool = False) -> int:
        """Stop the server and wait; after the grace period it is killed. Returns its exit code.

        May be called again.
        """
        self.ask_to_stop(abruptly=abruptly)
        try:
            self._supervisor.wait(self._grace_seconds + 5)
        except subprocess.TimeoutExpired:
            self._supervisor.kill()
            self._supervisor.wait()
        return int(self._supervisor.returncode)
