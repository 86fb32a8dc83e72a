"""Secrets that are created once: what is reported about a creation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.api.kubernetes import Object
from pryv_operator.api.reasons import Reason
from pryv_operator.kube.errors import UnavailableError
from pryv_operator.kube.event_recorder import MAX_NOTE
from pryv_operator.reconcile.events import packed
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
    (event,) = cluster.events
    assert event["reason"] == Reason.SECRET_GENERATED
    assert event["note"].count("generated a value of") == 2


async def test_values_that_are_generated_together_are_announced_together() -> None:
    """Each by name, and certificates apart from values."""
    cluster = Cluster()
    secrets, _ = await reconcile(cluster)
    notes = {each["reason"]: each["note"] for each in cluster.events}
    assert [*notes] == [Reason.SECRET_GENERATED, Reason.CERTIFICATE_ISSUED]
    assert len(cluster.events) == 2
    assert all(name in notes[Reason.SECRET_GENERATED] for name in secrets.values)
    assert notes[Reason.CERTIFICATE_ISSUED].count("issued the platform's private") == 2


@given(st.lists(st.text("ab", min_size=1, max_size=MAX_NOTE), max_size=12))
def test_announcements_are_whole_in_order_and_few(messages: list[str]) -> None:
    notes = packed(messages)
    assert "; ".join(notes) == "; ".join(messages)
    assert all(len(note) <= MAX_NOTE for note in notes)
    assert len(notes) <= 1 + 2 * len("; ".join(messages)) // MAX_NOTE
