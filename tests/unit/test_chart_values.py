"""The schema and the table of the chart's values, generated from values.yaml."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from manifests import chart_values, generate
from manifests.chart_values import ValuesError, read_values

CHART = Path(__file__).parents[2] / "charts/pryv-operator"
TEXT = (CHART / "values.yaml").read_text()

SMALL = """\
# A heading.

# @schema.root
# title: Small
# definitions:
#   texts: {type: object, additionalProperties: {type: string}}
# @schema.root

# @section -- First

# -- Number of pods, as
# many as you like.
# @schema
# minimum: 0
# required: true
# @schema
replicas: 2

image:
  # -- Tag. Empty: `latest|1`.
  tag: ""
  # @schema
  # type: [string, "null"]
  # @schema
  # -- Digest.
  # @default -- nothing
  digest: null

# @section -- Second

# -- Labels.
# @schema
# $ref: "#/definitions/texts"
# @schema
labels:
  a: b
"""


def paths(found: Any, parent: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not (isinstance(found, dict) and found):
        return [parent]
    return [path for key, child in found.items() for path in paths(child, (*parent, key))]


def test_schema_of_values() -> None:
    assert chart_values.schema(read_values(SMALL)) == {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Small",
        "type": "object",
        "additionalProperties": False,
        "required": ["replicas"],
        "properties": {
            "replicas": {
                "description": "Number of pods, as many as you like.",
                "default": 2,
                "type": "integer",
                "minimum": 0,
            },
            "image": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "tag": {
                        "description": "Tag. Empty: `latest|1`.",
                        "default": "",
                        "type": "string",
                    },
                    "digest": {
                        "description": "Digest.",
                        "default": None,
                        "type": ["string", "null"],
                    },
                },
            },
            "labels": {
                "description": "Labels.",
                "default": {"a": "b"},
                "$ref": "#/definitions/texts",
            },
        },
        "definitions": {"texts": {"type": "object", "additionalProperties": {"type": "string"}}},
    }


def test_table_of_values() -> None:
    assert list(chart_values.table(read_values(SMALL))) == [
        "### First",
        "",
        "| Value | Type | Default | Description |",
        "|---|---|---|---|",
        "| `replicas` | integer | `2` | Number of pods, as many as you like. |",
        '| `image.tag` | string | `""` | Tag. Empty: `latest\\|1`. |',
        "| `image.digest` | string | nothing | Digest. |",
        "",
        "### Second",
        "",
        "| Value | Type | Default | Description |",
        "|---|---|---|---|",
        '| `labels` | object | `{"a": "b"}` | Labels. |',
        "",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\n", "a: line 1: no description"),
        ("# an ordinary comment\na: 1\n", "a: line 2: no description"),
        ("# -- A.\n\na: 1\n", "a: line 3: no description"),
        ("b:\n  # -- A.\n  a: null\n", "b.a: null has no type"),
        ("# @schema\n# -- A.\na: 1\n", "a: # @schema: found 1 times"),
        ("# @schema\n# 5\n# @schema\n# -- A.\na: 1\n", "a: # @schema: not a mapping"),
        ("# @schema.root\n# -- A.\na: 1\n", "values.yaml: # @schema.root: found 1 times"),
        ("- a\n", "values.yaml: not a mapping"),
    ],
)
def test_unusable_comments_are_reported(text: str, message: str) -> None:
    with pytest.raises(ValuesError, match="^" + message.replace(".", r"\.")):
        chart_values.schema(read_values(text))


_KEYS = st.text("abcdefgh", min_size=1, max_size=6)
_LEAVES = st.one_of(st.booleans(), st.integers(0, 9), st.text("xyz ", max_size=5))
_TREES = st.dictionaries(
    _KEYS,
    st.one_of(_LEAVES, st.dictionaries(_KEYS, _LEAVES, min_size=1, max_size=3)),
    min_size=1,
    max_size=5,
)


@given(_TREES)
def test_every_value_has_its_description_type_and_default(tree: dict[str, Any]) -> None:
    """Each is described by its own comment, never by that of a neighbour."""
    lines = []
    for key, child in tree.items():
        if isinstance(child, dict):
            lines.append(f"{key}:")
            for inner, leaf in child.items():
                lines += [f"  # -- Of {key}.{inner}.", f"  {inner}: {json.dumps(leaf)}"]
        else:
            lines += [f"# -- Of {key}.", f"{key}: {json.dumps(child)}"]
    found = chart_values.schema(read_values("\n".join(lines)))
    for path in paths(tree):
        node, value = found, tree
        for key in path:
            node, value = node["properties"][key], value[key]
        assert node["description"] == f"Of {'.'.join(path)}."
        assert node["default"] == value
        assert type(node["default"]) is type(value)
        assert node["type"] == {bool: "boolean", int: "integer", str: "string"}[type(value)]


def test_every_value_of_the_chart_is_in_the_schema_and_in_the_readme() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    readme = (CHART / "README.md").read_text()
    for path in paths(yaml.safe_load(TEXT)):
        node = schema
        shown = [".".join(path[: length + 1]) for length in range(len(path))]
        described = False
        for key in path:
            if described:
                break  # a shape of Kubernetes' own
            node = node["properties"][key]
            described = "description" in node
        assert described, path
        assert any(f"| `{name}` |" in readme for name in shown), path


def test_the_schema_admits_no_other_values() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    groups = [schema, *(each for each in schema["properties"].values() if "properties" in each)]
    open_groups = [each for each in groups if each["additionalProperties"] is not False]
    assert open_groups == [schema["properties"]["global"]]


def test_schema_and_readme_of_the_chart_are_up_to_date() -> None:
    stale = [path.name for path in generate.stale_files(generate.from_values())]
    assert not stale, "run: python manifests/generate.py"


def test_descriptions_are_sentences() -> None:
    for value in chart_values._single(read_values(TEXT).values):
        text = value.comment.description
        assert text[0].isupper(), value.name
        assert text.endswith((".", "`.", ").")), value.name
