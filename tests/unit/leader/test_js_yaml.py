"""YAML as js-yaml 4 reads it."""

from __future__ import annotations

import contextlib
import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.leader.js_yaml import JsYamlError, load_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("off", "off"),
        ("TRUE", True),
        ("~", None),
        ("", None),
        ("012", 12),
        ("0o12", 10),
        ("-0x1F", -31),
        ("0b11", 3),
        ("1_000", 1000),
        ("-1__0_0", -100),
        ("0x_1F", 31),
        ("0b1_1", 3),
        ("0o1_2", 10),
        ("0x_", "0x_"),
        ("1000_", "1000_"),
        ("_1000", "_1000"),
        ("1_0.5_0", 10.5),
        ("1_0.5_", "1_0.5_"),
        ("1_0e2", 1000.0),
        ("1e1_0", "1e1_0"),
        ("-1e400", -math.inf),
        ("9" * 400, math.inf),
        ("-0x" + "f" * 300, -math.inf),
        ("1:30", "1:30"),
        ("192.0.2.1", "192.0.2.1"),
        ("1.", 1.0),
        (".5", 0.5),
        ("-.5", "-.5"),
        ("-.inf", -math.inf),
        ("1e400", math.inf),
        ("! 12", "12"),
        ("!!str 12", "12"),
        ("!!float 1", 1.0),
        ("'12'", "12"),
        ("2001-12-14", datetime(2001, 12, 14, tzinfo=UTC)),
        ("2001-12-14t21:59:43.10-05:00", datetime(2001, 12, 15, 2, 59, 43, 100_000, tzinfo=UTC)),
        ("2001-13-45", datetime(2002, 2, 14, tzinfo=UTC)),
        ("a\u2028b\x85c", "a\u2028b\x85c"),
        ("[a, {b: c}]", ["a", {"b": "c"}]),
    ],
)
def test_scalars(text: str, value: object) -> None:
    read = load_yaml(f"x: {text}\n")["x"]
    assert read == value
    assert type(read) is type(value)


def test_keys_are_written_as_in_javascript() -> None:
    assert list(load_yaml("1.0: a\n0x10: b\n~: c\ntrue: d\n")) == ["1", "16", "null", "true"]


def test_written_keys_override_merged_ones() -> None:
    assert load_yaml("a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}\nc: {x: 4, <<: [*a, {z: 5}]}\n")[
        "b"
    ] == {"x": 3, "y": 2}
    assert list(load_yaml("a: &a {x: 1, y: 2}\nc: {z: 4, <<: *a, y: 5}\n")["c"].items()) == [
        ("z", 4),
        ("x", 1),
        ("y", 5),
    ]
    assert load_yaml('"<<": {x: 1}\n') == {"<<": {"x": 1}}


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, 1),
        ("a:\n  b: {c: 1, c: 2}\n", 2, 13),
        ("a:\n\tb: 1\n", 2, 1),
        ("a: *nothing\n", 1, 4),
        ("a: &a [*a]\n", 1, 8),
        ("? [a]\n: b\n", 1, 3),
        ("a: !!binary aGk=\n", 1, 4),
        ("a: 1\n---\nb: 2\n", 2, 1),
        ("<<: 1\n", 1, 5),
    ],
)
def test_errors_have_line_and_column(text: str, line: int, column: int) -> None:
    with pytest.raises(JsYamlError) as caught:
        load_yaml(text)
    assert (caught.value.line, caught.value.column) == (line, column)


@pytest.mark.parametrize(
    "text",
    [
        "a: *CANARY\n",
        "a: !CANARY x\n",
        "a: 'CANARY\n",
        "CANARY: 1\nCANARY: 2\n",
        "a: CANARY: b\n",
        "a: @CANARY\n",
    ],
)
def test_errors_quote_nothing_of_the_text(text: str) -> None:
    with pytest.raises(JsYamlError) as caught:
        load_yaml(text)
    assert "CANARY" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["[" * 10_000, "{a: " * 10_000, "- " * 10_000 + "a", "\0", "\ud800"]
)
def test_hostile_texts_are_refused(text: str) -> None:
    with pytest.raises(JsYamlError):
        load_yaml(text)


@given(st.text(alphabet="ab: -[]{}&*!|>'\"#%@`,?\n\t\\<~01.e\u2028\x85é😀", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(JsYamlError):
        load_yaml(text)


def test_json_is_yaml() -> None:
    value: Any = {"a": [1, 2.5, None, True, 'q"\\/\n', {"b c": "é\u2028"}], "1": "x"}
    assert load_yaml('{"a":[1,2.5,null,true,"q\\"\\\\/\\n",{"b c":"é\u2028"}],"1":"x"}') == value


def test_merges_are_bounded() -> None:
    """A few lines could ask for millions of keys."""
    keys = ", ".join(f"k{number}: 1" for number in range(1000))
    load_yaml(f"a: &a {{{keys}}}\nb: [{'{<<: *a}, ' * 10}]\n")
    with pytest.raises(JsYamlError, match="<< merges more than"):
        load_yaml(f"a: &a {{{keys}}}\nb: [{'{<<: *a}, ' * 1000}]\n")
    with pytest.raises(JsYamlError, match="<< merges more than"):
        load_yaml(f"a: &a {{{keys}}}\nb: {{<<: [{'*a, ' * 1000}]}}\n")
