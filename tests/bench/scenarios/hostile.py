"""A change of a platform beside a tenant whose templates cost as much as they can."""

from __future__ import annotations

from contextlib import ExitStack

from tests.attacks.hostile_tenant import flood, hostile_platform
from tests.bench.context import Context, echo
from tests.bench.measured_operator import MeasuredOperator
from tests.bench.process_usage import FamilyPeak
from tests.bench.results import Measurement, Result
from tests.bench.scenarios.shared_secret import patched_after
from tests.cluster.memory_cgroup import (
    MemoryCgroup,
    NoCgroupsError,
    chart_memory_limit,
    memory_cgroup,
)

_HOSTILE = 20


def measure(context: Context) -> Result:
    """Under the chart's memory limit, where control groups can be created."""
    with context.operator() as operator, ExitStack() as resources:
        try:
            cgroup = resources.enter_context(memory_cgroup(chart_memory_limit()))
        except NoCgroupsError as error:
            echo(f"without the memory limit of the chart: {error}")
            return _measure(context, operator, None)
        with operator.process.started_in(cgroup):
            operator.adopt()
            return _measure(context, operator, cgroup)


def _measure(context: Context, operator: MeasuredOperator, cgroup: MemoryCgroup | None) -> Result:
    rounds = context.options.rounds
    with context.fleet("neighbour", 1) as fleet, context.fleet("hostile", 1) as tenants:
        neighbour, tenant = fleet.user(0), tenants.user(0)
        fleet.install(seconds=300, stopped=True)
        operator.wait_at_rest()
        alone = [patched_after(neighbour, f"Alone {number}") for number in range(rounds)]
        calm = operator.memory().resident
        with FamilyPeak(operator.pid) as peak:
            flood(tenant, "hostile-0")
            for number in range(_HOSTILE):
                tenant.apply(*hostile_platform(number))
            beside = [patched_after(neighbour, f"Beside {number}") for number in range(rounds)]
            healthy = operator.process.status("/healthz")
    notes = [f"/healthz meanwhile: {healthy}."]
    if cgroup:
        notes.append(
            f"By the kernel, page cache included: {cgroup.peak / 2**20:.0f} MiB at most. "
            f"The limit is {chart_memory_limit() / 2**20:.0f} MiB."
        )
    return Result(
        "hostile",
        f"Beside {_HOSTILE} hostile platforms",
        (
            Measurement(
                "until another platform is patched, beyond the gathering second",
                "s",
                tuple(beside),
                tuple(alone),
                "alone",
            ),
            Measurement(
                "peak RSS with child processes", "MiB", (peak.mebibytes,), (calm,), "before"
            ),
        ),
        notes=tuple(notes),
    )
