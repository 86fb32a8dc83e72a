"""Whose a change was that the watches showed during a reconciliation: its end shows that."""

from __future__ import annotations

import tracemalloc
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.kube.reflector import Change
from pryv_operator.kube.resources import DEPLOYMENTS, SERVICES, Resource
from pryv_operator.kube.work_queue import Key
from pryv_operator.reconcile.followed import Followed
from pryv_operator.reconcile.meanwhile import Meanwhile
from pryv_operator.reconcile.memory import Memory
from pryv_operator.reconcile.remembered import ListKey
from pryv_operator.reconcile.triggers import Triggers
from tests.unit.reconcile.test_triggers import OWN, Queue, triggers

ACME = Key("n", "acme")


def change(version: int, name: str = "x", resource: Resource = SERVICES, **fields: Any) -> Change:
    labels = tuple(sorted(OWN.items()))
    return Change(resource, "n", name, deleted=version == 0, labels=labels, mark=version, **fields)


def test_nothing_is_held_of_a_platform_that_is_not_being_reconciled() -> None:
    meanwhile = Meanwhile()
    assert not meanwhile.hold(ACME, change(1), 5.0)
    meanwhile.begin(ACME)
    assert meanwhile.hold(ACME, change(1), 5.0)
    assert not meanwhile.hold(Key("n", "other"), change(1), 5.0)
    assert meanwhile.end(ACME) == 5.0
    assert not meanwhile.hold(ACME, change(1), 5.0)
    assert meanwhile.end(ACME) is None


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 9)), max_size=8), st.integers(0, 4))
def test_what_comes_after_the_last_known_version_counts(
    changes: list[tuple[int, int]], known: int
) -> None:
    meanwhile = Meanwhile()
    meanwhile.begin(ACME)
    for version, due in changes:
        meanwhile.hold(ACME, change(version), float(due))
        meanwhile.hold(ACME, change(9, "other"), 100.0)
    meanwhile.drop(ACME, lambda each: each.name == "other" or each.mark == known)
    versions = [version for version, _ in changes]
    after = len(versions) - versions[::-1].index(known) if known in versions else 0
    assert meanwhile.end(ACME) == min((float(due) for _, due in changes[after:]), default=None)


def test_however_often_others_write_little_is_held() -> None:
    """A tenant's reconciliation may wait for minutes, and he writes a thousand times a second."""
    meanwhile = Meanwhile()
    meanwhile.begin(ACME)
    tracemalloc.start()
    try:
        for version in range(1, 50_000):
            meanwhile.hold(ACME, change(version, f"x{version % 7}"), 100.0 - version % 9)
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size < 4 << 20
    meanwhile.drop(ACME, lambda _: True)
    assert meanwhile.end(ACME) == 92.0, "what was too much is looked at in any case"


class Reconciling:
    """A platform that is being reconciled; the reconciliation knows some versions of objects."""

    def __init__(self) -> None:
        self.queue = Queue()
        self.known: set[int] = set()
        meanwhile = Meanwhile()
        self.triggers: Triggers = triggers(
            self.queue, has_seen=lambda _, each: each.mark in self.known, meanwhile=meanwhile
        )
        meanwhile.begin(ACME)


async def test_a_write_that_the_watch_shows_before_its_answer_enqueues_nothing() -> None:
    given = Reconciling()
    given.triggers.on_object_change(change(1, generation=1))
    given.known.add(1)  # the answer
    given.triggers.on_reconciled(ACME)
    assert given.queue.keys == []


async def test_what_others_change_meanwhile_is_enqueued_at_the_end_as_soon_as_it_is_due() -> None:
    given = Reconciling()
    given.triggers.on_object_change(change(1))
    given.triggers.on_object_change(change(2))
    given.known.add(1)
    assert given.queue.keys == []
    given.triggers.on_reconciled(ACME)
    assert given.queue.keys == [ACME]
    assert 0.0 <= given.queue.delays[0] <= 0.3
    given.triggers.on_object_change(change(3))
    assert given.queue.keys == [ACME, ACME], "and at once when nothing is under way"


async def test_a_deleted_object_is_restored_although_the_reconciliation_has_written_it() -> None:
    given = Reconciling()
    given.known.add(1)
    given.triggers.on_object_change(change(1))
    given.triggers.on_object_change(change(0))
    given.triggers.on_reconciled(ACME)
    assert given.queue.keys == [ACME]


async def test_the_status_of_a_workload_that_was_just_written_is_looked_at_later() -> None:
    """The write itself would be looked at soon."""
    given = Reconciling()
    workload: Any = {"resource": DEPLOYMENTS, "name": "acme-reg-dns"}
    given.triggers.on_object_change(change(1, **workload, shown="0/1 0 0", generation=1))
    given.triggers.on_object_change(
        change(2, **workload, shown="0/1 1 0", generation=1, generation_before=1)
    )
    given.known.add(1)
    given.triggers.on_reconciled(ACME)
    assert given.queue.delays[0] > 4.0


def test_what_is_known_when_the_lists_are_dropped_stays_known() -> None:
    client: Any = None
    memory = Memory(Followed(client, [None], lambda _: None))
    item = {"metadata": {"name": "x", "resourceVersion": "7"}}
    remembered = memory._lists.remember(ACME, ListKey("services", "", ""), [item])
    memory.meanwhile.begin(ACME)
    memory.meanwhile.hold(ACME, change(remembered.marks["x"]), 1.0)
    memory.forget_lists(ACME)
    memory.meanwhile.hold(ACME, change(5, "y"), 2.0)
    assert memory.meanwhile.end(ACME) == 2.0
