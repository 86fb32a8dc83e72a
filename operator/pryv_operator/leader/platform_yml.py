"""A leader's ``platform.yml``, read as js-yaml 4 reads it: YAML 1.2 core types, timestamps, merge keys, no duplicate keys.

PyYAML's own types are YAML 1.1 (``yes`` is true, ``012`` is ten), and it keeps the last of two equal keys in silence;
so only its parser is used here, and values are built from the parser's events.
Source: js-yaml 4 (``lib/loader.js``, ``lib/type/*.js``) and the leader's own answers.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, Final, Literal, TypeAlias

import yaml
from yaml.reader import ReaderError

from pryv_operator.leader.json_value import Json
from pryv_operator.leader.yaml_text import NotAllowedError, YamlText, yaml_text


class Undefined(Enum):
    """The type of ``UNDEFINED``."""

    UNDEFINED = "undefined"

    def __repr__(self) -> str:
        return self.name


#: JavaScript's ``undefined``: a setting that has no ``value``.
UNDEFINED: Final[Literal[Undefined.UNDEFINED]] = Undefined.UNDEFINED

#: What a variable of a leader can be. (A ``datetime`` stands at any depth, as YAML knows timestamps.)
LeaderValue: TypeAlias = "Json | datetime | Literal[Undefined.UNDEFINED]"

#: Deeper nesting than this is refused; no platform.yml comes near.
MAX_DEPTH: Final = 200
#: ``<<`` takes over no more keys than this in a document: a few lines could ask for millions.
MERGE_LIMIT: Final = 20_000


class PlatformYmlError(Exception):
    """A platform.yml that cannot be read; the message holds none of its text, as secrets may stand there.

    ``line`` and ``column`` count from 1; both are 0 where the fault has no place.
    """

    def __init__(self, message: str, line: int = 0, column: int = 0) -> None:
        super().__init__(f"{message} (line {line}, column {column})" if line else message)
        self.message = message
        self.line = line
        self.column = column


def leader_variables(
    platform_yml_text: str, internals: Mapping[str, Json]
) -> dict[str, LeaderValue]:
    """The leader's one ordered map of variables: internals first, then every group's settings.

    A name that comes again keeps its first place and takes its last value; integer-like names come first.

    Raises:
        PlatformYmlError: the text is no valid YAML, or has not the shape of a platform.yml.
    """
    document = load_yaml(platform_yml_text)
    groups = document.get("vars") if isinstance(document, dict) else None
    if not isinstance(groups, dict):
        raise PlatformYmlError("this is no platform.yml: it has no map named vars at its top")
    variables: dict[str, LeaderValue] = dict(internals)
    for group_name in property_order(groups):
        group = groups[group_name]
        settings = group.get("settings") if isinstance(group, dict) else None
        if not isinstance(settings, dict):
            raise PlatformYmlError(f"the group {group_name} has no map named settings")
        for name in property_order(settings):
            setting = settings[name]
            if setting is None:
                raise PlatformYmlError(
                    f"the setting {name} of the group {group_name} is empty; it needs a value: entry"
                )
            variables[name] = (
                setting.get("value", UNDEFINED) if isinstance(setting, dict) else UNDEFINED
            )
    return {name: variables[name] for name in property_order(variables)}


def load_yaml(text: str) -> Any:
    """One YAML document as None, bool, int, float, str, datetime (UTC), list and dict; None for an empty text.

    Keys of maps become strings, as JavaScript writes them. Aliases give one object several times.

    Raises:
        PlatformYmlError: no valid YAML; the message has no excerpt.
    """
    try:
        source: YamlText | None = yaml_text(text.removeprefix("\ufeff"))
    except NotAllowedError:
        raise PlatformYmlError("it holds too many characters of private use") from None
    while source:
        builder = _Builder(source)
        try:
            for event in yaml.parse(source.text, Loader=yaml.CSafeLoader):
                builder.take(event)
            return builder.document
        except yaml.MarkedYAMLError as error:
            source = source.mended(error)
            mark = error.problem_mark or error.context_mark
            # What stands in quotes in a parser's message comes from the text.
            problem = re.split(r"['\"]", error.problem or error.context or "it is malformed")[
                0
            ].strip()
            failure = PlatformYmlError(
                f"no valid YAML: {problem}", *(_place(mark) if mark else (0, 0))
            )
        except (ReaderError, UnicodeEncodeError):
            source = None
            failure = PlatformYmlError(
                "no valid YAML: it holds a character that is not allowed there"
            )
    raise failure


def property_order(names: Iterable[str]) -> list[str]:
    """Names in the order of a JavaScript object: those that look like array indices first, by number."""
    given = list(names)
    indices = [name for name in given if name[:1] in _DIGITS and _is_array_index(name)]
    if not indices:
        return given
    chosen = set(indices)
    return sorted(indices, key=int) + [name for name in given if name not in chosen]


def number_text(number: float) -> str:
    """A number as JavaScript's ``String(number)`` writes it; every number is a double there."""
    try:
        double = float(number)
    except OverflowError:
        return "Infinity" if number > 0 else "-Infinity"
    if not math.isfinite(double):
        return "NaN" if math.isnan(double) else "Infinity" if double > 0 else "-Infinity"
    if double == 0:
        return "0"
    sign = "-" if double < 0 else ""
    mantissa, _, exponent = repr(abs(double)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    return sign + _placed(digits, point)


def _placed(digits: str, point: int) -> str:
    """0.<digits> times ten to the power of ``point``, by ECMAScript's Number::toString."""
    if len(digits) <= point <= 21:
        return digits.ljust(point, "0")
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return "0." + "0" * -point + digits
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{digits[0]}{fraction}e{point - 1:+d}"


_DIGITS: Final = frozenset("0123456789")


def _is_array_index(name: str) -> bool:
    canonical = name == "0" or (
        name[0] != "0" and len(name) <= 10 and name.isascii() and name.isdigit()
    )
    return canonical and int(name) < 2**32 - 1


# --- building values from the parser's events ---

_MERGE: Final = "tag:yaml.org,2002:merge"
_TAG_PREFIX: Final = "tag:yaml.org,2002:"


def _place(mark: Any) -> tuple[int, int]:
    return mark.line + 1, mark.column + 1


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
    #: Keys that came by a merge: written out, they win and are no duplicates.
    merged: set[str] = field(default_factory=set)


class _Builder:
    """Takes the events of one document; ``document`` is its value in the end."""

    def __init__(self, source: YamlText) -> None:
        self.document: Any = None
        self._source = source
        self._open: list[_List | _Map] = []
        self._merge_room = MERGE_LIMIT
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
                    raise PlatformYmlError(
                        "no valid YAML here: a second document starts", *_place(event.start_mark)
                    )

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        try:
            text = self._source.restored(event.value, event.style)
        except NotAllowedError:
            raise PlatformYmlError(
                "no valid YAML: a character that is not allowed there", *_place(event.start_mark)
            ) from None
        if self._source.has_refused_head(event):
            raise PlatformYmlError(
                "no valid YAML: a comment needs a space before it", *_place(event.start_mark)
            )
        plain = bool(event.implicit[0]) and event.tag is None
        if plain and text == "<<" and self._wants_key():
            self._merge_next(event)
            return
        value = (
            _plain(text, event) if plain else text if event.implicit[1] else _tagged(text, event)
        )
        if event.anchor:
            self._anchors[event.anchor] = value
        self._put(value, event)

    def _alias(self, event: yaml.AliasEvent) -> None:
        if event.anchor not in self._anchors:
            raise PlatformYmlError(
                "no valid YAML: an alias refers to nothing before it", *_place(event.start_mark)
            )
        self._put(self._anchors[event.anchor], event)

    def _start(self, event: Any, collection: _List | _Map, kind: str) -> None:
        if event.tag not in {None, "!", _TAG_PREFIX + kind}:
            raise PlatformYmlError(
                "this YAML tag is not understood here", *_place(event.start_mark)
            )
        if len(self._open) >= MAX_DEPTH:
            raise PlatformYmlError(
                f"nested deeper than {MAX_DEPTH} levels", *_place(event.start_mark)
            )
        if self._wants_key():
            raise PlatformYmlError("a list or a map cannot be a key", *_place(event.start_mark))
        if collection.anchor:
            # A reference to a collection from inside itself must not find an earlier one of that name.
            self._anchors.pop(collection.anchor, None)
        self._open.append(collection)

    def _wants_key(self) -> bool:
        return bool(self._open) and isinstance(top := self._open[-1], _Map) and top.key is None

    def _merge_next(self, event: yaml.ScalarEvent) -> None:
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
            raise PlatformYmlError(
                "a list, a map or a date cannot be a key", *_place(event.start_mark)
            )
        key = _key_text(value)
        if key in top.items and key not in top.merged:
            raise PlatformYmlError("duplicated mapping key", *_place(event.start_mark))
        top.merged.discard(key)
        top.items.setdefault(key, None)  # its place is where it is written first
        top.key = key

    def _merge(self, top: _Map, value: Any, event: yaml.Event) -> None:
        for source in value if isinstance(value, list) else [value]:
            if not isinstance(source, dict):
                raise PlatformYmlError(
                    "<< takes a map, or a list of maps", *_place(event.start_mark)
                )
            self._merge_room -= len(source) + 1
            if self._merge_room < 0:
                raise PlatformYmlError(
                    f"<< takes more than {MERGE_LIMIT} keys over", *_place(event.start_mark)
                )
            for key in property_order(source):
                if key not in top.items:
                    top.items[key] = source[key]
                    top.merged.add(key)


def _key_text(value: Hashable) -> str:
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    assert isinstance(value, (int, float))  # noqa: S101 - for the type checker
    return number_text(value)


# --- scalars ---

_INTEGER: Final = re.compile(r"([-+]?)(?:0b([01]+)|0o([0-7]+)|0x([0-9a-fA-F]+)|([0-9]+))", re.ASCII)
_FLOAT: Final = re.compile(
    r"[-+]?[0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?|\.[0-9]+(?:[eE][-+]?[0-9]+)?", re.ASCII
)
_INFINITY: Final = re.compile(r"([-+]?)\.(?:inf|Inf|INF)")
_NAN: Final = re.compile(r"\.(?:nan|NaN|NAN)")
_DATE: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})", re.ASCII)
_TIMESTAMP: Final = re.compile(
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})(?:[Tt]|[ \t]+)([0-9]{1,2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]*))?"
    r"(?:[ \t]*(?:Z|([-+])([0-9]{1,2})(?::([0-9]{2}))?))?",
    re.ASCII,
)
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS: Final = {
    text: value
    for value in (True, False)
    for text in (str(value), str(value).lower(), str(value).upper())
}


class _NotOneError(Exception):
    """The text is no value of the type asked for."""


def _plain(text: str, event: yaml.Event) -> Any:
    """An unquoted scalar without a tag: the first type that fits, else a string."""
    for read in (_null, _boolean, _integer, _float):
        try:
            return read(text)
        except _NotOneError:
            continue
    try:
        return _timestamp(text)
    except _NotOneError:
        return text
    except OverflowError:
        raise PlatformYmlError("this date is out of range", *_place(event.start_mark)) from None


def _tagged(text: str, event: yaml.ScalarEvent) -> Any:
    tag = event.tag or "!"
    if not text and not event.style and tag in _EMPTY:
        return copy.copy(_EMPTY[tag])
    if tag in {"!", _TAG_PREFIX + "str"}:
        return text
    read = _READERS.get(tag.removeprefix(_TAG_PREFIX))
    if read is None:
        raise PlatformYmlError("this YAML tag is not understood here", *_place(event.start_mark))
    try:
        return read(text)
    except (_NotOneError, OverflowError):
        problem = f"this is no {tag.removeprefix(_TAG_PREFIX)}, though its tag says so"
    raise PlatformYmlError(problem, *_place(event.start_mark))


def _null(text: str) -> None:
    if text not in _NULLS:
        raise _NotOneError


def _boolean(text: str) -> bool:
    if text not in _BOOLEANS:
        raise _NotOneError
    return _BOOLEANS[text]


def _integer(text: str) -> int | float:
    found = _INTEGER.fullmatch(text)
    if not found:
        raise _NotOneError
    sign, binary, octal, hexadecimal, decimal = found.groups()
    if decimal:
        # Through float: JavaScript has doubles only, and Python limits the digits of a decimal int.
        number: int | float = int(decimal) if len(decimal) <= 400 else float(decimal)
    else:
        number = int(binary or octal or hexadecimal, 2 if binary else 8 if octal else 16)
    try:
        finite = math.isfinite(float(number))
    except OverflowError:
        finite = False
    if not finite:
        raise _NotOneError
    return -number if sign == "-" else number


def _float(text: str) -> float:
    if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    if _NAN.fullmatch(text):
        return math.nan
    if infinity := _INFINITY.fullmatch(text):
        return -math.inf if infinity[1] == "-" else math.inf
    raise _NotOneError


def _timestamp(text: str) -> datetime:
    """A UTC time; months, days and hours beyond their range carry over, as in JavaScript's ``Date.UTC``."""
    found = _DATE.fullmatch(text) or _TIMESTAMP.fullmatch(text)
    if not found:
        raise _NotOneError
    year, month, day, hour, minute, second = (
        int(part or 0) for part in (*found.groups(), *[None] * 7)[:6]
    )
    fraction, sign, offset_hours, offset_minutes = (*found.groups(), *[None] * 7)[6:10]
    year += 1900 if year < 100 else 0
    year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    since = timedelta(
        days=day - 1,
        hours=hour,
        minutes=minute,
        seconds=second,
        milliseconds=int((fraction or "0")[:3].ljust(3, "0")),
    )
    offset = timedelta(hours=int(offset_hours or 0), minutes=int(offset_minutes or 0))
    try:
        return datetime(year, month, 1, tzinfo=UTC) + since - (-offset if sign == "-" else offset)
    except ValueError:
        raise OverflowError from None


#: What a tag makes of nothing at all.
_EMPTY: Final[Mapping[str, Any]] = {"!": None, _TAG_PREFIX + "seq": [], _TAG_PREFIX + "map": {}}
_READERS: Final[Mapping[str, Callable[[str], Any]]] = {
    "null": _null,
    "bool": _boolean,
    "int": _integer,
    "float": _float,
    "timestamp": _timestamp,
}
