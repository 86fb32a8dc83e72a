"""Targets with planted faults, for the tests of the fuzzer itself."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from tests.fuzz.target import Target

_LEAKED: list[bytes] = []


class PlantedError(Exception):
    """What the fuzzer has to find."""


def crashing(data: bytes) -> None:
    """Fails for inputs with two words in the right order."""
    before, found, after = data.partition(b"open")
    if found and b"sesame" in after and len(before) > 3:
        raise PlantedError


def slow(data: bytes) -> None:
    """Takes long for long inputs."""
    end = time.thread_time() + (0.1 if len(data) > 1000 else 0)
    while time.thread_time() < end:
        pass


def large(data: bytes) -> None:
    """Takes much memory for long inputs."""
    bytearray(100_000 * len(data))


def leaking(data: bytes) -> None:
    """Leaks objects at each call."""
    _LEAKED.extend(bytes([65, index % 256]) for index in range(100))


def dying(data: bytes) -> None:
    """Kills the interpreter."""
    os.abort()


def _target(run: Callable[[bytes], None]) -> Target:
    return Target(run, (ValueError,), tokens=(b"open", b"sesame", b"shut"), size=2000)


TARGETS = {
    "crashing": _target(crashing),
    "slow": _target(slow),
    "large": _target(large),
    "leaking": _target(leaking),
    "dying": _target(dying),
}
