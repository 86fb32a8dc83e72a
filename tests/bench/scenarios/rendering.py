"""Computing all objects of a platform, compared with writing them; the limits of its size."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from pryv_operator.child_processes.limits import ProcessLimits
from pryv_operator.child_processes.pool import ChildProcesses
from pryv_operator.desired.inputs import Inputs
from pryv_operator.desired.state import compute_desired
from pryv_operator.live.apply import compute_changes
from pryv_operator.live.drift import find_drift
from pryv_operator.live.live_objects import LiveObjects
from pryv_operator.rollout.revision_record import state_digest
from tests.bench.context import Context
from tests.bench.inputs import inputs_of, with_all_addresses
from tests.bench.process_usage import memory
from tests.bench.results import Measurement, Result
from tests.bench_rendering import Comparison, against_node, against_plain_re

_TWO_CORES: Final = {"core": {"instances": [{"name": "co1"}, {"name": "co2"}]}, "reg-slave": {}}


@dataclass(frozen=True)
class Largest:
    """The largest platform that the limits admit, computed and compared once."""

    objects: int
    mebibytes: float
    seconds: float
    longest_stretch: float
    added_memory: float


def measure(context: Context) -> Result:
    """CPU of ``compute_desired``, and what the largest platform costs."""
    given = with_all_addresses(inputs_of(roles=_TWO_CORES))
    state = compute_desired(given)
    objects = [*state.services, *state.objects]
    computed, encoded = [], []
    for _ in range(3 * context.options.rounds):
        started = time.process_time()
        compute_desired(given)
        computed.append(time.process_time() - started)
        started = time.process_time()
        json.dumps(objects)
        encoded.append(time.process_time() - started)
    largest = asyncio.run(_largest())
    plain = against_plain_re()
    node = against_node()
    found = [_compared(plain, "substitution", plain.substituted, "Python's re")]
    if node:
        found += [
            _compared(node, "substitution", node.substituted, "Node, as the leader"),
            _compared(node, "rendering with all checks", node.rendered, "Node, as the leader"),
        ]
    return Result(
        "rendering",
        "Rendering",
        (
            *found,
            Measurement(
                f"CPU of compute_desired(), two cores and a reg-slave, {len(objects)} objects",
                "ms",
                tuple(1000 * each for each in computed),
                tuple(1000 * each for each in encoded),
                "json.dumps of the objects",
            ),
            Measurement(
                f"largest platform ({largest.objects} objects, {largest.mebibytes:.1f} MiB), "
                "computed and compared",
                "s",
                (largest.seconds,),
                (min(computed),),
                "two cores, CPU",
            ),
            Measurement(
                "largest platform: longest stretch of the event loop", "s",
                (largest.longest_stretch,), (largest.seconds,), "all of it",
            ),
            Measurement(
                "largest platform: memory in addition", "MiB", (largest.added_memory,),
                (largest.mebibytes,), "its JSON",
            ),
        ),
        notes=(
            "CPU of the comparisons is the least of 30 rounds, once the programs are warm.",
            "Node runs the algorithm of Pryv's leader. The texts are equal.",
        ),
    )  # fmt: skip


def _compared(beside: Comparison, what: str, seconds: float, other: str) -> Measurement:
    """Milliseconds of CPU for the archive of a release. The texts have to be equal.

    Raises:
        ValueError: they are not.
    """
    if not beside.equal:
        raise ValueError(f"{other}: its texts differ from ours; the comparison is not valid")
    return Measurement(
        f"{what} of an archive, CPU", "ms", (1000 * seconds,), (1000 * beside.theirs,), other
    )


async def _largest() -> Largest:
    """As a reconciliation computes and compares it: in a child process, and in threads."""
    given = near_the_limits()
    gc.freeze()  # as the operator does when it starts
    before = memory(os.getpid()).resident
    children = ChildProcesses(ProcessLimits(deadline_seconds=600))
    with _stretches() as stretches:
        started = time.perf_counter()
        found = await children.run("bench", compute_desired, given)
        objects = [*found.services, *found.objects]
        changes = await asyncio.to_thread(compute_changes, objects, LiveObjects({}))
        live = LiveObjects({}).with_objects(changes.objects)
        await asyncio.to_thread(find_drift, objects, live)
        await asyncio.to_thread(state_digest, objects)
        await asyncio.sleep(0.01)
        seconds = time.perf_counter() - started
    await children.close()
    return Largest(
        objects=len(objects),
        mebibytes=sum(len(json.dumps(item)) for item in objects) / 2**20,
        seconds=seconds,
        longest_stretch=max(stretches),
        added_memory=memory(os.getpid()).resident - before,
    )


def near_the_limits() -> Inputs:
    """Two services with many variables, which each of 32 cores has."""
    variables = "".join(f"      E{number}: v\n" for number in range(2300))
    text = (
        f"services:\n  a:\n    image: a:1\n    environment: &all\n{variables}"
        "  b:\n    image: a:1\n    environment: *all\n"
    )
    cores = [{"name": f"co{number}"} for number in range(1, 33)]
    given = inputs_of(roles={"core": {"instances": cores}, "reg-slave": {}})
    files = {"core": {"pryv.yml": text.encode()}}
    return with_all_addresses(replace(given, bundle=given.bundle.with_files(files)))


@contextlib.contextmanager
def _stretches() -> Iterator[list[float]]:
    """Seconds that a task which is always due has waited, each time."""
    found = [0.0]

    async def beat() -> None:
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0.001)
            now = time.perf_counter()
            found.append(now - last - 0.001)
            last = now

    task = asyncio.get_running_loop().create_task(beat())
    try:
        yield found
    finally:
        task.cancel()
