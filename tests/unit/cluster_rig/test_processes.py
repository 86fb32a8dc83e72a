"""Servers end with their run, and folders of dead runs go away: shown with small programs in place of servers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cluster.processes import ServerDiedError, ServerProcess
from tests.cluster.run_folder import RunFolder
from tests.cluster.waiting import WaitedTooLongError, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

ENVIRONMENT = {"PATH": os.environ["PATH"]}
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"


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


def test_stop_ends_the_server_and_may_be_repeated(folder: RunFolder) -> None:
    server = _server(folder, "sh", "-c", "echo $$; exec sleep 600")
    pid = int(wait_until(lambda: server.log().strip(), "the server's pid", seconds=10))
    assert _exists(pid)
    server.stop()
    server.stop()
    assert not server.alive
    assert not _exists(pid)


def _has_ended(pid: int) -> bool:
    """Also when nobody has collected its exit code: its parent is gone too, and what replaces it may not care."""
    try:
        return "State:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True


@pytest.mark.parametrize("abruptly", [False, True])
def test_a_server_deaf_to_term_is_killed(folder: RunFolder, abruptly: bool) -> None:
    server = _server(folder, sys.executable, "-c", DEAF, grace_seconds=60 if abruptly else 0.3)
    wait_until(lambda: "deaf" in server.log(), "the server", seconds=10)
    started = time.monotonic()
    server.stop(abruptly=abruptly)
    assert not server.alive
    assert time.monotonic() - started < 10
    assert ("killed" in server.log()) is not abruptly


def test_a_server_that_dies_tells_why(folder: RunFolder) -> None:
    server = _server(folder, "sh", "-c", "echo no such disk; exit 3")
    wait_until(lambda: not server.alive, "the end", seconds=10)
    with pytest.raises(ServerDiedError, match=r"server ended with code 3(?s:.)*no such disk"):
        server.check_alive()
    server.stop()


def test_a_program_that_does_not_exist_tells_why(folder: RunFolder) -> None:
    server = _server(folder, "/no/such/program")
    wait_until(lambda: not server.alive, "the end", seconds=10)
    with pytest.raises(ServerDiedError, match="/no/such/program"):
        server.check_alive()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_a_killed_supervisor_takes_its_server_along(folder: RunFolder) -> None:
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
server = ServerProcess("server", ["sh", "-c", "echo $$; exec sleep 600"], folder, env=dict(os.environ))
while not server.log().strip():
    time.sleep(0.02)
if sys.argv[2] == "fork" and os.fork() == 0:
    time.sleep(600)
print(folder.path, server.log().strip(), flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("kind", ["plain", "fork"])
def test_a_killed_run_takes_its_server_along_and_its_folder_is_removed_later(
    tmp_path: Path, kind: str
) -> None:
    """Also when a process forked off the run holds copies of its open files."""
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


def test_the_folder_of_a_living_run_stays(folder: RunFolder) -> None:
    RunFolder(folder.path.parent).remove()
    assert folder.path.is_dir()
    assert folder.path.stat().st_mode & 0o077 == 0


def test_waiting_is_bounded_and_says_for_what() -> None:
    with pytest.raises(WaitedTooLongError, match=r"waited 0\.05 s for rain"):
        wait_until(lambda: None, "rain", seconds=0.05, every=0.01)
