"""platform.yml as js-yaml 4 reads it."""

from __future__ import annotations

import contextlib
import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.leader.platform_yml import (
    UNDEFINED,
    PlatformYmlError,
    leader_variables,
    load_yaml,
    property_order,
)
from pryv_operator.templates.builtin import BrokenReleaseError, read_variables
from pryv_operator.templates.bundle import UNSET


def _settings(text: str) -> str:
    return "vars:\n  G:\n    settings:\n" + "".join(f"      {line}\n" for line in text.splitlines())


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
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("192.0.2.1", "192.0.2.1"),
        ("1.", 1.0),
        (".5", 0.5),
        ("-.5", "-.5"),
        ("-.inf", -math.inf),
        ("1e400", "1e400"),
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


def test_keys_become_the_texts_javascript_makes_of_them() -> None:
    assert list(load_yaml("1.0: a\n0x10: b\n~: c\ntrue: d\n")) == ["1", "16", "null", "true"]


def test_merged_keys_yield_to_written_ones_and_are_no_duplicates() -> None:
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
def test_faults_have_a_place(text: str, line: int, column: int) -> None:
    with pytest.raises(PlatformYmlError) as caught:
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
def test_faults_quote_nothing(text: str) -> None:
    with pytest.raises(PlatformYmlError) as caught:
        load_yaml(text)
    assert "CANARY" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["[" * 10_000, "{a: " * 10_000, "- " * 10_000 + "a", "\0", "\ud800"]
)
def test_hostile_texts_are_errors(text: str) -> None:
    with pytest.raises(PlatformYmlError):
        load_yaml(text)


def test_internals_come_first_and_a_repeated_name_keeps_its_place() -> None:
    text = "vars:\n  G: {settings: {B: {value: 1}, K: {value: 2}}}\n  H: {settings: {B: {value: 3}, 7: {value: 4}}}\n"
    assert list(leader_variables(text, {"K": 0}).items()) == [("7", 4), ("K", 2), ("B", 3)]


def test_a_setting_without_a_value_is_undefined() -> None:
    assert leader_variables(_settings("A: {description: x}\nB: {value: }"), {}) == {
        "A": UNDEFINED,
        "B": None,
    }


@pytest.mark.parametrize(
    "text",
    ["", "a: 1\n", "vars: []\n", "vars:\n  G:\n", "vars:\n  G: {name: g}\n", _settings("A:")],
)
def test_what_is_no_platform_yml_is_an_error(text: str) -> None:
    with pytest.raises(PlatformYmlError):
        leader_variables(text, {})


def test_names_that_look_like_indices_come_first_by_number() -> None:
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


@given(st.text(alphabet="ab: -[]{}&*!|>'\"#%@`,?\n\t\\<~01.e\u2028\x85é😀", max_size=60))
def test_any_text_is_read_or_is_a_clear_error(text: str) -> None:
    with contextlib.suppress(PlatformYmlError):
        load_yaml(text)


class TestVariablesYaml:
    """The project's own variables.yaml."""

    def test_reads_every_key(self) -> None:
        text = (
            "variables:\n  A:\n    type: number\n    description: d\n    default: 1\n    required: true\n"
            "    secretPaths: [a.b]\n"
            "    aliases: [B]\n    aliasPaths: {C: x.y}\n    minimum: 0\n    maximum: 2\n"
            "    enum: [1, 2]\n  D: {type: any, default: }\n"
            "  E: {type: string, secret: true, computed: true}\n"
        )
        variables = read_variables(text)
        first = variables["A"]
        assert (first.default, first.required, first.secret_paths, first.aliases) == (
            1,
            True,
            ("a.b",),
            ("B",),
        )
        assert (first.alias_paths, first.minimum, first.maximum, first.enum) == (
            {"C": "x.y"},
            0,
            2,
            (1, 2),
        )
        assert variables["D"].default is None
        assert variables["E"].default is UNSET
        assert variables["E"].secret
        assert variables["E"].computed

    @pytest.mark.parametrize(
        "entry",
        [
            "{type: text}",
            "{}",
            "{type: any, colour: red}",
            "{type: any, secret: 1}",
            "{type: any, aliases: x}",
            "x",
        ],
    )
    def test_refuses_the_unexpected(self, entry: str) -> None:
        with pytest.raises(BrokenReleaseError, match="A"):
            read_variables(f"variables:\n  A: {entry}\n")

    @pytest.mark.parametrize(
        "text", ["", "variables: []\n", "variables: {}\nmore: 1\n", "variables: {a: 1, a: 2}\n"]
    )
    def test_refuses_another_shape(self, text: str) -> None:
        with pytest.raises(BrokenReleaseError):
            read_variables(text)


def test_json_texts_are_yaml_too() -> None:
    value: Any = {"a": [1, 2.5, None, True, 'q"\\/\n', {"b c": "é\u2028"}], "1": "x"}
    assert load_yaml('{"a":[1,2.5,null,true,"q\\"\\\\/\\n",{"b c":"é\u2028"}],"1":"x"}') == value


def test_merges_are_bounded() -> None:
    """A few lines could ask for millions of keys."""
    keys = ", ".join(f"k{number}: 1" for number in range(1000))
    load_yaml(f"a: &a {{{keys}}}\nb: [{'{<<: *a}, ' * 10}]\n")
    with pytest.raises(PlatformYmlError, match="<< takes more than"):
        load_yaml(f"a: &a {{{keys}}}\nb: [{'{<<: *a}, ' * 1000}]\n")
    with pytest.raises(PlatformYmlError, match="<< takes more than"):
        load_yaml(f"a: &a {{{keys}}}\nb: {{<<: [{'*a, ' * 1000}]}}\n")
