"""The quick reader of YAML: what it reads, the complete ones read as the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pryv_operator.compose import yaml_loader
from pryv_operator.compose.error import ComposeError
from pryv_operator.compose.scalars import PlainScalar
from pryv_operator.leader import js_yaml
from pryv_operator.leader.js_yaml import JsYamlError
from pryv_operator.leader.js_yaml_scalars import plain_scalar
from pryv_operator.leader.plain_yaml import NotPlainError, read_plain_yaml
from pryv_operator.rendering.files import default_values, render
from pryv_operator.templates.builtin import RELEASES, load_release
from tests.examples import examples

#: Pieces of lines: what the reader knows, and much that only looks like it.
PIECES = (
    *("a", "b:", "a: ", "key: 1", "b: x", "a.b/c-d: ", "true: ", "null", "True", "~", "0x1F"),
    *("- ", "-", "- a", "- a: 1", "- - b", "-1", "- -1", "---", "...", "--- a", "-a", ": ", ":"),
    *('"q"', '"q\\n"', '"\\u0041"', '"\\/"', "'s'", "'s''t'", '"open', "'open", '"a":', '"', "'"),
    *("[a, b]", "[a,b ]", "[]", "{}", '{"a":1}', '["x", "y"]', "[a", "b]", '{"a":1,"a":2}'),
    *('[true, "x"]', "[1.5e3]", "[a, ]", '[{"a":[null]}]', "[1, -2]", '{"a" : "b:c"}', '["a":1]'),
    *("# c", " # c", "#c", "a#b", "a #b", "x: y: z", "http://x:80", "80:80", "2001-01-01", "1_0"),
    *("|", ">", "&a ", "*a", "!t ", "%", "@", "`", "<<: ", "<<", "=", "$X", "${X}/a:/b:ro", "é"),
    *("\t", "\r", "\x85", "\ufeff", "𠀀", "\xa0", ",", "]", "}", "a\\b", "+1", ".5", ".", ".inf"),
    *("-.inf", "\u3000", "?", "1e3", "{a: 1}", "-0", "0o7", "? a", "y", "[[]]", "[ ]", "''"),
)  # fmt: skip
LINE = st.builds(
    lambda indent, pieces: " " * indent + "".join(pieces),
    st.integers(0, 6),
    st.lists(st.sampled_from(PIECES), max_size=4),
)
REGULAR_LINE = st.builds(
    lambda indent, begin, end: " " * (2 * indent) + begin + end,
    st.integers(0, 3),
    st.sampled_from(["a: ", "b: ", "c: ", "- ", "- a: ", "a:", "-", "", "# "]),
    st.sampled_from(PIECES),
)
TEXT = st.lists(LINE | REGULAR_LINE, max_size=7).map("\n".join)


def plain(text: str, scalar: Callable[[str], Any] = plain_scalar, depth: int = 100) -> Any:
    return read_plain_yaml(text, scalar, depth)


@settings(max_examples=examples(1500))
@given(TEXT)
def test_what_it_reads_js_yaml_reads_as_the_same(text: str) -> None:
    try:
        found = plain(text)
    except (NotPlainError, js_yaml.ScalarError):
        return
    assert repr(found) == repr(js_yaml._load_with_libyaml(text))


@settings(max_examples=examples(1500))
@given(TEXT)
def test_what_it_reads_compose_reads_as_the_same(text: str) -> None:
    try:
        found = plain(text, yaml_loader._plain, 20)
    except NotPlainError:
        return
    assert typed(found) == typed(yaml_loader._load_with_libyaml(text))


def typed(value: Any) -> Any:
    """A value in which texts with and without quotes differ, but for keys."""
    if isinstance(value, dict):
        return [(key, typed(child)) for key, child in value.items()]
    if isinstance(value, list):
        return [typed(child) for child in value]
    return (isinstance(value, PlainScalar), value)


def test_errors_are_those_of_the_complete_readers() -> None:
    for text in ("a: 1\na: 2", "a: [1", "a: b: c", "a:\n    b: 1\n  c: 2", '{"a":1,"a":2}'):
        with pytest.raises(JsYamlError, match="line"):
            js_yaml.load_yaml(text)
    with pytest.raises(ComposeError, match="line 2: duplicate key 'a'"):
        yaml_loader.load_yaml("a: 1\na: 2")
    with pytest.raises(ComposeError, match="nested deeper than 20 levels"):
        yaml_loader.load_yaml("a: " + "[" * 21 + "]" * 21)


@pytest.mark.parametrize("version", RELEASES)
def test_it_reads_all_files_of_the_releases(version: str) -> None:
    bundle = load_release(version)
    rendered = render(bundle, default_values(bundle, {}))
    texts = [
        file.content.decode()
        for files in rendered.values()
        for file in files
        if file.path.endswith(".yml")
    ]
    assert len(texts) > 10
    for text in texts:
        assert plain(text) == js_yaml._load_with_libyaml(text)


def test_tree() -> None:
    text = '---\na:\n  - b: 1 # c\n    c: "x\\n"\n  - [x, y]\nd:\n- {"e":[true,null]}\nf:\ng: -1.5'
    assert plain(text) == {
        "a": [{"b": 1, "c": "x\n"}, ["x", "y"]],
        "d": [{"e": [True, None]}],
        "f": None,
        "g": -1.5,
    }
