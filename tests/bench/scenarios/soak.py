"""Random edits for a while: memory stays flat, and no watch, task or connection is leaked."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from tests.bench.context import Context, echo
from tests.bench.copies import PATCH, copy_namespace
from tests.bench.measured_operator import NO_RESYNC, MeasuredOperator, Stretch
from tests.bench.platforms import NAME, Fleet, spec
from tests.bench.process_usage import open_files, threads
from tests.bench.results import Measurement, Result

_SEED: Final = 13
_SAMPLE_SECONDS: Final = 10.0
#: Makes the number of tasks a metric of the process under test, which has none.
_COUNT_TASKS: Final = (
    "import asyncio; from prometheus_client import Gauge; from pryv_operator.kube import metrics; "
    "Gauge('bench_tasks', 'Tasks.', registry=metrics.REGISTRY)"
    ".set_function(lambda: len(asyncio.all_tasks()))"
)


@dataclass(frozen=True)
class Sample:
    """Of the operator, at one time."""

    at: float
    resident: float
    tasks: int
    open_files: int
    threads: int
    watches: int


def measure(context: Context) -> Result:
    """Edits of all kinds, each of a platform that chance names."""
    minutes, size = context.options.soak_minutes, context.options.platforms
    further: dict[str, Any] = {"stopped": True} if context.options.stopped else {}
    chance = random.Random(_SEED)
    fleet = Fleet(context.cluster, "soak", size)
    fleet.create_namespaces([0])
    with context.operator(*NO_RESYNC, name="soak-install", patch=PATCH) as operator:
        fleet.apply([0], **further)
        fleet.wait_ready([0], seconds=300)
        operator.wait_at_rest()
    names = [fleet.namespace(number) for number in range(size)]
    copy_namespace(context.cluster, names[0], names[1:], echo)
    patch = f"{PATCH}; {_COUNT_TASKS}"
    with context.operator("--resync-seconds=300", name="soak", patch=patch) as operator:
        operator.wait_at_rest()
        samples, edits = [sample(context, operator)], 0
        edited: set[int] = set()

        def soak() -> None:
            nonlocal edits
            began = time.monotonic()
            while (since := time.monotonic() - began) < 60 * minutes:
                edited.add(edit(fleet, chance, further))
                edits += 1
                if since >= _SAMPLE_SECONDS * len(samples):
                    samples.append(sample(context, operator))
                    if len(samples) % 30 == 0:
                        echo(f"{edits} edits: {samples[-1]}")
                time.sleep(context.options.edit_seconds)
            fleet.wait_ready(sorted(edited), seconds=120 + 10 * len(edited))

        stretch = operator.during(soak)
        last, highest = sample(context, operator), operator.memory().peak
    return _result(samples, last, stretch, highest, edits, size)


def _result(
    samples: list[Sample], last: Sample, stretch: Stretch, highest: float, edits: int, size: int
) -> Result:
    first, quarter = samples[0], max(1, len(samples) // 4)
    resident = [each.resident for each in samples]

    def afterwards(name: str, attribute: str) -> Measurement:
        now, before = (float(getattr(each, attribute)) for each in (last, first))
        return Measurement(f"{name}, afterwards", "", (now,), (before,), "before")

    return Result(
        "soak",
        "Soak",
        (
            Measurement(
                "RSS in the last quarter",
                "MiB",
                tuple(resident[-quarter:]),
                tuple(resident[quarter : 2 * quarter]) or (first.resident,),
                "second quarter",
            ),
            Measurement("peak RSS", "MiB", (highest,), (first.resident,), "before"),
            Measurement(
                "peak RSS with child processes",
                "MiB",
                (stretch.peak_mebibytes,),
                (first.resident,),
                "before",
            ),
            afterwards("tasks", "tasks"),
            afterwards("watches at the API server", "watches"),
            afterwards("open files", "open_files"),
            afterwards("threads", "threads"),
            Measurement("CPU of an edit", "s", (stretch.usage.cpu_seconds / edits,)),
        ),
        notes=(
            f"Random edits: {edits}, of {size} platforms, in {stretch.seconds:.0f} s.",
            f"RSS of {len(samples)} samples: {min(resident):.0f} to {max(resident):.0f} MiB.",
        ),
        requests={"each edit": stretch.usage.divided_by(edits).by_verb},
    )


def sample(context: Context, operator: MeasuredOperator) -> Sample:
    """What the operator holds now."""
    tasks = re.search(r"^bench_tasks (\S+)", operator.process.text("/metrics"), re.MULTILINE)
    return Sample(
        at=time.monotonic(),
        resident=operator.memory().resident,
        tasks=int(float(tasks[1])) if tasks else 0,
        open_files=open_files(operator.pid),
        threads=threads(operator.pid),
        watches=watches(context),
    )


def watches(context: Context) -> int:
    """Watches that the API server serves now, for all clients."""
    text = context.cluster.api.text("GET", "/metrics")
    found = re.findall(
        r'^apiserver_longrunning_requests\{[^}]*verb="WATCH"[^}]*\} (\S+)', text, re.MULTILINE
    )
    return sum(int(float(each)) for each in found)


def edit(fleet: Fleet, chance: random.Random, further: dict[str, Any]) -> int:
    """One edit that chance chooses, of a platform that chance names; returns its number."""
    number = chance.randrange(fleet.size)
    user = fleet.user(number)
    name, megabytes = f"Acme {chance.randrange(1000)}", chance.randrange(1, 99)
    cores = {"core": {"instances": [{"name": "co1"}, {"name": "co2"}]}}

    def change(**fields: Any) -> None:
        user.replace_platform(spec(0, **fields, **further))

    def delete(kinds: str) -> None:
        if items := user.list(kinds):
            item = chance.choice(items)
            user.delete(item["kind"], item["metadata"]["name"])

    edits: tuple[Callable[[], object], ...] = (
        change,
        partial(change, variables={"PLATFORM_NAME": name}),
        partial(change, variables={"MAX_UPLOAD_SIZE_MB": megabytes}),
        partial(change, roles=cores),
        partial(delete, "services"),
        partial(delete, "deployments"),
        partial(user.annotate, "pryvplatform", NAME, **{"pryv.io/reconcile": name.split()[1]}),
    )
    chance.choice(edits)()
    return number
