"""Secrets that are created once: what is reported about a creation."""

from __future__ import annotations

import pytest

from pryv_operator.api.kubernetes import Object
from pryv_operator.api.reasons import Reason
from pryv_operator.kube.errors import UnavailableError
from tests.unit.reconcile.secret_cluster import Cluster, reconcile


class FailsAfter(Cluster):
    """An API server that creates a few Secrets, then fails."""

    left = 2

    async def create(self, item: Object) -> Object:
        if item["kind"] == "Secret":
            if self.left == 0:
                raise UnavailableError(503, "ServiceUnavailable", "down")
            self.left -= 1
        return await super().create(item)


async def test_the_events_of_creations_survive_a_later_failure() -> None:
    """The next reconciliation finds the Secrets, so it would not report them."""
    cluster = FailsAfter()
    with pytest.raises(UnavailableError):
        await reconcile(cluster)
    assert [each["reason"] for each in cluster.events] == [Reason.SECRET_GENERATED] * 2
