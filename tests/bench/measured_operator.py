"""An operator process that is measured."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pryv_operator.reconcile.wake import PROGRESS_SECONDS
from tests.api.operator_process import OperatorProcess
from tests.bench.process_usage import FamilyPeak, Memory, children, cpu_seconds, memory
from tests.bench.usage import Usage
from tests.cluster.control_plane import ControlPlane
from tests.cluster.waiting import wait_until

#: Only what is changed leads to reconciliations.
NO_RESYNC: Final = ("--resync-seconds=86400", "--full-resync-seconds=86400")
#: An operator is at rest when it has reconciled nothing for so long. Longer than the windows in
#: which it gathers changes, and progress of pods.
_QUIET_SECONDS: Final = PROGRESS_SECONDS + 1.0
_REST_SECONDS: Final = 1800.0
#: Platforms wait for a worker, or one is at work.
_BUSY: Final = re.compile(
    r"^workqueue_(?:depth|unfinished_work_seconds)\{[^}]*\} (?!0\.0$)", re.MULTILINE
)


@dataclass(frozen=True)
class Stretch:
    """What was used while something happened, in how many seconds."""

    usage: Usage
    seconds: float
    #: Resident memory of the operator and its children together, at most.
    peak_mebibytes: float


class MeasuredOperator:
    """``with measured_operator(…) as operator``: started, and at rest with nothing to do."""

    def __init__(self, process: OperatorProcess) -> None:
        self.process = process
        self.start_seconds = 0.0
        self.pid = process.pid() or 0

    def start(self) -> None:
        """Start it and wait until it is ready."""
        started = time.monotonic()
        self.process.start()
        self.start_seconds = time.monotonic() - started
        self.adopt()

    def adopt(self) -> None:
        """Measure the process that runs by now."""
        self.pid = wait_until(self.process.pid, "the operator's process id", seconds=10)

    def stop(self) -> None:
        self.process.stop()

    def restart(self, *, abruptly: bool = False) -> None:
        self.process.stop(abruptly=abruptly)
        self.start()

    def usage(self) -> Usage:
        """Since its start."""
        return Usage.from_metrics(self.process.text("/metrics"), cpu_seconds(self.pid))

    def memory(self) -> Memory:
        """Of the operator without its children."""
        return memory(self.pid)

    def children_memory(self) -> float:
        """Resident memory of its children in MiB."""
        return sum(memory(pid).resident for pid in children(self.pid))

    def wait_at_rest(self, seconds: float = _REST_SECONDS, quiet: float = _QUIET_SECONDS) -> float:
        """Wait until nothing is reconciled, or has been for a while; since when (monotonic)."""
        seen, since = -1.0, time.monotonic()

        def at_rest() -> bool:
            nonlocal seen, since
            text = self.process.text("/metrics")
            now = Usage.from_metrics(text, 0.0).reconciliations
            if now != seen or _BUSY.search(text):
                seen, since = now, time.monotonic()
            return time.monotonic() - since > quiet

        wait_until(at_rest, "the operator to be at rest", seconds=seconds, every=quiet / 4)
        return since

    def during(self, action: Callable[[], object], *, rest: bool = True) -> Stretch:
        """Do something; return what the operator used for it until it was at rest again."""
        before, started = self.usage(), time.monotonic()
        with FamilyPeak(self.pid) as peak:
            action()
            seconds = time.monotonic() - started
            if rest:
                self.wait_at_rest()
        return Stretch(self.usage().since(before), seconds, peak.mebibytes)


@contextmanager
def measured_operator(
    cluster: ControlPlane,
    kubeconfig: Path,
    *arguments: str,
    name: str = "measured-operator",
    code: Path | None = None,
    patch: str = "pass",
) -> Iterator[MeasuredOperator]:
    """A started operator; stopped on exit. For ``code`` and ``patch`` see OperatorProcess."""
    operator = MeasuredOperator(
        OperatorProcess(cluster, kubeconfig, *arguments, name=name, code=code, patch=patch)
    )
    operator.start()
    try:
        yield operator
    finally:
        operator.stop()
