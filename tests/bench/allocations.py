"""What Python allocates for a platform, and how many calls its objects cost: counts, not times."""

from __future__ import annotations

import asyncio
import cProfile
import gc
import json
import pstats
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, cast

from pryv_operator.api import labels_annotations as keys
from pryv_operator.desired.state import compute_desired
from pryv_operator.kube.reflector import Change, Reflector
from pryv_operator.kube.resources import CONFIG_MAPS
from pryv_operator.kube.watch_events import END_OF_LIST, ErrorEvent, WatchEvent, read_event
from pryv_operator.kube.work_queue import Key, WorkQueue
from tests.bench.inputs import inputs_of, with_all_addresses

if TYPE_CHECKING:
    from pryv_operator.kube.client import KubeClient

PLATFORMS: Final = 200
#: Objects that the reflectors follow for a platform of one core: all but its revisions and events.
OBJECTS: Final = 85


async def reflector_bytes() -> float:
    """Bytes for each platform that a reflector keeps, if it follows all of its objects."""
    changes = 0

    def notify(_: Change) -> None:
        nonlocal changes
        changes += 1

    with allocated() as since:
        reflector = Reflector(
            cast("KubeClient", ListedObjects()),
            CONFIG_MAPS,
            None,
            notify,
            keep_labels=frozenset({keys.MANAGED_BY, keys.PLATFORM}),
        )
        following = asyncio.create_task(reflector.run())
        await reflector.synced.wait()
        each = since()[0] / PLATFORMS
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    if changes != PLATFORMS * OBJECTS:
        raise ValueError(f"the reflector: {changes} changes; {PLATFORMS * OBJECTS} are expected")
    return each


async def queue_bytes() -> float:
    """Bytes for each platform that the work queue keeps once all have been reconciled."""
    last = asyncio.Event()

    async def reconcile(_: Key) -> float | None:
        if queue.started() == PLATFORMS:
            last.set()
        return 3600.0

    queue = WorkQueue(reconcile, retryable=())
    queue_keys = [Key(f"platform-{number}", "acme") for number in range(PLATFORMS)]
    with allocated() as since:
        for key in queue_keys:
            queue.add(key)
        working = asyncio.create_task(queue.run())
        await last.wait()
        await asyncio.sleep(0)
        each = since()[0] / PLATFORMS
        queue.stop()
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    return each


def desired_calls() -> int:
    """Calls of functions for all objects of a platform of one core, its templates being known."""
    given = with_all_addresses(inputs_of())
    compute_desired(given)
    profile = cProfile.Profile()
    profile.runcall(compute_desired, given)
    return int(pstats.Stats(profile).total_calls)  # type: ignore[attr-defined]


def desired_bytes() -> int:
    """Bytes at most that are allocated while they are computed."""
    given = with_all_addresses(inputs_of())
    compute_desired(given)
    with allocated() as since:
        compute_desired(given)
        return since()[1]


class ListedObjects:
    """A client whose watch begins with the objects of many platforms, and then waits."""

    async def watch(self, *_: Any, **__: Any) -> AsyncIterator[WatchEvent | ErrorEvent]:
        version = 0
        for platform in range(PLATFORMS):
            for number in range(OBJECTS):
                version += 1
                yield read_event(event(platform, number, version).encode())
        metadata = {"resourceVersion": str(version), "annotations": {END_OF_LIST: "true"}}
        bookmark = {"type": "BOOKMARK", "object": {"metadata": metadata}}
        yield read_event(json.dumps(bookmark).encode())
        await asyncio.Event().wait()


def event(platform: int, number: int, version: int) -> str:
    """As the API server sends it: each string is another one in memory."""
    metadata = {
        "name": f"acme-co1-component-{number}-0123456789",
        "namespace": f"platform-{platform}",
        "resourceVersion": str(version),
        "uid": f"00000000-0000-0000-0000-{version:012}",
        "generation": 1,
        "labels": {
            keys.MANAGED_BY: keys.FIELD_MANAGER,
            keys.PLATFORM: "acme",
            keys.INSTANCE: "co1",
            keys.COMPONENT: f"component-{number}",
        },
        "managedFields": [{"manager": "pryv-operator", "fieldsV1": {"f:data": {}}}],
    }
    return json.dumps({"type": "ADDED", "object": {"kind": "x", "metadata": metadata}})


@contextmanager
def allocated() -> Iterator[Callable[[], tuple[int, int]]]:
    """Yields a function that returns the bytes allocated since, those freed not included; peak."""
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()

        def since() -> tuple[int, int]:
            gc.collect()
            now, peak = tracemalloc.get_traced_memory()
            return now - before, peak - before

        yield since
    finally:
        tracemalloc.stop()
