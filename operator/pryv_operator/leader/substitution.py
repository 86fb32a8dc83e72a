"""Variables' names replaced by their values as the leader does it, in bounded memory.

Sizes are computed before any text is built (values may double at every step), and texts are built
without recursion (chains of values may be long). Intended differences from the leader: endless
recursion, an undefined value and an oversized result are errors; names are matched literally, not
as patterns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, Literal, TypeAlias

import ahocorasick_rs

from pryv_operator.leader.javascript import (
    CircularError,
    TooLongError,
    iso_string,
    property_order,
    stringify,
    well_formed,
)
from pryv_operator.leader.platform_yml import UNDEFINED
from pryv_operator.leader.render_error import RenderError
from pryv_operator.leader.taint import RenderedText, Value

#: Which name wins where several match: the longest, or (the leader's way) the first one of the map.
Order: TypeAlias = Literal["longest", "leader"]

#: Bytes (UTF-8) of a rendered text, at most.
SIZE_LIMIT: Final = 16 * 1024 * 1024
#: Characters of a name, at most: a search may take as many steps for each character of a text.
NAME_LIMIT: Final = 256
#: Names in a text, at most: replacing one takes a hundred times as long as copying a character.
NAMES_LIMIT: Final = 200_000
#: Elements of a value whose type is preserved, at most: each is searched for names.
ELEMENTS_LIMIT: Final = 100_000
#: Levels of lists and maps in a value, at most.
DEPTH_LIMIT: Final = 200
#: Bytes of resolved variables' texts that are cached for the next use.
_CACHED_TEXTS: Final = 64 * 1024 * 1024
#: Characters of names, at most, whose matcher is kept for other substitutions of the same names.
_CACHED_NAMES: Final = 16 * 1024
#: Characters that are searched at once: a match takes a hundred times the memory of a character.
_WINDOW: Final = 64 * 1024


class RecursionLoopError(RenderError):
    """A variable whose value refers to itself.

    ``chain`` holds the names on the way; the first one and the last one are equal.
    """

    def __init__(self, chain: Sequence[str]) -> None:
        shown = list(chain) if len(chain) <= 10 else [*chain[:5], "…", *chain[-4:]]
        super().__init__(
            f"variable {chain[0]}: its value refers to itself ({' → '.join(shown)}); "
            "change one of these values so that it does not hold the next name",
            variable=chain[0],
        )
        self.chain = tuple(chain)


class UndefinedValueError(RenderError):
    """A variable that is known but has no value."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"variable {name}: it has no value; set spec.variables.{name}", variable=name
        )


class TooLargeError(RenderError):
    """A text that would grow beyond the limit."""

    hidden_message = "too large with its secrets; shorten the Secrets that go into it"

    def __init__(
        self, variable: str | None = None, limit: int = SIZE_LIMIT, subject: str = "the file"
    ) -> None:
        subject = f"variable {variable}: its value" if variable else subject
        allowed = f"{limit // 1024 // 1024} MiB" if limit >= 1024 * 1024 else f"{limit // 1024} KiB"
        super().__init__(
            f"{subject} exceeds {allowed} after substitution; shorten the values that go into it",
            variable=variable,
        )


class TooManyNamesError(RenderError):
    """A text with more names in it than can be replaced in reasonable time."""

    def __init__(self) -> None:
        super().__init__(
            f"the text, or a value that goes into it, holds more than {NAMES_LIMIT} "
            "variable names; shorten it"
        )


class TooManyElementsError(RenderError):
    """A value with more elements than can be copied in reasonable time."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"variable {name}: its value has more than {ELEMENTS_LIMIT} elements; shorten it",
            variable=name,
        )


class TooDeepError(RenderError):
    """A value that is nested too deeply, or contains itself."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"variable {name}: its value is nested deeper than {DEPTH_LIMIT} levels "
            "or contains itself; flatten it",
            variable=name,
        )


class BadKeyError(RenderError):
    """A variable's name that cannot be substituted."""

    def __init__(self, message: str) -> None:
        super().__init__(message, variable="")


class _Node:
    """A variable as pieces of text and references; once resolved and cached, its text."""

    __slots__ = ("name", "name_size", "pieces", "secret", "size", "value")

    def __init__(self, name: str, value: Value) -> None:
        self.name = name
        self.name_size = _size(name)
        self.value = value.value
        self.secret = value.secret
        #: Bytes of the whole text; None until resolved.
        self.size: int | None = None
        self.pieces: list[str | _Node] = []


class Substitution:
    """Substitutes one platform's variables in texts.

    Each variable is resolved once, when it is first used.
    """

    def __init__(
        self, values: Mapping[str, Value], order: Order = "longest", limit: int = SIZE_LIMIT
    ) -> None:
        """Variables by name; no resulting text is longer than ``limit`` (bytes).

        Raises:
            BadKeyError: a name is empty, longer than ``NAME_LIMIT``, or holds a lone surrogate.
        """
        names = _names(tuple(values), order)
        self._order = order
        self._longest_name = names.longest
        self._nodes = [_Node(name, values[name]) for name in names.ordered]
        self._by_name = {node.name: node for node in self._nodes}
        self._matcher = names.matcher
        self._limit = limit
        self._room = _CACHED_TEXTS * limit // SIZE_LIMIT
        #: Values that are resolved, and their sizes.
        self._typed: dict[str, tuple[Value, int]] = {}
        #: By secrecy: the size of a secret must not decide whether a public value fits.
        self._typed_room = {False: self._room, True: self._room}
        #: What has the same public values.
        self._unmasked: Substitution | None = None

    def masked(self, values: Mapping[str, Value]) -> Substitution:
        """The substitution of the same variables (``values``) with masks in place of secrets.

        Public values that no secret goes into are the same, so they are not resolved again.
        """
        visible = {name: Value(value.visible) for name, value in values.items()}
        masked = Substitution(visible, self._order, self._limit)
        masked._unmasked = self
        return masked

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    def apply(self, text: str) -> RenderedText:
        """The text with every name replaced.

        Raises:
            RecursionLoopError, UndefinedValueError, TooDeepError: a variable that the text uses,
                directly or not, cannot be resolved.
            TooLargeError: the result would be larger than the limit.
            TooManyNamesError: it, or a value it reaches, holds more than ``NAMES_LIMIT`` names.
        """
        text = well_formed(text)
        pieces, found = self._split(text)
        secret = False
        for node in found:
            if node.size is None:
                self._resolve(node)
            secret = secret or node.secret
        # Names are replaced by their texts, whose sizes are known.
        size = _size(text) + sum([(node.size or 0) - node.name_size for node in found])
        if size > self._limit:
            raise TooLargeError(limit=self._limit)
        return RenderedText(_joined(pieces) if found else text, secret)

    def resolve(self, name: str) -> Value:
        """A variable's value, its type preserved, with the names in its texts and keys replaced.

        Datetimes become texts; of two keys that become equal the last one stays.

        Raises:
            KeyError: no such variable.
            RenderError: as ``apply``.
        """
        found = self._typed.get(name)
        if found is None:
            value, size = found = self._public(name) or self._resolve_typed(self._by_name[name])
            self._typed_room[value.secret] -= size
            if size > self._limit or self._typed_room[value.secret] < 0:
                raise TooLargeError(name)
            self._typed[name] = found
        return found[0]

    def _public(self, name: str) -> tuple[Value, int] | None:
        """A value that no secret goes into, if it was resolved before masks took their place."""
        known = self._unmasked._typed.get(name) if self._unmasked else None  # noqa: SLF001
        return None if known is None or known[0].secret else known

    def _resolve_typed(self, node: _Node) -> tuple[Value, int]:
        """A variable's value, and its size."""
        if type(node.value) is str:  # as most are
            rendered = self.apply(node.value)
            return Value(rendered.text, node.secret or rendered.secret), len(rendered.text) + 1
        typing = _Typing(node, self.apply, self._limit)
        value = typing.copy(_unwrapped(node), 0)
        return Value(value, typing.secret), typing.size

    # --- resolving variables ---

    def _resolve(self, start: _Node) -> None:
        """Fill in size, secrecy and text of a variable and of all that it refers to.

        Without recursion, as chains of variables may be long.
        """
        if start.size is not None:
            return
        references = self._references(start)
        if not references:
            self._finish(start)
            return
        path = {start: iter(references)}
        while path:
            node, rest = next(reversed(path.items()))
            child = next((each for each in rest if each.size is None), None)
            if child is None:
                self._finish(node)
                del path[node]
            elif child in path:
                names = [each.name for each in path]
                raise RecursionLoopError([*names[names.index(child.name) :], child.name])
            else:
                path[child] = iter(self._references(child))

    def _references(self, node: _Node) -> dict[_Node, None]:
        """The variables in a value, which is taken apart."""
        value = _unwrapped(node)
        try:
            text = value if isinstance(value, str) else stringify(value, self._limit)
        except TooLongError:
            failure: RenderError = TooLargeError(node.name, self._limit)
        except CircularError:
            failure = TooDeepError(node.name)
        else:
            node.pieces, found = self._split(well_formed(text))
            return dict.fromkeys(found)
        raise failure

    def _finish(self, node: _Node) -> None:
        size = _total_size(node.pieces)
        if size > self._limit:
            raise TooLargeError(node.name, self._limit)
        if size <= self._room and len(node.pieces) == 1 and isinstance(node.pieces[0], str):
            self._room -= size
            node.size = size
            return
        node.secret = node.secret or any(child.secret for child in _nodes(node.pieces))
        # Empty pieces and mere aliases would make walks longer than the texts they yield.
        node.pieces = [piece for piece in node.pieces if isinstance(piece, str) or piece.size]
        if size <= self._room:
            self._room -= size
            node.pieces = [_joined(node.pieces)]
        elif len(node.pieces) == 1 and isinstance(only := node.pieces[0], _Node):
            node.pieces = only.pieces
        node.size = size

    # --- finding names ---

    def _split(self, text: str) -> tuple[list[str | _Node], list[_Node]]:
        """The text as pieces and variables, and these alone, as often as they are named."""
        pieces: list[str | _Node] = []
        found: list[_Node] = []
        nodes = self._nodes
        done = 0
        for index, start, end in self._matches(text):
            if done < start:
                pieces.append(text[done:start])
            node = nodes[index]
            pieces.append(node)
            found.append(node)
            if len(pieces) > 2 * NAMES_LIMIT:
                raise TooManyNamesError
            done = end
        if done < len(text):
            pieces.append(text[done:] if done else text)
        return pieces, found

    def _matches(self, text: str) -> Iterable[tuple[int, int, int]]:
        """Index of the name, start and end (characters) of every match, from left to right."""
        if len(text) > _WINDOW:
            return self._matches_in_windows(text)
        found: list[tuple[int, int, int]] = self._matcher.find_matches_as_indexes(text)
        return found

    def _matches_in_windows(self, text: str) -> Iterator[tuple[int, int, int]]:
        start = 0
        while start < len(text):
            border = following = start + _WINDOW
            # A match that starts before the border may end beyond it.
            part = text[start : border + self._longest_name]
            for index, begin, end in self._matcher.find_matches_as_indexes(part):
                if start + begin >= border:
                    break
                yield index, start + begin, start + end
                following = max(border, start + end)
            start = following


class _Typing:
    """A copy of one variable's value with names replaced in its texts."""

    def __init__(self, node: _Node, apply: Callable[[str], RenderedText], room: int) -> None:
        self.secret = node.secret
        self.size = 0
        self._elements = 0
        #: Texts already substituted: short ones occur often.
        self._applied: dict[str, RenderedText] = {}
        self._name = node.name
        self._apply = apply
        self._room = room

    def copy(self, value: Any, depth: int) -> Any:
        if depth > DEPTH_LIMIT:
            raise TooDeepError(self._name)
        self._elements += 1
        if self._elements > ELEMENTS_LIMIT:
            raise TooManyElementsError(self._name)
        self._spend(1)
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, datetime):
            return iso_string(value)
        if isinstance(value, Mapping):
            return {
                self._text(key): self.copy(value[key], depth + 1) for key in property_order(value)
            }
        if isinstance(value, (list, tuple)):
            return [self.copy(item, depth + 1) for item in value]
        return value

    def _text(self, text: str) -> str:
        result = self._applied.get(text)
        if result is None:
            result = self._applied[text] = self._apply(text)
        self.secret = self.secret or result.secret
        self._spend(len(result.text))
        return result.text

    def _spend(self, size: int) -> None:
        self.size += size
        if self.size > self._room:
            raise TooLargeError(self._name)


@dataclass(frozen=True)
class _Names:
    """The names of variables in the order of an object's properties, and what finds them."""

    ordered: tuple[str, ...]
    #: Characters of the longest one.
    longest: int
    matcher: ahocorasick_rs.AhoCorasick


def _names(given: tuple[str, ...], order: Order) -> _Names:
    """The names, found once for equal ones: building the matcher takes the longest.

    Raises:
        BadKeyError: one is empty, longer than ``NAME_LIMIT``, or holds a lone surrogate.
    """
    if sum(map(len, given)) > _CACHED_NAMES:
        return _new_names(given, order)
    return _known_names(given, order)


def _new_names(given: tuple[str, ...], order: Order) -> _Names:
    names = tuple(property_order(given))
    if "" in names:
        raise BadKeyError("spec.variables: a variable has an empty name; remove it")
    longest = max(map(len, names), default=0)
    if longest > NAME_LIMIT:
        raise BadKeyError(
            f"spec.variables: a name is longer than {NAME_LIMIT} characters; shorten it"
        )
    if any(well_formed(name) != name for name in names):
        raise BadKeyError(
            "spec.variables: a name holds a lone surrogate (half a character); rename it"
        )
    kind = (
        ahocorasick_rs.MatchKind.LeftmostLongest
        if order == "longest"
        else ahocorasick_rs.MatchKind.LeftmostFirst
    )
    return _Names(names, longest, ahocorasick_rs.AhoCorasick(names, matchkind=kind))


#: Names only, which are no secrets: platforms of one release have the same.
_known_names = lru_cache(maxsize=8)(_new_names)


def _unwrapped(node: _Node) -> Any:
    """The value to substitute: of an object with a non-null property ``value``, that property."""
    value = node.value
    if type(value) is str:  # most are: asking whether something is a Mapping is slow
        return value
    if value is UNDEFINED:
        raise UndefinedValueError(node.name)
    if isinstance(value, Mapping):
        inner = value.get("value")
        return value if inner is None else inner
    return value


def _nodes(pieces: Iterable[str | _Node]) -> dict[_Node, None]:
    """The variables among the pieces, each once, in their order."""
    return {piece: None for piece in pieces if isinstance(piece, _Node)}


def _total_size(pieces: Iterable[str | _Node]) -> int:
    return sum(_size(piece) if isinstance(piece, str) else piece.size or 0 for piece in pieces)


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _joined(pieces: Sequence[str | _Node]) -> str:
    """The text of resolved pieces."""
    return "".join([each if isinstance(each, str) else _text_of(each) for each in pieces])


def _text_of(node: _Node) -> str:
    pieces = node.pieces  # of most variables one text, see ``_finish``
    if len(pieces) == 1 and isinstance(only := pieces[0], str):
        return only
    return "".join(_texts(pieces))


def _texts(pieces: Iterable[str | _Node]) -> Iterator[str]:
    """The text of resolved pieces, in parts."""
    walks = [iter(pieces)]
    while walks:
        for piece in walks[-1]:
            if isinstance(piece, str):
                yield piece
            elif piece.size:
                walks.append(iter(piece.pieces))
                break
        else:
            walks.pop()
