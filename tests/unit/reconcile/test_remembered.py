"""Lists are remembered as long as the watches show the same, within a limit of bytes."""

from __future__ import annotations

from typing import Any

from pryv_operator.kube.known_objects import mark, sum_of
from pryv_operator.kube.read_meter import metered
from pryv_operator.kube.work_queue import Key
from pryv_operator.reconcile.remembered import ListKey, RememberedLists, UnservedResources

ACME = Key("pryv", "acme")
LIST = ListKey("services", "a=b", "json")


def item(name: str, version: str = "1", size: int = 0) -> dict[str, Any]:
    return {"metadata": {"name": name, "resourceVersion": version}, "data": "x" * size}


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_list_is_as_it_was_while_nothing_has_moved() -> None:
    lists = RememberedLists(clock=Clock())
    lists.remember(ACME, LIST, [item("x"), item("y")])
    current = sum_of([mark("y", "1"), mark("x", "1")])
    found = lists.get(ACME, LIST, current)
    assert found
    assert found.parsed() == [item("x"), item("y")]
    assert lists.get(ACME, LIST, None) is None, "the watches do not know"
    assert lists.get(ACME, LIST, sum_of([mark("x", "2"), mark("y", "1")])) is None
    assert lists.get(ACME, LIST, mark("x", "1")) is None, "one was deleted"
    assert lists.get(Key("pryv", "other"), LIST, current) is None
    assert lists.knows(ACME, "services", "x", mark("x", "1"))
    assert not lists.knows(ACME, "services", "x", mark("x", "2"))
    assert not lists.knows(ACME, "pods", "x", mark("x", "1"))


def test_what_is_written_replaces_what_was_read() -> None:
    lists = RememberedLists(clock=Clock())
    lists.remember(ACME, LIST, [item("x"), item("y")])
    for _, each in lists.of_resource(ACME, "services"):
        each.set(item("x", "2"))
        each.remove("y")
    found = lists.get(ACME, LIST, mark("x", "2"))
    assert found
    assert found.parsed() == [item("x", "2")]
    assert lists.get(ACME, LIST, sum_of([mark("x", "1"), mark("y", "1")])) is None


def test_a_list_is_read_again_after_a_minute() -> None:
    clock = Clock()
    lists = RememberedLists(clock=clock)
    lists.remember(ACME, LIST, [item("x")])
    clock.now = 59.0
    assert lists.get(ACME, LIST, mark("x", "1"))
    clock.now = 61.0
    assert lists.get(ACME, LIST, mark("x", "1")) is None


def test_the_bytes_of_all_lists_are_limited() -> None:
    lists = RememberedLists(5000, clock=Clock())
    for number in range(100):
        lists.remember(Key("pryv", f"p{number}"), LIST, [item("x", size=1000)])
        assert lists.size() <= 5000
    assert lists.get(Key("pryv", "p99"), LIST, mark("x", "1"))
    assert lists.get(Key("pryv", "p0"), LIST, mark("x", "1")) is None
    lists.remember(ACME, LIST, [item("x", size=10_000)])
    assert lists.size() == 0
    lists.remember(ACME, LIST, [item("x")])
    lists.forget(ACME)
    assert lists.size() == 0


def test_what_is_not_served_is_asked_for_again_after_a_minute() -> None:
    clock = Clock()
    unserved = UnservedResources(clock)
    assert "certificates" not in unserved
    unserved.add("certificates")
    assert "certificates" in unserved
    clock.now = 61.0
    assert "certificates" not in unserved


def test_what_is_remembered_is_held_like_what_is_read() -> None:
    lists = RememberedLists(clock=Clock())
    remembered = lists.remember(ACME, LIST, [item("x", size=1000)])
    with metered() as meter:
        remembered.parsed()
    assert meter.bytes == remembered.size > 1000
