"""Variables in compose files, as the specification's page on interpolation says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.compose.error import ComposeError
from pryv_operator.compose.interpolation import Interpolated, interpolate

KNOWN = {"SET": "/srv", "EMPTY": ""}


def of(text: str) -> Interpolated:
    return interpolate("services.core.command", text, KNOWN)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a", "a"),
        ("$$", "$"),
        ("$$SET", "$SET"),
        ("$${SET}", "${SET}"),
        ("$", "$"),
        ("$1 $.", "$1 $."),
        ("$SET/x", "/srv/x"),
        ("${SET}x", "/srvx"),
        ("${SET:-a}", "/srv"),
        ("${SET-a}", "/srv"),
        ("${EMPTY:-a}", "a"),
        ("${EMPTY-a}", ""),
        ("${NONE:-a}", "a"),
        ("${NONE-a}", "a"),
        ("${NONE:-}", ""),
        ("${NONE-a-b:c}", "a-b:c"),
        ("${NONE:-a$$b}", "a$b"),
        ("${SET:+a}", "a"),
        ("${SET+a}", "a"),
        ("${EMPTY:+a}", ""),
        ("${EMPTY+a}", "a"),
        ("${NONE:+a}", ""),
        ("${NONE+a}", ""),
        ("${SET:?no}", "/srv"),
        ("${SET?no}", "/srv"),
        ("${EMPTY?no}", ""),
        ("${NONE:-${SET}}", "/srv"),
        ("${NONE:-${OTHER:-${SET}/x}y}z", "/srv/xyz"),
        ('${NONE:-{"a": {}}}', '{"a": {}}'),
        ("${SET:-${NONE:?no}}", "/srv"),
    ],
)
def test_values(text: str, value: str) -> None:
    assert of(text) == Interpolated(value)


@pytest.mark.parametrize(
    ("text", "value", "unset"),
    [
        ("a$NONE", "a", ("NONE",)),
        ("${NONE}", "", ("NONE",)),
        ("${NONE:-$B${C}}", "", ("B", "C")),
        ("$A$A", "", ("A",)),
        ("${SET+$A}", "", ("A",)),
        ("${NONE+$A}", "", ()),
        ("$SETx", "", ("SETx",)),
    ],
)
def test_unset_variables_are_empty_and_named(text: str, value: str, unset: tuple[str, ...]) -> None:
    assert of(text) == Interpolated(value, unset)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${NONE?no}", "$NONE is required"),
        ("${EMPTY:?secret}", "$EMPTY is required"),
        ("${}", "not a valid"),
        ("${1}", "not a valid"),
        ("${A/b/c}", "not a valid"),
        ("${A:b}", "not a valid"),
        ("${A", "is not closed"),
        ("${A:-${B}", "is not closed"),
        ("${A:-" * 30 + "}" * 30, "nested deeper"),
    ],
)
def test_what_is_not_valid_is_refused_without_its_text(text: str, message: str) -> None:
    with pytest.raises(ComposeError) as raised:
        of(text)
    assert str(raised.value).startswith("services.core.command: ")
    assert message in str(raised.value)
    assert "secret" not in str(raised.value)


@given(st.text(st.sampled_from("$${}:-+?ab{}")))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        of(text)
    except ComposeError:
        assert "${" in text


@given(st.text())
def test_a_text_with_its_dollars_doubled_is_itself(text: str) -> None:
    assert of(text.replace("$", "$$")) == Interpolated(text)


@given(
    st.recursive(
        st.sampled_from(["$SET", "a", None]),
        lambda of: st.lists(of) | st.dictionaries(st.just("$SET"), of),
    )
)
def test_every_text_in_lists_and_maps_is_read_but_no_key(value: object) -> None:
    found = interpolate("a", value, KNOWN)
    assert repr(found.value) == repr(value).replace("'$SET'", "'/srv'").replace(
        "'/srv':", "'$SET':"
    )
