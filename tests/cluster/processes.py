"""Server processes that never outlive the process that started them."""

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


class ServerDiedError(RuntimeError):
    """A server ended by itself; the message carries its last log lines."""


class ServerProcess:
    """One server below its supervisor (see `supervise.py`); its output goes to `<run folder>/logs/<name>.log`.

    It runs in a session of its own: Ctrl-C in the terminal reaches only us, and we stop the servers in order.
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
        """Raise ServerDiedError when the server is not running."""
        if not self.alive:
            raise ServerDiedError(
                f"{self.name} ended with code {self._supervisor.returncode}; the end of its log:\n{self.last_lines()}"
            )

    def log(self) -> str:
        """What this server has written since it was started."""
        with self.log_file.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")

    def last_lines(self, count: int = 20) -> str:
        return "\n".join(f"  {line}" for line in self.log().splitlines()[-count:])

    def ask_to_stop(self, *, abruptly: bool = False) -> None:
        """Send TERM (KILL when `abruptly`) without waiting."""
        assert self._supervisor.stdin is not None
        if self._supervisor.stdin.closed:
            return
        with contextlib.suppress(BrokenPipeError):  # it has ended by itself
            self._supervisor.stdin.write(supervise.KILL if abruptly else supervise.TERMINATE)
        self._supervisor.stdin.close()

    def stop(self, *, abruptly: bool = False) -> int:
        """Stop the server and wait for its end: at most the grace time, then it is killed. Gives its exit code. May be called twice."""
        self.ask_to_stop(abruptly=abruptly)
        try:
            self._supervisor.wait(self._grace_seconds + 5)
        except subprocess.TimeoutExpired:
            self._supervisor.kill()
            self._supervisor.wait()
        return int(self._supervisor.returncode)
