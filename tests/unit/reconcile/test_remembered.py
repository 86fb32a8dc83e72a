"""Lists are remembered as long as the watches show the same, within a limit of bytes."""

from __future__ import annotations

import json
import marshal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.kube.known_objects import mark, sum_of
from pryv_operator.kube.read_meter import metered
from pryv_operator.kube.work_queue import Key
from pryv_operator.reconcile.remembered import ListKey, RememberedLists, UnservedResources

ACME = Key("pryv", "acme")
LIST = ListKey("services", "a=b", "json")
JSON_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()


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


@given(
    st.recursive(JSON_SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
)
def test_objects_are_remembered_as_they_were_read(value: Any) -> None:
    lists = RememberedLists(clock=Clock())
    read = {**item("x"), "spec": value}
    remembered = lists.remember(ACME, LIST, [json.loads(json.dumps(read))])
    (found,) = remembered.parsed()
    assert json.dumps(found) == json.dumps(read), "types and the order of fields, too"


def test_an_object_is_remembered_however_deep_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(item: Any) -> bytes:
        if isinstance(item, dict):
            raise ValueError("object too deeply nested to marshal")  # noqa: TRY004 - as marshal
        return dumps(item)

    dumps = marshal.dumps
    monkeypatch.setattr(marshal, "dumps", refuse)
    remembered = RememberedLists(clock=Clock()).remember(ACME, LIST, [item("x")])
    assert remembered.parsed() == [item("x")]


def test_what_is_remembered_is_a_copy() -> None:
    lists = RememberedLists(clock=Clock())
    read = item("x")
    remembered = lists.remember(ACME, LIST, [read])
    read["data"] = remembered.parsed()[0]["data"] = "changed"
    assert remembered.parsed() == [item("x")]


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
