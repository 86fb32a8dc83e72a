"""A container engine of our own: Debian's docker, sealed off from the rest of the machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.cluster.kind import engine_process
from tests.cluster.processes import ServerExitedError, ServerProcess
from tests.cluster.waiting import wait_until

if TYPE_CHECKING:
    from tests.cluster.kind.programs import Programs
    from tests.cluster.run_folder import RunFolder

_ENTER: Final = Path(__file__).parent / "enter.sh"
_ALL_NAMESPACES: Final = ("--mount", "--net", "--pid", "--ipc", "--uts", "--cgroup")
#: Its first files may wait until the disk has taken an image that was just written.
_START_SECONDS: Final = 180
_GRACE_SECONDS: Final = 60


class Engine:
    """A docker daemon with a network that has nothing but a loopback.

    It ends, with all its containers, when this process ends in whatever way, unless `outlive`.
    """

    def __init__(self, run_folder: RunFolder, debian: Path, programs: Programs, data: Path) -> None:
        """Nothing starts yet.

        Args:
            run_folder: programs in the engine's root find it at its own path, too.
            debian: the root file system.
            programs: coredns, runcfit and kind.
            data: the folder of docker's images and containers. What is in `engine/` of the run
                folder is removed when the engine ends.
        """
        self._run_folder = run_folder
        self._folder = run_folder.path / "engine"
        self._folder.mkdir(exist_ok=True)
        self._environment = {
            "PATH": os.environ["PATH"],
            "COREDNS": str(programs.path("coredns")),
            "RUNCFIT": str(programs.path("runcfit")),
        }
        visible = (run_folder.path, programs.node, programs.control_plane)
        self._command = [
            *(sys.executable, "-I", "-S", str(Path(engine_process.__file__)), str(self._folder)),
            *(str(_ENTER), str(debian), f"{data}:/var/lib/docker"),
            *(f"{path}:{path}" for path in visible),
        ]
        self._server: ServerProcess | None = None
        self._outliving: subprocess.Popen[bytes] | None = None
        self._pid = 0

    def start(self, *, outlive: bool = False) -> None:
        """Start the engine, and wait until it answers.

        Args:
            outlive: it runs on when this process ends, until `end_with` is sent SIGTERM.

        Raises:
            ServerExitedError, WaitTimeoutError: it did not start.
        """
        if outlive:
            with (self._run_folder.path / "engine.log").open("wb") as log:
                self._outliving = subprocess.Popen(
                    self._command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=self._environment,
                    cwd="/",
                    pass_fds=(self._run_folder.lock_fd,),
                    start_new_session=True,
                )
        else:
            self._server = ServerProcess(
                "engine",
                self._command,
                self._run_folder,
                env=self._environment,
                grace_seconds=_GRACE_SECONDS,
            )
        try:
            wait_until(self._answers, "the container engine", seconds=_START_SECONDS)
        except BaseException:
            self.stop()
            raise

    @property
    def end_with(self) -> int:
        """The process id of an engine that outlives this process: SIGTERM ends all of it."""
        assert self._outliving is not None
        return self._outliving.pid

    def enter(self, *command: str) -> list[str]:
        """The command line that runs a command in all of the engine's namespaces and its root."""
        path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        namespaces = ["nsenter", f"--target={self._pid}", *_ALL_NAMESPACES, "--root", "--wd"]
        return [*namespaces, "/usr/bin/env", "-i", path, "HOME=/root", *command]

    def enter_network(self, *command: str) -> list[str]:
        """The command line that runs a command of this machine in the engine's network."""
        return ["nsenter", f"--net=/proc/{self._pid}/ns/net", *command]

    def finish(self) -> None:
        """Let docker end by itself, so that its data are whole."""
        os.kill(self._pid, signal.SIGTERM)
        wait_until(lambda: not self._alive, "docker's end", seconds=_GRACE_SECONDS)

    def stop(self) -> None:
        """End it at once with all its containers. May be called again."""
        if self._server is not None:
            self._server.stop()
        if self._outliving is not None:
            self._outliving.terminate()
            self._outliving.wait(_GRACE_SECONDS)

    @property
    def _alive(self) -> bool:
        if self._server is not None:
            return self._server.alive
        return self._outliving is not None and self._outliving.poll() is None

    def _answers(self) -> bool:
        if self._server is not None:
            self._server.check_alive()
        elif not self._alive:
            log = (self._run_folder.path / "engine.log").read_text()
            raise ServerExitedError(f"the container engine has exited:\n{log[-2000:]}")
        file = self._folder / "pid"
        if not file.exists():
            return False
        self._pid = int(file.read_text())
        # Before enter.sh has changed the root, another docker of this machine would answer.
        asked = self.enter("/bin/sh", "-c", "[ -e /run/Corefile ] && docker version")
        done = subprocess.run(asked, capture_output=True, check=False)
        return done.returncode == 0
