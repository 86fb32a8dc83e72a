"""JSON.stringify, and the order of properties."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.leader.javascript import (
    CircularError,
    TooLongError,
    property_order,
    stringify,
    well_formed,
)

#: Texts without surrogates and numbers that Python and JavaScript write the same way.
_PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text().filter(lambda key: not key[:1].isdigit()), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(_PLAIN)
def test_agrees_with_python_where_both_write_the_same(value: Any) -> None:
    assert stringify(value) == json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_read_back_equal(number: float) -> None:
    text = stringify(number)
    assert float(text) == number
    assert len(text) <= 25


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1.0, "1"),
        (-0.0, "0"),
        (0.1 + 0.2, "0.30000000000000004"),
        (1e21, "1e+21"),
        (123456789012345680000, "123456789012345680000"),
        (12345678901234567890, "12345678901234567000"),
        (1e-6, "0.000001"),
        (1e-7, "1e-7"),
        (1.5e-9, "1.5e-9"),
        (-1234.5, "-1234.5"),
        (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (10**400, "null"),
        (-(10**400), "null"),
        (math.nan, "null"),
        (math.inf, "null"),
    ],
)
def test_numbers_as_javascript_writes_them(number: float, text: str) -> None:
    assert stringify(number) == text


def test_index_like_keys_come_first() -> None:
    assert stringify({"z": 1, "10": 2, "2": 3, "01": 4}) == '{"2":3,"10":2,"z":1,"01":4}'


def test_only_required_escapes() -> None:
    assert (
        stringify('\x01\b\t\n\f\r"\\/\x7f\u2028é😀')
        == '"\\u0001\\b\\t\\n\\f\\r\\"\\\\/\x7f\u2028é😀"'
    )


def test_lone_surrogates_are_escaped_and_pairs_are_characters() -> None:
    assert stringify("\ud800a\udc00") == '"\\ud800a\\udc00"'
    assert stringify("\ud83d\ude00") == '"😀"'
    assert well_formed("\ud83d\ude00 \ud83d") == "😀 \ufffd"


def test_times_are_iso_in_utc_with_milliseconds() -> None:
    assert (
        stringify(datetime(2001, 12, 14, 1, 2, 3, 456_789, tzinfo=timezone(timedelta(hours=5))))
        == '"2001-12-13T20:02:03.456Z"'
    )
    assert (
        stringify([datetime(123, 1, 1, tzinfo=UTC), datetime(2001, 1, 1)])
        == '["0123-01-01T00:00:00.000Z","2001-01-01T00:00:00.000Z"]'
    )


def test_any_depth() -> None:
    value: Any = []
    for _ in range(100_000):
        value = [value]
    assert stringify(value) == "[" * 100_001 + "]" * 100_001


def test_a_text_beyond_the_limit_is_never_built() -> None:
    value: Any = "x" * 100
    for _ in range(60):
        value = [value, value]
    with pytest.raises(TooLongError):
        stringify(value, 1_000_000)


def test_a_value_inside_itself_is_an_error() -> None:
    value: dict[str, Any] = {}
    value["again"] = [value]
    with pytest.raises(CircularError):
        stringify(value)


def test_one_object_in_two_places_is_not_circular() -> None:
    once = {"a": 1}
    assert stringify([once, once]) == '[{"a":1},{"a":1}]'


def test_other_types_are_refused() -> None:
    with pytest.raises(TypeError):
        stringify({"a": b"x"})


def test_array_indices_come_first_by_number() -> None:
    names = ["z", "10", "2", "01", "-1", "4294967295", "4294967294", "٣", "0"]
    assert property_order(names) == [
        "0",
        "2",
        "10",
        "4294967294",
        "z",
        "01",
        "-1",
        "4294967295",
        "٣",
    ]
