"""Reads the YAML of a compose file: texts, lists, maps and nulls, within limits."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Final

import yaml

from pryv_operator.compose.error import ComposeError
from pryv_operator.compose.scalars import NULLS, PlainScalar
from pryv_operator.leader.plain_yaml import NotPlainError, read_plain_yaml

#: Levels of lists and maps in the file, at most.
_DEPTH_LIMIT: Final = 20
#: Characters of the file, at most; a single node's has some 6 KiB.
SIZE_LIMIT: Final = 64 * 1024
#: Entries of a list, at most.
ENTRY_LIMIT: Final = 128
_PLAIN: Final = "plain"
#: Tags of compose for files that are merged: the value is removed, or replaces that of the other
#: file. Source: https://github.com/compose-spec/compose-spec/blob/main/13-merge.md
_RESET: Final = "!reset"
_OVERRIDE: Final = "!override"


class _Loader(yaml.CBaseLoader):
    """Every scalar is a text (``80:80`` is no number in base 60); duplicate keys are errors."""

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
        if kind is yaml.ScalarNode and implicit[0]:
            return _PLAIN
        tag: str = super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]
        return tag

    def construct_scalar(self, node: yaml.ScalarNode) -> Any:
        """A text, which knows whether it has no quotes; None for a null."""
        if node.tag != _PLAIN and (node.tag != _OVERRIDE or node.style):
            return node.value
        return _plain(node.value)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """The value of a node; tags of other programs than compose are refused."""
        if node.tag.startswith("!") and node.tag not in (_RESET, _OVERRIDE):
            line = node.start_mark.line + 1
            raise ComposeError(f"line {line}: tag {node.tag[:50]!r} is not supported; remove it")
        return super().construct_object(node, deep=deep)

    def construct_sequence(self, node: yaml.SequenceNode, deep: bool = False) -> list[Any]:
        node.value = [entry for entry in node.value if entry.tag != _RESET]
        return super().construct_sequence(node, deep=deep)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.tag == _PLAIN and key.value in NULLS:
                    raise ComposeError(f"line {key.start_mark.line + 1}: a key is null; name it")
                if key.value in seen:
                    raise ComposeError(
                        f"line {key.start_mark.line + 1}: duplicate key {key.value!r}; "
                        "remove one of the two"
                    )
                seen.add(key.value)
        self._merge(node, set())
        node.value = [(key, value) for key, value in node.value if value.tag != _RESET]
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep=deep)
        return mapping

    def _merge(self, node: yaml.MappingNode, above: set[int]) -> None:
        """Replace ``<<`` by the entries that the map does not have itself.

        Of several maps the first one wins. Source: https://yaml.org/type/merge.html
        """
        if id(node) in above:
            raise ComposeError("a merge key (<<) leads to its own map; remove it")
        merged: list[tuple[yaml.Node, yaml.Node]] = []
        own = []
        for key, value in node.value:
            if not (isinstance(key, yaml.ScalarNode) and key.value == "<<" and not key.style):
                own.append((key, value))
                continue
            sources = value.value if isinstance(value, yaml.SequenceNode) else [value]
            for source in sources:
                if not isinstance(source, yaml.MappingNode) or len(sources) > ENTRY_LIMIT:
                    line = key.start_mark.line + 1
                    raise ComposeError(f"line {line}: the merge key (<<) takes some maps only")
                self._merge(source, above | {id(node)})
                merged += source.value
        names = {key.value for key, _ in own if isinstance(key, yaml.ScalarNode)}
        for key, value in merged:
            # A key that is not a string is an error of the map that it comes from.
            if isinstance(key, yaml.ScalarNode) and key.value not in names:
                names.add(key.value)
                own.append((key, value))
        node.value = own


def load_yaml(text: str) -> Any:
    """The document: texts, lists, maps and None.

    Raises:
        ComposeError: it is not valid YAML, or exceeds a limit.
    """
    if len(text) > SIZE_LIMIT:
        raise ComposeError(f"larger than {SIZE_LIMIT // 1024} KiB")
    try:
        return read_plain_yaml(text, _plain, _DEPTH_LIMIT)
    except NotPlainError:
        return _load_with_libyaml(text)


def _plain(text: str) -> PlainScalar | None:
    return None if text in NULLS else PlainScalar(text)


def _load_with_libyaml(text: str) -> Any:
    """As ``load_yaml``, for all texts."""
    try:
        _check_depth(text)
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - only texts, lists and maps
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ComposeError(f"{where}not valid YAML") from None
    except UnicodeEncodeError:
        raise ComposeError("not valid YAML: a character is not allowed there") from None


def _check_depth(text: str) -> None:
    """Refuse deep nesting: the C loader recurses on the machine's stack and would crash."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(
            event, yaml.CollectionEndEvent
        )
        if depth > _DEPTH_LIMIT:
            raise ComposeError(f"nested deeper than {_DEPTH_LIMIT} levels")
