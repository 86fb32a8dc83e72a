"""YAML as js-yaml 4 reads it: YAML 1.2 core types, timestamps, merge keys, no duplicate keys.

PyYAML's own types are those of YAML 1.1 (``yes`` is true, ``012`` is ten), and it silently keeps
the last of two equal keys. So only its parser (libyaml) is used, and values are built from the
parser's events.
Source: js-yaml 4 (``lib/loader.js``, ``lib/type/*.js``) and answers recorded from the leader.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import yaml
from yaml.reader import ReaderError

from pryv_operator.leader.javascript import property_order
from pryv_operator.leader.js_yaml_scalars import (
    TAG_PREFIX,
    ScalarError,
    key_text,
    plain_scalar,
    tagged_scalar,
)
from pryv_operator.leader.libyaml_text import (
    CharacterNotAllowedError,
    LibyamlText,
    to_libyaml,
)
from pryv_operator.leader.plain_yaml import NotPlainError, read_plain_yaml

#: Deeper nesting than this is refused; no platform.yml comes near.
MAX_DEPTH: Final = 200
#: Deeper nesting than this is rare.
_PLAIN_DEPTH: Final = 100
#: Keys merged by all ``<<`` of a document, at most: a few lines could ask for millions.
MERGE_LIMIT: Final = 20_000


class JsYamlError(Exception):
    """A text that is not valid YAML, or not what was expected of it.

    The message holds nothing of the text, as secrets may be in it. ``line`` and ``column`` count
    from 1; both are 0 where the fault has no place.
    """

    def __init__(self, message: str, line: int = 0, column: int = 0) -> None:
        super().__init__(f"{message} (line {line}, column {column})" if line else message)
        self.message = message
        self.line = line
        self.column = column


def load_yaml(text: str) -> Any:
    """One YAML document as None, bool, int, float, str, datetime (UTC), list and dict.

    An empty text is None. Keys of maps become strings, as JavaScript writes them. An alias is the
    very object of its anchor, not a copy.

    Raises:
        JsYamlError: the text is not valid YAML.
    """
    text = text.removeprefix("\ufeff")
    try:
        return read_plain_yaml(text, plain_scalar, _PLAIN_DEPTH)
    except (NotPlainError, ScalarError):
        return _load_with_libyaml(text)


def _load_with_libyaml(text: str) -> Any:
    """As ``load_yaml``, for all texts."""
    try:
        source: LibyamlText | None = to_libyaml(text)
    except CharacterNotAllowedError:
        raise JsYamlError("too many different private-use characters") from None
    while source:
        builder = _Builder(source)
        try:
            for event in yaml.parse(source.text, Loader=yaml.CSafeLoader):
                builder.take(event)
            return builder.document
        except yaml.MarkedYAMLError as error:
            source = source.without_tab_at(error)
            failure = _parser_error(error)
        except (ReaderError, UnicodeEncodeError):
            source = None
            failure = JsYamlError("not valid YAML: a character is not allowed there")
    raise failure


def _parser_error(error: yaml.MarkedYAMLError) -> JsYamlError:
    mark = error.problem_mark or error.context_mark
    # What is quoted in a parser's message comes from the text.
    problem = re.split(r"['\"]", error.problem or error.context or "malformed")[0].strip()
    line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
    return JsYamlError(f"not valid YAML: {problem}", line, column)


def _error(message: str, event: yaml.Event) -> JsYamlError:
    mark: Any = event.start_mark
    return JsYamlError(message, mark.line + 1, mark.column + 1)


# --- building values from the parser's events ---


@dataclass
class _List:
    items: list[Any]
    anchor: str | None


@dataclass
class _Map:
    items: dict[str, Any]
    anchor: str | None
    #: The key whose value comes next; ``None`` when a key comes next.
    key: str | None = None
    merging: bool = False
    #: Keys that came by a merge; one that is written in the map itself overrides them.
    merged: set[str] = field(default_factory=set)


class _Builder:
    """Takes the events of one document; ``document`` is its value in the end."""

    def __init__(self, source: LibyamlText) -> None:
        self.document: Any = None
        self._source = source
        self._open: list[_List | _Map] = []
        self._mergeable = MERGE_LIMIT
        self._anchors: dict[str, Any] = {}
        self._documents = 0

    def take(self, event: yaml.Event) -> None:
        match event:
            case yaml.ScalarEvent():
                self._scalar(event)
            case yaml.AliasEvent():
                self._alias(event)
            case yaml.SequenceStartEvent():
                self._start(event, _List([], event.anchor), "seq")
            case yaml.MappingStartEvent():
                self._start(event, _Map({}, event.anchor), "map")
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                done = self._open.pop()
                if done.anchor:
                    self._anchors[done.anchor] = done.items
                self._put(done.items, event)
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    raise _error("not valid YAML: a second document starts here", event)

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        try:
            text = self._source.original(event.value, event.style)
        except CharacterNotAllowedError:
            raise _error("not valid YAML: a character is not allowed here", event) from None
        if self._source.has_comment_at_block_header(event):
            raise _error("not valid YAML: a comment needs a space before it", event)
        plain = bool(event.implicit[0]) and event.tag is None
        if plain and text == "<<" and self._expects_key():
            self._start_merge(event)
            return
        try:
            value = (
                plain_scalar(text)
                if plain
                else text
                if event.implicit[1]
                else tagged_scalar(text, event.tag or "!", has_style=bool(event.style))
            )
        except ScalarError as error:
            raise _error(str(error), event) from None
        if event.anchor:
            self._anchors[event.anchor] = value
        self._put(value, event)

    def _alias(self, event: yaml.AliasEvent) -> None:
        if event.anchor not in self._anchors:
            raise _error("not valid YAML: an alias comes before its anchor", event)
        self._put(self._anchors[event.anchor], event)

    def _start(self, event: Any, collection: _List | _Map, kind: str) -> None:
        if event.tag not in {None, "!", TAG_PREFIX + kind}:
            raise _error("YAML tag not supported", event)
        if len(self._open) >= MAX_DEPTH:
            raise _error(f"nested deeper than {MAX_DEPTH} levels", event)
        if self._expects_key():
            raise _error("a list or a map cannot be a key", event)
        if collection.anchor:
            # A reference to a collection inside itself must not find an earlier one of that name.
            self._anchors.pop(collection.anchor, None)
        self._open.append(collection)

    def _expects_key(self) -> bool:
        return bool(self._open) and isinstance(top := self._open[-1], _Map) and top.key is None

    def _start_merge(self, event: yaml.ScalarEvent) -> None:
        top = self._open[-1]
        assert isinstance(top, _Map)  # noqa: S101 - for the type checker
        top.key, top.merging = event.value, True

    def _put(self, value: Any, event: yaml.Event) -> None:
        if not self._open:
            self.document = value
            return
        top = self._open[-1]
        if isinstance(top, _List):
            top.items.append(value)
        elif top.key is None:
            self._put_key(top, value, event)
        elif top.merging:
            self._merge(top, value, event)
            top.key, top.merging = None, False
        else:
            top.items[top.key] = value
            top.key = None

    @staticmethod
    def _put_key(top: _Map, value: Any, event: yaml.Event) -> None:
        if isinstance(value, (list, dict, datetime)):
            raise _error("a list, a map or a date cannot be a key", event)
        key = key_text(value)
        if key in top.items and key not in top.merged:
            raise _error("duplicated mapping key", event)
        top.merged.discard(key)
        top.items.setdefault(key, None)  # its place is where it is written first
        top.key = key

    def _merge(self, top: _Map, value: Any, event: yaml.Event) -> None:
        for source in value if isinstance(value, list) else [value]:
            if not isinstance(source, dict):
                raise _error("<< takes a map, or a list of maps", event)
            self._mergeable -= len(source) + 1
            if self._mergeable < 0:
                raise _error(f"<< merges more than {MERGE_LIMIT} keys", event)
            for key in property_order(source):
                if key not in top.items:
                    top.items[key] = source[key]
                    top.merged.add(key)
