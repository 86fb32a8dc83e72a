"""What scenarios share: options, and a control plane that is started when it is needed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pryv_operator
from tests.api.fixtures import OPERATOR_NAMESPACE, install_chart
from tests.bench.at_sizes import AtSizes, sizes_up_to
from tests.bench.growing_fleet import measure_sizes
from tests.bench.measured_operator import NO_RESYNC, MeasuredOperator, measured_operator
from tests.bench.platforms import Fleet
from tests.cluster.control_plane import ControlPlane
from tests.cluster.simulated_nodes import SimulatedNodes

#: Memory that each server of the control plane may use before it collects garbage eagerly. Many
#: platforms are many objects in the API server's caches.
_GO_MEMORY = "10GiB"


#: As in a pod: which platforms are at rest is kept over a restart.
_KEEPING = f"--lease-namespace={OPERATOR_NAMESPACE}"


@dataclass(frozen=True)
class Options:
    """How large the scenarios are."""

    #: The largest number of platforms at a time; whether they have no pods (`stopped: true`).
    platforms: int = 100
    stopped: bool = False
    rounds: int = 7
    soak_minutes: float = 30.0
    #: From one random edit to the next.
    edit_seconds: float = 1.0
    #: Folder of another version of the operator, that is measured in its place.
    code: Path | None = None


@dataclass(frozen=True)
class Context:
    """Passed to each scenario."""

    options: Options
    _resources: ExitStack = field(default_factory=ExitStack, repr=False)

    @cached_property
    def cluster(self) -> ControlPlane:
        """A control plane with simulated nodes."""
        running = self._resources.enter_context(ControlPlane(echo=echo, go_memory=_GO_MEMORY))
        self._resources.enter_context(SimulatedNodes(running, echo=echo))
        return running

    @cached_property
    def kubeconfig(self) -> Path:
        """Of the chart's ServiceAccount."""
        return install_chart(self.cluster)

    @contextmanager
    def operator(
        self, *arguments: str, name: str = "measured", patch: str = "pass"
    ) -> Iterator[MeasuredOperator]:
        """A started operator. Without arguments it reconciles only what is changed."""
        with measured_operator(
            self.cluster,
            self.kubeconfig,
            _KEEPING,
            *(arguments or NO_RESYNC),
            name=name,
            code=self.options.code,
            patch=patch,
        ) as operator:
            yield operator

    @contextmanager
    def fleet(self, prefix: str, size: int) -> Iterator[Fleet]:
        """Namespaces for platforms; deleted on exit, and waited for."""
        fleet = Fleet(self.cluster, prefix, size)
        fleet.create_namespaces()
        try:
            yield fleet
        finally:
            fleet.delete()

    @cached_property
    def at_sizes(self) -> AtSizes:
        """A fleet that grows, measured once for all scenarios."""
        return measure_sizes(
            Fleet(self.cluster, "fleet", self.options.platforms),
            self.operator,
            sizes_up_to(self.options.platforms),
            rounds=self.options.rounds,
            stopped=self.options.stopped,
            echo=echo,
        )

    @property
    def operator_folder(self) -> Path:
        """The folder with the package of the operator that is measured."""
        return self.options.code or Path(pryv_operator.__file__).parents[1]

    def close(self) -> None:
        """Stop the control plane."""
        self._resources.close()


def echo(line: str) -> None:
    """Print progress."""
    print(f"[{time.strftime('%H:%M:%S')}] {line}", flush=True)
