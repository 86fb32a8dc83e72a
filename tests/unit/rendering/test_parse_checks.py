"""Files that do not parse are found and not quoted."""

from __future__ import annotations

import contextlib
import time

import hjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.rendering.parse_checks import DoesNotParseError, check_parses


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.json", '{"a": [1, "\\u00e9", null]}'),
        ("a.json", "1" * 10_000),
        ("a.yml", "a: yes\nb: [1, 2]\n"),
        ("a.yml", ""),
        ("a.yaml", "- &x 1\n- *x\n"),
        ("a.hjson", "{\n  # a comment\n  a: text without quotes\n}"),
        ("a.hjson", "a: '''on the first line'''"),
        ("a.hjson", "id: 5e999"),
        ("a.hjson", "n: " + "1" * 10_000),
        ("a.JSON", "{"),
        ("a.conf", "{"),
        ("json", "{"),
    ],
)
def test_texts_that_parse(path: str, text: str) -> None:
    check_parses(path, text)


@pytest.mark.parametrize(
    ("path", "text", "line", "column"),
    [
        ("a.json", '{"a": CANARY}', 1, 7),
        ("a.json", '{\n "a": "CANARY\n"}', 2, 14),
        ("a.json", '{"a": 1,}', 1, 8),
        ("a.json", "\ufeff{}", 1, 1),
        ("a.json", "// CANARY\n{}", 1, 1),
        ("a.json", "", 1, 1),
        ("a.yml", "a: *CANARY\n", 1, 4),
        ("a.yaml", "a: CANARY: b\n", 1, 10),
        ("a.yml", "CANARY: 1\nCANARY: 2\n", 2, 1),
        ("a.hjson", '{\n  a: "CANARY\n}', 3, 1),
    ],
)
def test_texts_that_do_not_parse(path: str, text: str, line: int, column: int) -> None:
    with pytest.raises(DoesNotParseError) as caught:
        check_parses(path, text)
    error = caught.value
    assert error.line == line
    assert error.column is not None
    assert abs(error.column - column) <= 1  # parsers differ on where a text broke off
    assert "CANARY" not in str(error)
    assert error.__context__ is None


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.json", '{"a": NaN}'),
        ("a.json", "-Infinity"),
        ("a.json", "[" * 100_000),
        ("a.yml", "[" * 100_000),
        ("a.hjson", "[" * 100_000),
        ("a.hjson", "/* no end"),
        ("a.hjson", "{a: [ '''no end"),
        ("a.yml", "\0"),
    ],
)
def test_hostile_texts(path: str, text: str) -> None:
    with pytest.raises(DoesNotParseError):
        check_parses(path, text)


@pytest.mark.parametrize(
    "text",
    ["[" + "''''''," * 20_000 + "]", "[n" + "," * 100_000, "[" + "1" * 60_000 + "x" + "," * 60_000],
)
def test_long_lines_of_hjson_are_parsed_in_linear_time(text: str) -> None:
    start = time.thread_time()
    with contextlib.suppress(DoesNotParseError):
        check_parses("a.hjson", text)
    assert time.thread_time() - start < 1


_HJSON_PARTS = (
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    '"',
    "'",
    "\n",
    "\r",
    " ",
    "\t",
    "#",
    "//",
    "/* */",
    "null",
    "true",
    "-1.5e3",
    "01",
    "x",
    "k: ",
    "\n'''",
)


@given(st.lists(st.sampled_from(_HJSON_PARTS), max_size=12).map("".join))
def test_the_hjson_package_agrees(text: str) -> None:
    """Two of its parsers are replaced; that changes no result."""
    try:
        hjson.loads(text)
    except hjson.HjsonDecodeError:
        with pytest.raises(DoesNotParseError):
            check_parses("a.hjson", text)
    except IndexError:
        pass  # a bug of the package
    else:
        check_parses("a.hjson", text)
