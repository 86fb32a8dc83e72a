"""What a reflector keeps: the sum of a group stands for its objects, however it was reached."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.kube.known_objects import KnownObjects, mark, sum_of

NAMESPACES = st.sampled_from(["a", "b"])
NAMES = st.sampled_from(["x", "y", "z", "x0"])
LABELS = st.sampled_from([(), (("l", "1"),), (("l", "2"),)])
#: Namespace, name, version (None: deleted) and labels.
EVENTS = st.lists(st.tuples(NAMESPACES, NAMES, st.none() | st.sampled_from("123"), LABELS))


@given(EVENTS)
def test_sums_are_those_of_what_is_there(events: list[tuple[str, str, str | None, tuple]]) -> None:  # type: ignore[type-arg]
    known, expected = KnownObjects(), {}
    for namespace, name, version, labels in events:
        if version is None:
            known.remove(namespace, name)
            expected.pop((namespace, name), None)
        else:
            known.set(namespace, name, mark(name, version), labels)
            expected[namespace, name] = (mark(name, version), labels)
    assert len(known) == len(expected)
    for namespace in "ab":
        for labels in ((), (("l", "1"),), (("l", "2"),)):
            group = [
                each
                for (where, _), (each, found) in expected.items()
                if (where, found) == (namespace, labels)
            ]
            assert known.sum(namespace, labels) == sum_of(group)
            assert known.count(namespace, labels) == len(group)
    for (namespace, name), (version_mark, labels) in expected.items():
        found = known.get(namespace, name)
        assert found
        assert (found.mark, found.labels) == (version_mark, labels)
    assert set(known.others({("a", "x")})) == expected.keys() - {("a", "x")}


def test_nothing_stays_of_what_was_deleted() -> None:
    """A day of changes must not add up."""
    known = KnownObjects()
    for number in range(100):
        known.set("a", f"x{number}", number + 1, (("platform", f"p{number}"),))
    for number in range(100):
        known.remove("a", f"x{number}")
    assert not known._objects
    assert not known._groups


@given(st.sets(st.tuples(NAMES, st.sampled_from("0123")), min_size=1))
def test_marks_differ_by_name_and_version(versions: set[tuple[str, str]]) -> None:
    assert len({mark(*each) for each in versions}) == len(versions)


def test_marks_are_the_same_in_every_process() -> None:
    assert mark("acme-reg", "42") == 0xC03E0CC0472470AD96411DBFAE9D884
