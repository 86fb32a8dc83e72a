"""The ``variables.yaml`` of a built-in release."""

from __future__ import annotations

import pytest

from pryv_operator.templates.builtin import BrokenReleaseError, read_variables
from pryv_operator.templates.bundle import UNSET


class TestVariablesYaml:
    """Reading a variables.yaml."""

    def test_reads_every_key(self) -> None:
        text = (
            "variables:\n  A:\n    type: number\n    description: d\n    default: 1\n"
            "    required: true\n"
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
    def test_unexpected_entries_are_refused(self, entry: str) -> None:
        with pytest.raises(BrokenReleaseError, match="A"):
            read_variables(f"variables:\n  A: {entry}\n")

    @pytest.mark.parametrize(
        "text", ["", "variables: []\n", "variables: {}\nmore: 1\n", "variables: {a: 1, a: 2}\n"]
    )
    def test_other_shapes_are_refused(self, text: str) -> None:
        with pytest.raises(BrokenReleaseError):
            read_variables(text)
