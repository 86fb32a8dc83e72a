"""Texts that libyaml alone would not read as js-yaml 4 does.

Every value was compared with js-yaml 4's.
"""

from __future__ import annotations

import time

import pytest

from pryv_operator.leader.js_yaml import JsYamlError, load_yaml

SMILE = "\N{GRINNING FACE}"

READ = {
    # escapes of surrogates
    '"\\ud83d\\ude00"': SMILE,
    '"\\uD83D\\uDE00 \\u00e9"': SMILE + " é",
    '"\\U0000d83d\\U0000de00"': SMILE,
    '"\\ud83d\\\n  \\ude00"': SMILE,
    '"\\\\\\ud83d\\ude00"': "\\" + SMILE,
    '"x\\ud83dy"': "x\ud83dy",
    '{b: "\\ude00\\ud83d"}': {"b": "\ude00\ud83d"},
    # not escapes of surrogates
    '"\\\\ud83d\\\\ude00"': "\\ud83d\\ude00",
    "'\\ud83d\\uDE00'": "\\ud83d\\uDE00",
    "\\ud83d\\ude00": "\\ud83d\\ude00",
    "|\n  \\ud83d \\uD83D": "\\ud83d \\uD83D\n",
    '"\\ud83d\\ude00" # \\ud83d': SMILE,
    '"\\ue000\\ud83d\\ude00\ue001"': "\ue000" + SMILE + "\ue001",
    # the end of the text
    "|\n  b": "b\n",
    "|+\n  b": "b\n",
    "|-\n  b": "b",
    ">\n  b": "b\n",
    "|\n  b\n  ": "b\n",
    "b": "b",
    # tabs on blank lines, and before comments
    "1\n\t\n": 1,
    "1\n\t\n\t \n \t\n": 1,
    "1\n\t# c": 1,
    "\n\t\n  b": "b",
    "1\n\t\r\n\t\r\n": 1,
    "\n  b: 1\n\t# c |\n\t# d\n  c: 2": {"b": 1, "c": 2},
    "\n- 1\n\t\n- |\n  x\n\t\n- 2\n\t\n- >\n  y\n": [1, "x\n", 2, "y\n"],
    "x\n\t\n  y": "x\ny",
    '"x\n\t\n  y"': "x\ny",
    "'x\n\t# n\n  y'": "x # n y",
    "|\n  x\n\t": "x\n",
    "|\n  x\n\t# c": "x\n",
    "|+\n  x\n\n\t\n\n": "x\n\n",
    "|\n  x\n \t": "x\n",
    "|\n  x\n  \t\n  y": "x\n\t\ny\n",
    # tabs at the start of a block scalar's content
    "|\n  \tx\n  y": "\tx\ny\n",
    "|\n\n  \tx\n  y": "\n\tx\ny\n",
    "|\n  \t\n  y": "\t\ny\n",
    "|\n  \t\tx\n   \ty": "\t\tx\n \ty\n",
    "|2\n  \tx": "\tx\n",
    "|\r\n  \tx\r\n  y": "\tx\ny\n",
    # non-printable characters, and line breaks of YAML 1.1
    '"\x7f\x80\x9f\ufffe\ufeff"': "\x7f\x80\x9f\ufffe\ufeff",
    "'\x7f'": "\x7f",
    '"\\x07"': "\x07",
    "b\ufeffc\x85": "b\ufeffc\x85",
    "1 # \x07\x1b\x7f\x01": 1,
    # tags of empty values
    "!": None,
    "! # c": None,
    "! ''": "",
    "! 12": "12",
    "!!str": "",
    "!!null": None,
    "!!map": {},
    "!!seq": [],
    # comments after the header of a block scalar
    "| # c\n  x": "x\n",
    "|\t# c\n  x": "x\n",
}

REFUSED = {
    "1\n\tb: 2",
    "\n\tb: 2",
    "\n- b\n\t- c",
    "|\n  x\n\ty",
    "|\n\tx",
    "|2\n \tx",
    "\x7f",
    "|\n  \x7f",
    "\x07",
    '"\x07"',
    '"\0"',
    "1 # \0",
    "x\ufffe",
    '"x" \x01',
    "!!int",
    "!!bool",
    "|# c\n  x",
    "|-# c\n  x",
    ">2# c\n  x",
    "&b |# c\n  x",
}


@pytest.mark.parametrize(("text", "value"), READ.items())
def test_read_as_js_yaml_reads_it(text: str, value: object) -> None:
    read = load_yaml(f"a: {text}")["a"]
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize("text", sorted(REFUSED))
def test_refused_as_js_yaml_refuses_it(text: str) -> None:
    with pytest.raises(JsYamlError):
        load_yaml(f"a: {text}")


def test_escapes_in_keys_and_leading_lines_of_tabs() -> None:
    assert load_yaml('\n\t\n"\\ud83d\\ude00": 1\n\t# c\n"\\x41": 2') == {SMILE: 1, "A": 2}


def test_an_error_after_replaced_characters_has_its_place() -> None:
    with pytest.raises(JsYamlError) as caught:
        load_yaml('a: "\\ud83d\\ude00"\n\t\nb: [\n')
    assert (caught.value.line, caught.value.column) == (4, 1)


def test_folded_text_that_begins_with_a_tab_is_refused_unlike_js_yaml() -> None:
    """Lines that begin with white space are not folded, so nothing can replace the tab."""
    with pytest.raises(JsYamlError, match="tab"):
        load_yaml("a: >\n  \tx\n  y\n")


def test_many_tabs_to_replace_take_bounded_time() -> None:
    started = time.monotonic()
    with pytest.raises(JsYamlError, match="tab"):
        load_yaml("a:\n" + "- |\n  \tx\n" * 50_000)
    assert load_yaml("a:\n" + "- b\n\t\n" * 20_000) == {"a": ["b"] * 20_000}
    assert time.monotonic() - started < 10


def test_a_text_with_every_private_use_character_is_refused() -> None:
    with pytest.raises(JsYamlError, match="private-use"):
        load_yaml("a: " + "".join(map(chr, range(0xE000, 0xF900))) + "\x85\n")
