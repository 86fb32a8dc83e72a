"""A fleet that grows: what the operator uses at each of several sizes."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from tests.api.platforms import Object, PlatformUser
from tests.bench.measured_operator import MeasuredOperator, Stretch
from tests.bench.platforms import NAME, is_ready
from tests.bench.process_usage import Memory
from tests.bench.usage import Usage
from tests.cluster.waiting import WaitTimeoutError

#: The operator's default: changes within so long are one reconciliation.
GATHERING_SECONDS: Final = 1.0
_CHANGE_SECONDS: Final = 300.0
_POLL_SECONDS: Final = 0.05
_WORKLOADS: Final = "deployments,statefulsets"


@dataclass(frozen=True)
class ColdStart:
    """From the start of the process with platforms that need nothing."""

    ready_seconds: float
    #: Until the last platform was looked at.
    rest_seconds: float
    usage: Usage
    memory: Memory


@dataclass(frozen=True)
class Change:
    """A variable of one platform was changed."""

    #: Until the last workload was patched.
    seconds: float
    usage: Usage
    workloads: int
    #: A client that only patches as many workloads, one after another.
    bare_seconds: float


@dataclass(frozen=True)
class AtSize:
    """What was measured while there were so many platforms."""

    size: int
    start: ColdStart
    changes: tuple[Change, ...]
    #: After the changes.
    memory: Memory
    #: Per interval of resync.
    resync: Usage
    resync_seconds: float


@dataclass(frozen=True)
class AtSizes:
    """What was measured with one fleet."""

    #: Of the first platform, and how many objects it is for the operator.
    install: Stretch
    objects: int
    #: How many objects each copy of it is in etcd: those of controllers are among them.
    copied: int
    sizes: tuple[AtSize, ...]


def sizes_up_to(largest: int) -> tuple[int, ...]:
    """1, 10, 100, … and the largest."""
    found = [1]
    while found[-1] * 10 < largest:
        found.append(found[-1] * 10)
    return tuple(dict.fromkeys((*found, largest)))


def change_variable(user: PlatformUser, spec: Object, operator: MeasuredOperator) -> Change:
    """Change PLATFORM_NAME and watch the workloads."""
    before, started = _generations(user), time.monotonic()
    last, patched = started, before

    def change() -> None:
        nonlocal last, patched
        user.replace_platform(spec, NAME)
        while time.monotonic() - started < _CHANGE_SECONDS:
            now = _generations(user)
            if now != patched:
                patched, last = now, time.monotonic()
            if patched != before and is_ready(user.get("pryvplatform", NAME)):
                return
            time.sleep(_POLL_SECONDS)
        raise WaitTimeoutError(f"waited {_CHANGE_SECONDS:g} s for the change of a variable")

    stretch = operator.during(change)
    changed = [key for key, generation in patched.items() if before.get(key) != generation]
    bare = _patch_bare(user, changed)
    operator.wait_at_rest()
    return Change(last - started - GATHERING_SECONDS, stretch.usage, len(changed), bare)


def _generations(user: PlatformUser) -> dict[tuple[str, str], int]:
    return {
        (item["kind"], item["metadata"]["name"]): item["metadata"]["generation"]
        for item in user.list(_WORKLOADS)
    }


def _patch_bare(user: PlatformUser, keys: list[tuple[str, str]]) -> float:
    started = time.perf_counter()
    for kind, name in keys:
        user.annotate(kind.lower(), name, **{"example.com/bench": str(started)})
    return time.perf_counter() - started
