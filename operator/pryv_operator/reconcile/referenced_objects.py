"""Reads ConfigMaps and Secrets that a platform refers to: together they have a limit."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Final

from pryv_operator.api.kubernetes import Object
from pryv_operator.child_processes.limits import LimitExceededError, mebibytes
from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.resources import CONFIG_MAPS, SECRETS

#: Characters of all data together, base64 included. One object has 1 MiB at most.
TOTAL_LIMIT: Final = 8 * 1024 * 1024
_RETRY_SECONDS: Final = 60.0
#: So many are read at a time.
_CONCURRENCY: Final = 4
_RESOURCES: Final = {resource.kind: resource for resource in (CONFIG_MAPS, SECRETS)}

#: Kind and name.
Reference = tuple[str, str]


async def read_referenced(
    client: KubeClient, namespace: str, references: Collection[Reference]
) -> dict[Reference, Object]:
    """Those of the objects that exist.

    Raises:
        LimitExceededError: they are too large to be held in memory together.
    """
    found: dict[Reference, Object] = {}
    total = 0
    ordered = sorted(references)
    for start in range(0, len(ordered), _CONCURRENCY):
        some = ordered[start : start + _CONCURRENCY]
        items = await asyncio.gather(
            *(client.get(_RESOURCES[kind], namespace, name) for kind, name in some)
        )
        found |= {
            reference: item for reference, item in zip(some, items, strict=True) if item is not None
        }
        total += sum(_size(item) for item in items if item is not None)
        if total > TOTAL_LIMIT:
            limit = f"{mebibytes(TOTAL_LIMIT)} of ConfigMaps and Secrets"
            raise LimitExceededError(limit, _RETRY_SECONDS)
    return found


def _size(item: Object) -> int:
    parts: list[Mapping[str, str]] = [item.get("data") or {}, item.get("binaryData") or {}]
    return sum(len(key) + len(text) for data in parts for key, text in data.items())
