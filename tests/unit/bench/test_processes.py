"""CPU time, memory and children of processes, as the benchmarks read them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.bench.commands import alternate, run
from tests.bench.process_usage import (
    FamilyPeak,
    children,
    cpu_seconds,
    memory,
    open_files,
    own_cpu_seconds,
    threads,
)

PYTHON = (sys.executable, "-S", "-c")
#: Starts a child that holds 32 MiB and has used CPU time, and waits for the end of its input.
PARENT = (
    "import subprocess, sys; "
    "child = subprocess.Popen([sys.executable, '-S', '-c', "
    "'held = bytearray(32 << 20); sum(range(2_000_000)); print(1, flush=True); input()']); "
    "input()"
)


@contextmanager
def family() -> Iterator[int]:
    """The process id of a parent whose child has begun."""
    with subprocess.Popen(
        (*PYTHON, PARENT), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        try:
            yield parent.pid
        finally:
            parent.communicate(b"\n\n")


def test_children_count() -> None:
    with family() as parent:
        (child,) = children(parent)
        assert memory(child).resident > 32
        assert memory(child).peak >= memory(child).resident
        assert own_cpu_seconds(child) > 0
        assert cpu_seconds(parent) >= own_cpu_seconds(parent) + own_cpu_seconds(child)
        with FamilyPeak(parent) as peak:
            pass
        assert peak.mebibytes >= memory(child).resident + memory(parent).resident - 1
        assert threads(parent) == 1
        assert open_files(parent) >= 3


def test_a_process_that_has_ended_uses_nothing() -> None:
    with family() as parent:
        pass
    assert memory(parent).resident == cpu_seconds(parent) == open_files(parent) == 0
    assert children(parent) == []


def test_a_command_is_measured_without_the_one_that_measures() -> None:
    held = bytearray(64 << 20)
    small, large = alternate(1, (*PYTHON, "pass"), (*PYTHON, "held = bytearray(64 << 20); input"))
    assert memory(os.getpid()).resident > len(held) >> 20
    assert 0 < small[0].peak_mebibytes < 64
    assert small[0].seconds > 0
    assert large[0].cpu_seconds > 0


def test_a_command_that_fails_is_not_a_figure() -> None:
    with pytest.raises(subprocess.CalledProcessError, match="exit status 3"):
        run((*PYTHON, "raise SystemExit(3)"))
