"""The chart's values.yaml, read with its comments: the schema and the table of values.

The comments follow conventions of the ecosystem: ``# --``, ``# @section --`` and ``# @default --``
of helm-docs, blocks of ``# @schema`` and ``# @schema.root`` of helm-schema. Each group of comment
lines directly above a key belongs to that key.

A mapping is a group of values if it has keys and no ``# @schema`` of its own: no other keys are
allowed in it. Every other value is a row of the table, and must have a description.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

Schema = dict[str, Any]

_DRAFT: Final = "http://json-schema.org/draft-07/schema#"
#: Where one of these is given, the type of the default is not added.
_TYPED: Final = ("$ref", "type", "enum", "allOf")
_TYPES: Final = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array"}


class ValuesError(ValueError):
    """values.yaml cannot be read as described above; the message names the value and the line."""


@dataclass(frozen=True)
class Comment:
    """What the comment lines above a key say."""

    description: str = ""
    shown_default: str = ""
    schema: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Value:
    """A value of the chart, or a group of them.

    ``path``: its keys; ``section``: the heading above it; ``group``: None for a single value.
    """

    path: tuple[str, ...]
    default: Any
    comment: Comment
    section: str
    group: tuple[Value, ...] | None = None

    @property
    def name(self) -> str:
        """The path as ``--set`` writes it."""
        return ".".join(self.path)


@dataclass(frozen=True)
class Values:
    """All values, and the keywords of the schema's root."""

    values: tuple[Value, ...]
    root: Mapping[str, Any] = field(default_factory=dict)


def read_values(text: str) -> Values:
    """Read values.yaml.

    Raises:
        ValuesError: a value lacks its description or type, or a block is not closed.
    """
    lines = text.splitlines()
    document = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(document, yaml.MappingNode):
        raise ValuesError("values.yaml: not a mapping")
    reader = _Reader(lines)
    return Values(
        values=tuple(reader.read(document, ())),
        root=_block(lines, "# @schema.root", "values.yaml"),
    )


class _Reader:
    """Reads values in their order; the last section is that of all values after it."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines
        self._section = ""

    def read(self, node: yaml.MappingNode, parent: tuple[str, ...]) -> Iterator[Value]:
        for key, child in node.value:
            path = (*parent, str(key.value))
            comment = self._comment(key.start_mark.line, ".".join(path))
            default = _constructed(child)
            if isinstance(child, yaml.MappingNode) and child.value and comment.schema is None:
                group = tuple(self.read(child, path))
                yield Value(path, default, comment, group[0].section, group)
            else:
                if not comment.description:
                    raise ValuesError(
                        f"{'.'.join(path)}: line {key.start_mark.line + 1}: no description; "
                        'begin one with "# --"'
                    )
                yield Value(path, default, comment, self._section)

    def _comment(self, line: int, name: str) -> Comment:
        """The comment directly above a line; also the sections above it."""
        first = line
        while first and self._lines[first - 1].lstrip().startswith("#"):
            first -= 1
        self._read_section(first)
        lines = [each.strip() for each in self._lines[first:line]]
        description: list[str] = []
        default = ""
        in_schema = describing = False
        for each in lines:
            words = each.removeprefix("#").strip()
            if words == "@schema":
                in_schema, describing = not in_schema, False
            elif in_schema:
                continue
            elif words.startswith("@default --"):
                default, describing = words.removeprefix("@default --").strip(), False
            elif words.startswith("--"):
                description, describing = [words.removeprefix("--").strip()], True
            elif describing:
                description.append(words)
        block = _block(lines, "# @schema", name)
        return Comment(" ".join(description), default, block or None)

    def _read_section(self, line: int) -> None:
        """The section that is declared directly before a comment, if any."""
        while line and not self._lines[line - 1].strip():
            line -= 1
        if line and self._lines[line - 1].startswith("# @section --"):
            self._section = self._lines[line - 1].removeprefix("# @section --").strip()


def _block(lines: Sequence[str], mark: str, name: str) -> dict[str, Any]:
    """What is between two lines of a mark, as YAML; empty without them."""
    marks = [number for number, line in enumerate(lines) if line.strip() == mark]
    if not marks:
        return {}
    if len(marks) != 2:
        raise ValuesError(f"{name}: {mark}: found {len(marks)} times; write it before and after")
    inside = (line.strip().removeprefix("#") for line in lines[marks[0] + 1 : marks[1]])
    found = yaml.safe_load("\n".join(inside))
    if not isinstance(found, dict):
        raise ValuesError(f"{name}: {mark}: not a mapping")
    return found


def _constructed(node: yaml.Node) -> Any:
    """A node's value, as Helm reads it."""
    return yaml.safe_load(yaml.serialize(node))


# The schema


def schema(values: Values) -> Schema:
    """The JSON schema of the values: no other keys than those of values.yaml."""
    root = dict(values.root)
    definitions = root.pop("definitions", {})
    return {
        "$schema": _DRAFT,
        **root,
        **_object(values.values),
        "definitions": definitions,
    }


def _object(values: Sequence[Value]) -> Schema:
    required = [value.path[-1] for value in values if (value.comment.schema or {}).get("required")]
    return {
        "type": "object",
        "additionalProperties": False,
        **({"required": required} if required else {}),
        "properties": {value.path[-1]: _value(value) for value in values},
    }


def _value(value: Value) -> Schema:
    described = {"description": value.comment.description} if value.comment.description else {}
    if value.group is not None:
        inner = _object(value.group)
        if value.path == ("global",):
            # A parent chart has values for all of its charts there.
            inner["additionalProperties"] = True
        return {**described, **inner}
    own = {
        key: content
        for key, content in (value.comment.schema or {}).items()
        if not (key == "required" and isinstance(content, bool))
    }
    if not any(key in own for key in _TYPED):
        own = {"type": _type(value), **own}
    if own.get("type") == "object" and "additionalProperties" not in own:
        own["additionalProperties"] = False
    return {**described, "default": value.default, **own}


def _type(value: Value) -> str:
    if isinstance(value.default, dict):
        return "object"
    found = _TYPES.get(type(value.default))
    if found is None:
        raise ValuesError(f"{value.name}: null has no type; declare one in a block # @schema")
    return found


def schema_file(values: Values) -> str:
    """The content of values.schema.json."""
    return json.dumps(schema(values), indent=2, ensure_ascii=False) + "\n"


# The table


def table(values: Values) -> Iterator[str]:
    """Markdown: a table of values for each section."""
    section = None
    for value in _single(values.values):
        if value.section != section:
            if section is not None:
                yield ""
            section = value.section
            yield from (f"### {section}", "", "| Value | Type | Default | Description |")
            yield "|---|---|---|---|"
        cells = (
            f"`{value.name}`",
            _shown_type(value, values.root.get("definitions", {})),
            value.comment.shown_default or f"`{json.dumps(value.default, ensure_ascii=False)}`",
            value.comment.description,
        )
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
    yield ""


def _single(values: Sequence[Value]) -> Iterator[Value]:
    """The values that are no groups, in their order."""
    for value in values:
        if value.group is None:
            yield value
        else:
            yield from _single(value.group)


def _shown_type(value: Value, definitions: Mapping[str, Schema]) -> str:
    own = _value(value)
    if "allOf" in own:
        own = {**own, **own["allOf"][0]}
    if "$ref" in own:
        own = {**own, **definitions[own["$ref"].rsplit("/", 1)[1]]}
    match own.get("type"):
        case str(kind):
            return kind
        case list(kinds):
            return " or ".join(kind for kind in kinds if kind != "null")
    return " or ".join(f"`{json.dumps(each)}`" for each in own["enum"] if isinstance(each, str))
