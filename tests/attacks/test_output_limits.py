"""Small input that makes much output: see "Size of a platform" in docs/secure.md."""

from __future__ import annotations

import asyncio
import resource

import pytest

from pryv_operator.child_processes.limits import ProcessLimits
from pryv_operator.child_processes.pool import ChildProcesses
from pryv_operator.desired.state import Desired, compute_desired
from pryv_operator.templates.builtin import load_release
from pryv_operator.templates.bundle import Bundle
from tests.unit.builders import inputs, platform

#: MiB that the operator's own process may grow by.
ROOM = 48


def multiplying(services: int, files: int, size: int) -> Bundle:
    """Services that all mount one folder with text like that of upstreams, for the port search."""
    compose = "services:\n" + "".join(
        f"  s{number}:\n    image: a:1\n    volumes: ['./big/conf:/c:ro']\n"
        for number in range(services)
    )
    text = ("localhost:80 " * (size // 13)).encode()
    mine = {f"big/conf/{number}.txt": text + str(number).encode() for number in range(files)}
    return load_release().with_files({"core": {"pryv.yml": compose.encode(), **mine}})


@pytest.mark.parametrize(
    ("services", "files", "size", "cores", "words"),
    [
        (64, 4, 900_000, 1, "exceed 4 MiB"),
        (64, 1, 900_000, 8, "exceed 4 MiB"),
        (64, 30, 15_000, 8, "exceed 4 MiB"),
        (13, 900, 10, 32, "files in the folders"),
        (64, 10, 2_000, 32, "workloads"),
    ],
)
def test_output_is_limited_before_it_is_made(
    services: int, files: int, size: int, cores: int, words: str
) -> None:
    bundle = multiplying(services, files, size)
    named = [{"name": f"co{number}"} for number in range(1, cores + 1)]
    given = inputs(platform(roles={"core": {"instances": named}}), bundle=bundle, addresses={})

    async def run() -> Desired:
        children = ChildProcesses(ProcessLimits(deadline_seconds=600))
        found = await children.run("hostile", compute_desired, given)
        await children.close()
        return found

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    (problem,) = asyncio.run(run()).problems
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024 - before < ROOM
    assert problem.reason == "LimitExceeded"
    assert words in problem.message
