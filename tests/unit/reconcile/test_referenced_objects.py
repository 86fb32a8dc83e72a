"""The objects that a platform refers to, and their limit together."""

from __future__ import annotations

from typing import Any

import pytest

from pryv_operator.api.kubernetes import Object
from pryv_operator.child_processes.limits import LimitExceededError
from pryv_operator.reconcile.referenced_objects import TOTAL_LIMIT, read_referenced

MIB = 1024 * 1024


class Cluster:
    """ConfigMaps and Secrets of one size; counts what is read."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.read = 0

    async def get(self, resource: Any, _: str, name: str) -> Object | None:
        self.read += 1
        if name == "missing":
            return None
        field = "data" if resource.kind == "Secret" else "binaryData"
        return {"kind": resource.kind, "metadata": {"name": name}, field: {"k": "x" * self.size}}


async def test_existing_objects_are_returned_by_kind_and_name() -> None:
    client: Any = Cluster(10)
    wanted = [("Secret", "a"), ("ConfigMap", "a"), ("ConfigMap", "missing")]
    assert {*await read_referenced(client, "pryv", wanted)} == {("Secret", "a"), ("ConfigMap", "a")}


@pytest.mark.parametrize("kind", ["Secret", "ConfigMap"])
async def test_objects_that_are_too_large_together_are_not_all_read(kind: str) -> None:
    client: Any = Cluster(MIB - 1)
    references = [(kind, f"n{number}") for number in range(200)]
    most = TOTAL_LIMIT // MIB
    assert len(await read_referenced(client, "pryv", references[:most])) == most
    client.read = 0
    with pytest.raises(LimitExceededError, match="8 MiB of ConfigMaps and Secrets") as error:
        await read_referenced(client, "pryv", references)
    assert client.read <= most + 4
    assert error.value.retry_after > 0
