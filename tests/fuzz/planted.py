"""Targets with a fault in each, for the tests of the fuzzer itself."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from tests.fuzz.engine import Target

_LOST: list[bytes] = []


class PlantedError(Exception):
    """What the fuzzer is to find."""


def deep(data: bytes) -> None:
    """A fault that only those find who keep what gets them further."""
    if data[:1] == b"d":  # noqa: SIM102 - each step is to be seen
        if data[1:2] == b"e":  # noqa: SIM102
            if data[2:3] == b"e":  # noqa: SIM102
                if data[3:4] == b"p":
                    raise PlantedError


def slow(data: bytes) -> None:
    """Takes a while for long inputs."""
    end = time.thread_time() + (0.1 if len(data) > 1000 else 0)
    while time.thread_time() < end:
        pass


def large(data: bytes) -> None:
    """Takes a lot of memory for long inputs."""
    bytearray(100_000 * len(data))


def leaking(data: bytes) -> None:
    """Keeps something of each run."""
    _LOST.extend(bytes([65, index % 256]) for index in range(50))


def dying(data: bytes) -> None:
    """Ends the interpreter."""
    os.abort()


def _target(run: Callable[[bytes], None]) -> Target:
    return Target(run, (ValueError,), watched=("/tests/fuzz/planted.py",), size=2000)


TARGETS = {
    "deep": _target(deep),
    "slow": _target(slow),
    "large": _target(large),
    "leaking": _target(leaking),
    "dying": _target(dying),
}
