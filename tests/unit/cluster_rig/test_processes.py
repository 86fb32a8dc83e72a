"""Servers stop with the run that started them, and folders of killed runs are removed.

Small programs stand in for servers.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cluster.processes import ServerExitedError, ServerProcess
from tests.cluster.run_folder import RunFolder
from tests.cluster.waiting import WaitTimeoutError, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

ENVIRONMENT = {"PATH": os.environ["PATH"]}
IGNORES_SIGTERM = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ignoring", flush=True)
time.sleep(600)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[RunFolder]:
    made = RunFolder(tmp_path / "runs")
    yield made
    made.remove()


def _server(folder: RunFolder, *command: str, grace_seconds: float = 5) -> ServerProcess:
    return ServerProcess("server", command, folder, env=ENVIRONMENT, grace_seconds=grace_seconds)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_stop_ends_the_server_and_can_be_repeated(folder: RunFolder) -> None:
    server = _server(folder, "sh", "-c", "echo $$; exec sleep 600")
    pid = int(wait_until(lambda: server.log().strip(), "the server's pid", seconds=10))
    assert _exists(pid)
    server.stop()
    server.stop()
    assert not server.alive
    assert not _exists(pid)


def _has_ended(pid: int) -> bool:
    """Whether the process is gone or a zombie: after its parent, init may not reap it at once."""
    try:
        return "State:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True


@pytest.mark.parametrize("abruptly", [False, True])
def test_a_server_that_ignores_sigterm_is_killed(folder: RunFolder, abruptly: bool) -> None:
    server = _server(
        folder, sys.executable, "-c", IGNORES_SIGTERM, grace_seconds=60 if abruptly else 0.3
    )
    wait_until(lambda: "ignoring" in server.log(), "the server", seconds=10)
    started = time.monotonic()
    server.stop(abruptly=abruptly)
    assert not server.alive
    assert time.monotonic() - started < 10
    assert ("killed" in server.log()) is not abruptly


def test_the_log_of_an_exited_server_is_reported(folder: RunFolder) -> None:
    server = _server(folder, "sh", "-c", "echo no such disk; exit 3")
    wait_until(lambda: not server.alive, "its exit", seconds=10)
    with pytest.raises(ServerExitedError, match=r"server exited with code 3(?s:.)*no such disk"):
        server.check_alive()
    server.stop()


def test_a_program_that_does_not_exist_is_reported(folder: RunFolder) -> None:
    server = _server(folder, "/no/such/program")
    wait_until(lambda: not server.alive, "the end", seconds=10)
    with pytest.raises(ServerExitedError, match="/no/such/program"):
        server.check_alive()


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG exists on Linux only")
def test_the_server_of_a_killed_supervisor_is_killed(folder: RunFolder) -> None:
    server = _server(folder, "sh", "-c", "echo $$; exec sleep 600")
    pid = int(wait_until(lambda: server.log().strip(), "the server's pid", seconds=10))
    server._supervisor.kill()
    wait_until(lambda: not server.alive and _has_ended(pid), "the server's end", seconds=10)


RUN = """
import os, sys, time
from pathlib import Path
from tests.cluster.processes import ServerProcess
from tests.cluster.run_folder import RunFolder
folder = RunFolder(Path(sys.argv[1]))
command = ["sh", "-c", "echo $$; exec sleep 600"]
server = ServerProcess("server", command, folder, env=dict(os.environ))
while not server.log().strip():
    time.sleep(0.02)
if sys.argv[2] == "fork" and os.fork() == 0:
    time.sleep(600)
print(folder.path, server.log().strip(), flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("kind", ["plain", "fork"])
def test_the_servers_of_a_killed_run_stop_and_its_folder_is_removed(
    tmp_path: Path, kind: str
) -> None:
    """Even if a fork of the run holds copies of its open files."""
    with subprocess.Popen(
        [sys.executable, "-c", RUN, str(tmp_path / "runs"), kind],
        cwd=Path(__file__).parents[3],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as run:
        try:
            assert run.stdout is not None
            path, pid = run.stdout.readline().split()
            run.kill()
            wait_until(lambda: not _exists(int(pid)), "the server's end", seconds=10)
        finally:
            os.killpg(run.pid, signal.SIGKILL)
    wait_until(lambda: _is_removed_by_next_run(Path(path)), "the folder to be removed", seconds=10)


def _is_removed_by_next_run(path: Path) -> bool:
    RunFolder(path.parent).remove()
    return not path.exists()


def test_the_folder_of_a_running_run_is_kept(folder: RunFolder) -> None:
    RunFolder(folder.path.parent).remove()
    assert folder.path.is_dir()
    assert folder.path.stat().st_mode & 0o077 == 0


def test_a_timeout_names_the_condition() -> None:
    with pytest.raises(WaitTimeoutError, match=r"waited 0\.05 s for rain"):
        wait_until(lambda: None, "rain", seconds=0.05, every=0.01)
