"""The variables of a platform.yml, in the leader's order."""

from __future__ import annotations

import pytest

from pryv_operator.leader.js_yaml import JsYamlError
from pryv_operator.leader.platform_yml import UNDEFINED, read_platform_yml


def _settings(text: str) -> str:
    return "vars:\n  G:\n    settings:\n" + "".join(f"      {line}\n" for line in text.splitlines())


def test_internals_come_first_and_a_repeated_name_keeps_its_place() -> None:
    text = (
        "vars:\n  G: {settings: {B: {value: 1}, K: {value: 2}}}\n"
        "  H: {settings: {B: {value: 3}, 7: {value: 4}}}\n"
    )
    assert list(read_platform_yml(text, {"K": 0}).items()) == [("7", 4), ("K", 2), ("B", 3)]


def test_a_setting_without_a_value_is_undefined() -> None:
    assert read_platform_yml(_settings("A: {description: x}\nB: {value: }"), {}) == {
        "A": UNDEFINED,
        "B": None,
    }


@pytest.mark.parametrize(
    "text",
    ["", "a: 1\n", "vars: []\n", "vars:\n  G:\n", "vars:\n  G: {name: g}\n", _settings("A:")],
)
def test_other_shapes_are_refused(text: str) -> None:
    with pytest.raises(JsYamlError):
        read_platform_yml(text, {})
