"""What is reported of a reconciliation that fails."""

from __future__ import annotations

from typing import Any

import pytest

from pryv_operator.api.kubernetes import Object
from pryv_operator.child_processes.pool import ChildProcesses
from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.errors import (
    ApiError,
    ConflictError,
    TooDeepError,
    UnavailableError,
    UnreadableError,
)
from pryv_operator.kube.metrics import REGISTRY
from pryv_operator.kube.work_queue import Key
from pryv_operator.reconcile.domains import Domains
from pryv_operator.reconcile.followed import Followed
from pryv_operator.reconcile.memory import Memory
from pryv_operator.reconcile.platform_client import PlatformClient, Seen
from pryv_operator.reconcile.reconciler import Reconciler
from pryv_operator.reconcile.reference_index import References
from pryv_operator.reconcile.remembered import ListKey
from pryv_operator.reconcile.settings import Settings


class Unreachable:
    """An API server that never answers."""

    async def get(self, *_: Any, **__: Any) -> None:
        raise UnavailableError(0, "Timeout", "no answer")


def failed() -> float:
    name = "pryv_operator_reconciliations_total"
    return REGISTRY.get_sample_value(name, {"outcome": "failed"}) or 0.0


async def test_failed_reconciliations_are_counted() -> None:
    client: Any = Unreachable()
    reconciler = reconciler_with(client)
    before = failed()
    with pytest.raises(UnavailableError):
        await reconciler(Key("pryv", "acme"))
    assert failed() == before + 1


VERSION = {"generation": 1, "resourceVersion": "1"}


class NoMemory(Memory):
    """Everything is read by the client of the test."""

    def client(self, client: KubeClient, key: Key) -> PlatformClient:
        seen: Any = client
        seen.seen = Seen()
        result: PlatformClient = seen
        return result


def reconciler_with(client: Any) -> Reconciler:
    settings = Settings(cluster_dns="10.96.0.10")
    domains, memory = Domains(lambda _: None), NoMemory(Followed(client, [None], lambda _: None))
    return Reconciler(client, settings, References(), domains, ChildProcesses(), memory)


class ReportsFail:
    """An API server that has a resource without a spec, and writes no status."""

    def __init__(self, error: ApiError) -> None:
        self._error = error

    async def get(self, *_: Any, **__: Any) -> Object:
        return {"metadata": {"name": "acme", "namespace": "pryv", "uid": "1", **VERSION}}

    async def apply_status(self, _: Object) -> None:
        raise self._error


@pytest.mark.parametrize(
    "error", [ConflictError(409, "Conflict", "changed"), UnavailableError(503, "Down", "no")]
)
async def test_a_status_that_cannot_be_written_does_not_hide_the_failure(
    error: ApiError, caplog: pytest.LogCaptureFixture
) -> None:
    client: Any = ReportsFail(error)
    reconciler = reconciler_with(client)
    with pytest.raises(KeyError, match="spec"):
        await reconciler(Key("pryv", "acme"))
    assert "pryv/acme: writing the status failed" in caplog.text


class ReadsFail:
    """An API server that has a platform, and objects of it that are not read."""

    def __init__(self, error: ApiError) -> None:
        self._error = error
        self.statuses: list[Object] = []

    async def get(self, *_: Any, **__: Any) -> Object:
        metadata = {"name": "acme", "namespace": "pryv", "uid": "1", **VERSION}
        named = {"apiVersion": "pryv.io/v1alpha1", "kind": "PryvPlatform"}
        return {**named, "metadata": metadata, "spec": {"domain": "acme.test"}}

    async def list_reduced(self, *_: Any, **__: Any) -> None:
        raise self._error

    async def apply_status(self, item: Object) -> Object:
        self.statuses.append(item["status"])
        return item

    async def create(self, item: Object) -> Object:
        return item


@pytest.mark.parametrize(
    "error",
    [
        UnreadableError(0, "TooLarge", "more than 9 bytes; delete some"),
        TooDeepError("nested too deeply; delete some", {}),
    ],
)
async def test_what_is_too_much_to_be_read_is_reported(error: ApiError) -> None:
    """At once, and tried again: the status is the only place where its owner looks."""
    client: Any = ReadsFail(error)
    with pytest.raises(UnreadableError):
        await reconciler_with(client)(Key("pryv", "acme"))
    ready = next(each for each in client.statuses[-1]["conditions"] if each["type"] == "Ready")
    assert ready["reason"] == "LimitExceeded"
    assert error.message in ready["message"]


class Remembering:
    """An API server without platforms. ``remembered``: bytes in memory when it is first asked."""

    def __init__(self) -> None:
        self.memory: Memory | None = None
        self.remembered = -1

    async def get(self, *_: Any, **__: Any) -> None:
        assert self.memory
        self.remembered = self.memory._lists.size()


@pytest.mark.parametrize(("deadline", "is_judged"), [(3.0, True), (60.0, False), (None, False)])
async def test_whether_a_deadline_was_met_is_not_judged_by_what_is_remembered(
    deadline: float | None, is_judged: bool
) -> None:
    """A watch that is late shows components that are not ready, and a rollback would follow."""
    key = Key("pryv", "acme")
    client: Any = Remembering()
    reconciler = reconciler_with(client)
    client.memory = reconciler._memory
    listed = ListKey("deployments", "", "json")
    reconciler._memory._lists.remember(key, listed, [{"metadata": {"name": "a", **VERSION}}])
    if deadline:
        reconciler._deadlines[key] = deadline
    assert reconciler._requeue_after(key, settled=False) == (deadline if is_judged else 15.0)
    await reconciler(key)
    assert (client.remembered == 0) == is_judged
    assert not reconciler._judging
