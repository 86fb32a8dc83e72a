"""How soon a changed object requests a reconciliation. Pure.

Pods come up in many steps, of which a reconciliation needs the last: that all are ready. The longer
they take, the less often the steps before are looked at. What people and other controllers change
is looked at soon, and what was deleted is restored at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from pryv_operator.kube.reflector import Change
from pryv_operator.kube.resources import (
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    NETWORK_POLICIES,
    PODS,
    PVCS,
    STATEFUL_SETS,
)
from pryv_operator.kube.work_queue import Key

#: Several events of one action are still one reconciliation.
DELETED_SECONDS: Final = 0.1
CHANGED_SECONDS: Final = 0.3
#: While pods come up, the status may be so much older than what it describes: as long as they have
#: been coming up by then, within these limits.
PROGRESS_SECONDS: Final = 5.0
LONGEST_PROGRESS_SECONDS: Final = 15.0

_WORKLOADS: Final = (DEPLOYMENTS, STATEFUL_SETS)
#: Other objects whose status, or owners, change while pods come up. A PVC that is bound has no news
#: either.
_COUNTING_EDITS: Final = (PVCS, DISRUPTION_BUDGETS, NETWORK_POLICIES)
#: What ``kubectl get pods`` shows of a pod that comes up or goes; ``Init:`` has a number.
_IN_PROGRESS: Final = (
    "Pending",
    "ContainerCreating",
    "PodInitializing",
    "Running",
    "Completed",
    "Terminating",
)


class Progress:
    """Which workloads of each platform are not ready, by what the watches show."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing was seen yet. ``clock``: in seconds."""
        self._clock = clock
        self._unready: dict[Key, set[tuple[str, str]]] = {}
        #: Since when a platform has workloads that are not ready.
        self._since: dict[Key, float] = {}

    def wake_after(self, key: Key, change: Change) -> float:
        """Seconds after which a change of a platform's object is looked at."""
        if change.resource in _WORKLOADS:
            return self._after_workload(key, change)
        if change.resource == PODS:
            failing = not change.deleted and _is_failing(change.shown)
            news = change.shown != change.shown_before
            return CHANGED_SECONDS if failing and news else self._progress_seconds(key)
        if change.deleted:
            return DELETED_SECONDS
        if change.resource in _COUNTING_EDITS and not _is_edit(change):
            return self._progress_seconds(key)
        return CHANGED_SECONDS

    def _progress_seconds(self, key: Key) -> float:
        now = self._clock()
        lasted = now - self._since.get(key, now)
        return min(max(PROGRESS_SECONDS, lasted), LONGEST_PROGRESS_SECONDS)

    def _after_workload(self, key: Key, change: Change) -> float:
        identity = (change.resource.kind, change.name)
        unready = self._unready.setdefault(key, set())
        was_unready = identity in unready
        if change.deleted or is_shown_ready(change.shown):
            unready.discard(identity)
        else:
            unready.add(identity)
        delay = self._progress_seconds(key)
        done = not unready
        if done:
            del self._unready[key]
            self._since.pop(key, None)
        else:
            self._since.setdefault(key, self._clock())
        if change.deleted:
            return DELETED_SECONDS
        if _is_edit(change) or (was_unready and done):
            return CHANGED_SECONDS
        return delay


def _is_edit(change: Change) -> bool:
    """Whether the spec has changed: the API server counts that in the generation."""
    return change.generation != change.generation_before


def is_shown_ready(shown: str) -> bool:
    """Whether all pods of a workload are ready, and run its template: ``2/2 2 2``.

    What is not known counts as ready: then each change may be the last.
    """
    ready, *others = shown.split() or ("",)
    number, _, desired = ready.partition("/")
    return number == desired and all(each == desired for each in others)


def _is_failing(shown: str) -> bool:
    """Whether a pod's status is none of one that comes up or goes: ``0/1 CrashLoopBackOff``."""
    status = shown.partition(" ")[2]
    is_init_step = status.startswith("Init:") and status[5:6].isdigit()
    return bool(status) and status not in _IN_PROGRESS and not is_init_step
