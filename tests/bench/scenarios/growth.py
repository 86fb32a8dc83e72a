"""How costs grow with the number of platforms, of cores and of variables."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Final

from pryv_operator.desired.inputs import Inputs
from pryv_operator.desired.state import compute_desired
from tests.bench.allocations import OBJECTS, queue_bytes, reflector_bytes
from tests.bench.context import Context
from tests.bench.inputs import inputs_of, with_all_addresses
from tests.bench.results import Measurement, Result, growth_exponent, slope
from tests.bench_rendering import seconds_by_bytes, seconds_by_variables

#: The spec admits 32 cores at most.
_CORES: Final = (1, 2, 4, 8, 16, 32)
_VARIABLES: Final = (250, 500, 1000, 2000)
_FILE_KIB: Final = (50, 100, 200, 400)


def measure(context: Context) -> Result:
    """Fitted exponents: 1 is linear."""
    fleet = context.at_sizes
    sizes = fleet.sizes
    numbers = [at.size for at in sizes]
    rounds = context.options.rounds
    found = [
        _exponent("CPU of compute_desired() by cores", _CORES, partial(_of_cores, rounds)),
        _exponent("CPU of compute_desired() by variables", _VARIABLES, partial(_of_lines, rounds)),
        _exponent(
            "CPU of compute_desired() by KiB of a file", _FILE_KIB, partial(_of_file, rounds)
        ),
        _fitted("CPU of substitution by bytes", seconds_by_bytes()),
        _fitted("CPU of substitution by variables", seconds_by_variables()),
    ]
    kept = (asyncio.run(reflector_bytes()), asyncio.run(queue_bytes()))
    found += [
        Measurement(f"bytes of each platform in {where}", "B", (each,), (OBJECTS,), "objects")
        for where, each in zip(("the reflectors", "the work queue"), kept, strict=True)
    ]
    if len(sizes) > 1:
        found += [
            Measurement(name, "", (growth_exponent(numbers, values),))
            for name, values in (
                (
                    "exponent: CPU of a start by platforms",
                    [at.start.usage.cpu_seconds for at in sizes],
                ),
                (
                    "exponent: CPU of a resync by platforms",
                    [at.resync.cpu_seconds for at in sizes],
                ),
                (
                    "exponent: memory after a start by platforms",
                    [at.start.memory.resident for at in sizes],
                ),
            )
        ]
        found += [
            Measurement(
                "memory of each further platform, after a start",
                "KiB",
                (1024 * slope(numbers, [at.start.memory.resident for at in sizes]),),
            ),
            Measurement(
                "memory of each further platform, after changes",
                "KiB",
                (1024 * slope(numbers, [at.memory.resident for at in sizes]),),
            ),
            *(
                Measurement(
                    f"peak RSS, start and changes, {at.size} platforms",
                    "MiB",
                    (at.memory.peak,),
                    (sizes[0].memory.peak,),
                    f"{sizes[0].size} platforms",
                )
                for at in sizes
            ),
        ]
    pods = "without pods (`stopped: true`)" if context.options.stopped else "with simulated pods"
    return Result(
        "growth",
        "Growth",
        tuple(found),
        notes=(
            "An exponent of 1 is linear growth, one of 0 is none.",
            f"Platforms are of one core, {fleet.objects} objects each, {pods}.",
            "All but the first are copies of it in etcd.",
            "The spec admits 32 cores.",
        ),
    )


def _exponent(name: str, sizes: tuple[int, ...], measured: Callable[[int], float]) -> Measurement:
    return Measurement(
        f"exponent: {name}", "", (growth_exponent(sizes, list(map(measured, sizes))),)
    )


def _fitted(name: str, seconds: Mapping[int, float]) -> Measurement:
    exponent = growth_exponent(list(seconds), list(seconds.values()))
    return Measurement(f"exponent: {name}", "", (exponent,))


def _of_cores(rounds: int, count: int) -> float:
    cores = [{"name": f"co{number}"} for number in range(1, count + 1)]
    return _cpu(rounds, with_all_addresses(inputs_of(roles={"core": {"instances": cores}})))


def _of_lines(rounds: int, count: int) -> float:
    """Variables of the environment, and as many files' lines that use one."""
    variables = "".join(f"      E{number}: v\n" for number in range(count))
    text = f"services:\n  a:\n    image: a:1\n    environment:\n{variables}"
    return _cpu(rounds, _with_file("pryv.yml", text))


def _of_file(rounds: int, kibibytes: int) -> float:
    line = "# a line of a file that holds no variable, as most do: 64 bytes\n"
    text = "services:\n  a:\n    image: a:1\n    volumes: [/app/conf/:/app/conf/]\n"
    given = _with_file("pryv.yml", text)
    files = {"core": {"pryv.yml": text.encode(), "a/conf/a.conf": (line * 16 * kibibytes).encode()}}
    return _cpu(rounds, replace(given, bundle=given.bundle.with_files(files)))


def _with_file(path: str, text: str) -> Inputs:
    given = inputs_of()
    return with_all_addresses(
        replace(given, bundle=given.bundle.with_files({"core": {path: text.encode()}}))
    )


def _cpu(rounds: int, given: Inputs) -> float:
    """The least CPU time of some rounds."""
    compute_desired(given)
    found = []
    for _ in range(rounds):
        started = time.process_time()
        compute_desired(given)
        found.append(time.process_time() - started)
    return min(found)
