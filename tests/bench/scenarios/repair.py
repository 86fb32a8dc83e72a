"""An object is deleted: how long until the operator has recreated it."""

from __future__ import annotations

import time
from typing import Final

from tests.api.platforms import PlatformUser
from tests.api.test_drift import config_of
from tests.bench.context import Context
from tests.bench.results import Measurement, Result
from tests.bench.scenarios.install import bare
from tests.cluster.waiting import wait_until

_OBJECTS: Final = (
    ("configmap", None),
    ("service", "acme-co1-core"),
    ("deployment", "acme-reg-register"),
)


def measure(context: Context) -> Result:
    """Three kinds; a client that creates the same object at once is the baseline."""
    with context.operator() as operator, context.fleet("repair", 1) as fleet:
        fleet.install(seconds=300)
        user = fleet.user(0)
        found = []
        for kind, name in _OBJECTS:
            seconds, at_once = [], []
            for _ in range(context.options.rounds):
                operator.wait_at_rest()
                chosen = name or config_of(user, "acme-reg-redis")
                at_once.append(_bare(context, user, kind, chosen))
                seconds.append(_until_recreated(user, kind, chosen))
            found.append(
                Measurement(
                    f"a deleted {kind} is recreated after",
                    "s",
                    tuple(seconds),
                    tuple(at_once),
                    "bare creation",
                )
            )
    return Result("repair", "A deleted object", tuple(found))


def _until_recreated(user: PlatformUser, kind: str, name: str) -> float:
    uid = user.get(kind, name)["metadata"]["uid"]
    user.delete(kind, name)
    gone = time.perf_counter()
    wait_until(
        lambda: (user.find(kind, name) or {}).get("metadata", {}).get("uid", uid) != uid,
        f"{kind} {name}",
        seconds=60,
        every=0.01,
    )
    return time.perf_counter() - gone


def _bare(context: Context, user: PlatformUser, kind: str, name: str) -> float:
    """Seconds of one creation of a copy under another name."""
    item = bare(user.get(kind, name))
    copy = {**item, "metadata": {**item["metadata"], "name": f"{name}-bare"}}
    started = time.perf_counter()
    context.cluster.api.create(user.path(kind), copy)
    seconds = time.perf_counter() - started
    user.delete(kind, f"{name}-bare")
    return seconds
