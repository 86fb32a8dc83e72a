"""The operator as a local process with the credentials of the chart's ServiceAccount."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pryv_operator
from tests.cluster.control_plane import ControlPlane
from tests.cluster.memory_cgroup import MemoryCgroup
from tests.cluster.processes import ServerProcess
from tests.cluster.waiting import wait_until

#: With a thousand platforms, while controllers start too, it takes a minute.
START_SECONDS = 120
#: Seconds from SIGTERM to SIGKILL, as for a pod: time to finish running reconciliations.
GRACE_SECONDS = 30
#: The operator that the tests import, not one that may be installed elsewhere.
_FOLDER = Path(pryv_operator.__file__).parents[1]
_RUN = "from pryv_operator.cli.main import operator; operator()"


def _imported_from(folder: Path) -> str:
    """Python statements after which the operator's package is imported from a folder."""
    return f"import sys; sys.path.insert(0, {str(folder)!r}); "


#: Runs the command line of the operator that the tests import.
CODE = _imported_from(_FOLDER) + _RUN
_SERVING = re.compile(r"serving /healthz.* on 127\.0\.0\.1:(\d+)")


class OperatorProcess:
    """One operator process that can be started, queried and stopped repeatedly.

    ``log`` is everything it has written since its first start.
    """

    def __init__(
        self,
        control_plane: ControlPlane,
        kubeconfig: Path,
        *arguments: str,
        name: str = "pryv-operator",
        code: Path | None = None,
        patch: str = "pass",
    ) -> None:
        """Start nothing yet.

        Args:
            control_plane: what the operator is a client of.
            kubeconfig: its credentials.
            arguments: of the command ``run``.
            name: of its log file.
            code: the folder with another version of the operator's package.
            patch: Python statements that change the operator's code before it starts.
        """
        self._control_plane = control_plane
        self._name = name
        self._path = _imported_from(code or _FOLDER) + f"{patch}; "
        self._command: Sequence[str] = [
            sys.executable,
            "-c",
            self._path + _RUN,
            "run",
            f"--kubeconfig={kubeconfig}",
            "--listen=127.0.0.1:0",
            *arguments,
        ]
        self._cgroup: MemoryCgroup | None = None
        self._server: ServerProcess | None = None
        self.url = ""

    def start(self) -> None:
        """Start the process and wait until /readyz returns 200."""
        written = len(self.log)
        command = self._cgroup.command(self._command) if self._cgroup else self._command
        self._server = self._control_plane.start_server(
            self._name, command, grace_seconds=GRACE_SECONDS
        )

        def ready() -> bool:
            assert self._server is not None
            self._server.check_alive()
            found = _SERVING.search(self.log[written:])
            if found:
                self.url = f"http://127.0.0.1:{found[1]}"
            return bool(found) and self.status("/readyz") == 200

        wait_until(ready, "the operator to be ready", seconds=START_SECONDS, every=0.05)

    def stop(self, *, abruptly: bool = False) -> int | None:
        """Send SIGTERM (``abruptly``: SIGKILL) and wait.

        Returns the exit code; None if it was not running.
        """
        if self._server is None:
            return None
        code = self._server.stop(abruptly=abruptly)
        self._server = None
        return code

    def restart(self, *, abruptly: bool = False) -> None:
        """Stop the process and start it again."""
        self.stop(abruptly=abruptly)
        self.start()

    def started_with(self, *arguments: str) -> AbstractContextManager[None]:
        """Restart with additional arguments; restart with the original ones on exit.

        If an option is given twice, the last one counts.
        """
        return self._started_as([*self._command, *arguments])

    @contextmanager
    def started_in(self, cgroup: MemoryCgroup) -> Iterator[None]:
        """Restart in a control group; restart outside of it on exit."""
        self._cgroup = cgroup
        self.restart()
        try:
            yield
        finally:
            self.stop()
            self._cgroup = None
            self.start()

    def running_version(self, patch: str) -> AbstractContextManager[None]:
        """Restart as another version of the operator; as the original one on exit.

        ``patch``: Python statements that change the operator's code before it starts.
        """
        python, option, _, *arguments = self._command
        return self._started_as([python, option, f"{self._path}{patch}; {_RUN}", *arguments])

    @contextmanager
    def _started_as(self, command: Sequence[str]) -> Iterator[None]:
        before, self._command = self._command, command
        self.restart()
        try:
            yield
        finally:
            self.stop()
            self._command = before
            self.start()

    @property
    def alive(self) -> bool:
        return self._server is not None and self._server.alive

    @property
    def stopped(self) -> bool:
        """Whether a test has stopped the process."""
        return self._server is None

    @property
    def log(self) -> str:
        path = self._control_plane.folder / "logs" / f"{self._name}.log"
        return path.read_text() if path.exists() else ""

    def status(self, path: str) -> int:
        """HTTP status of one of the operator's endpoints; 0 without a response."""
        try:
            with urlopen(self.url + path, timeout=5) as answer:
                return int(answer.status)
        except URLError as error:
            return int(getattr(error, "code", 0))

    def text(self, path: str) -> str:
        with urlopen(self.url + path, timeout=5) as answer:
            return str(answer.read().decode())

    def writes(self) -> int:
        """Number of write requests to the API server so far, for all platforms."""
        return self._requests("POST|PATCH|PUT|DELETE")

    def reads(self) -> int:
        """Number of read requests to the API server so far, for all platforms."""
        return self._requests("GET")

    def _requests(self, methods: str) -> int:
        pattern = re.compile(
            rf'pryv_operator_api_requests_total\{{code="\d+",method="(?:{methods})",[^}}]*\}} (\S+)'
        )
        return sum(int(float(count)) for count in pattern.findall(self.text("/metrics")))

    def reconciliations(self) -> int:
        """Reconciliations so far, of all platforms."""
        return sum(
            int(float(count))
            for count in re.findall(
                r"pryv_operator_reconciliations_total\{[^}]*\} (\S+)", self.text("/metrics")
            )
        )

    def unneeded_reconciliations(self) -> int:
        """Reconciliations that were not begun, as nothing had moved."""
        pattern = re.compile(r"^pryv_operator_reconciliations_unneeded_total (\S+)", re.MULTILINE)
        found = pattern.search(self.text("/metrics"))
        return int(float(found[1])) if found else 0

    def wait_reconciliations(self, count: int, *, seconds: float = START_SECONDS) -> None:
        """Wait for this many more reconciliations, of whichever platforms."""
        enough = self.reconciliations() + count
        wait_until(
            lambda: self.reconciliations() >= enough,
            f"{count} reconciliations",
            seconds=seconds,
            every=0.05,
        )

    def pid(self) -> int | None:
        """The process id, found by the command line; None if it is not running."""
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                command = (entry / "cmdline").read_bytes().decode().split("\0")
            except OSError:
                continue
            if command[1:-1] == list(self._command[1:]):
                return int(entry.name)
        return None
