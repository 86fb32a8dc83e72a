"""Secrets that are created once: what is reported about a creation."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from pryv_operator.api.kubernetes import Object
from pryv_operator.api.reasons import Reason
from pryv_operator.kube.errors import UnavailableError
from pryv_operator.live.live_objects import LiveObjects
from pryv_operator.reconcile.ensure_secrets import ensure_secrets
from pryv_operator.reconcile.snapshot import Snapshot
from pryv_operator.templates.builtin import load_release
from tests.unit.builders import UID, platform


class FailsAfter:
    """An API server that creates a few Secrets, then fails."""

    def __init__(self, creations: int) -> None:
        self._left = creations
        self.events: list[Object] = []

    async def get(self, *_: Any) -> None:
        return None

    async def create(self, item: Object) -> Object:
        if item["kind"] == "Event":
            self.events.append(item)
            return item
        if self._left == 0:
            raise UnavailableError(503, "ServiceUnavailable", "down")
        self._left -= 1
        return item


async def test_the_events_of_creations_survive_a_later_failure() -> None:
    """The next reconciliation finds the Secrets, so it would not report them."""
    client: Any = FailsAfter(2)
    resource = {
        "apiVersion": "pryv.io/v1alpha1",
        "kind": "PryvPlatform",
        "metadata": {"name": "acme", "namespace": "pryv", "uid": UID, "resourceVersion": "1"},
    }
    snapshot = Snapshot(
        resource=resource,
        platform=platform(),
        bundle=load_release(),
        live=LiveObjects({}),
        history=(),
        secrets={},
        unresolved=frozenset(),
        now=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
    )
    with pytest.raises(UnavailableError):
        await ensure_secrets(client, snapshot)
    assert [each["reason"] for each in client.events] == [Reason.SECRET_GENERATED] * 2
