"""Names of variables replaced by their values, the leader's way, in one pass and in bounded space.

Sizes are computed before any text is built (values may double at every step), and texts are built without recursion
(chains of values may be long). See the project's own rules on what differs from the leader: the loop, the undefined
value and the oversized result are errors of their own; a name is matched literally, whatever characters it has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import ahocorasick_rs

from pryv_operator.leader.javascript import CircularError, TooLongError, stringify, well_formed
from pryv_operator.leader.platform_yml import property_order
from pryv_operator.leader.taint import UNDEFINED, Order, RenderError, Text, Value

#: A rendered text is no longer than this (bytes of UTF-8).
SIZE_LIMIT: Final = 16 * 1024 * 1024
#: A name is no longer than this (characters): a search takes up to this many steps for each character of a text.
NAME_LIMIT: Final = 256
#: A text holds no more names than this: each takes a hundred times as long as a character.
NAMES_LIMIT: Final = 200_000
#: A value with its type kept holds no more elements than this: names are looked for in each of them.
ELEMENTS_LIMIT: Final = 100_000
#: Lists and maps inside a value are no deeper than this.
DEPTH_LIMIT: Final = 200
#: So much text of resolved variables is kept for the next time they are used (bytes).
_KEPT_TEXTS: Final = 64 * 1024 * 1024
#: Texts are searched in windows of so many characters: a match costs a hundred times the memory of a character.
_WINDOW: Final = 64 * 1024


class RecursionLoopError(RenderError):
    """A variable whose value leads back to itself; ``chain`` holds the names on the way, first and last one equal."""

    def __init__(self, chain: Sequence[str]) -> None:
        shown = list(chain) if len(chain) <= 10 else [*chain[:5], "…", *chain[-4:]]
        super().__init__(
            f"the value of {chain[0]} leads back to itself ({' → '.join(shown)}): give one of them a value without these names",
            variable=chain[0],
        )
        self.chain = tuple(chain)


class UndefinedValueError(RenderError):
    """A variable that is known but has no value."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} has no value: set it under spec.variables", variable=name)


class TooLargeError(RenderError):
    """A text that would grow beyond the limit."""

    def __init__(
        self, variable: str | None = None, limit: int = SIZE_LIMIT, subject: str = "the file"
    ) -> None:
        subject = f"the value of {variable}" if variable else subject
        allowed = f"{limit // 1024 // 1024} MiB" if limit >= 1024 * 1024 else f"{limit // 1024} KiB"
        super().__init__(
            f"{subject} grows beyond {allowed}: make the values shorter that are put into it",
            variable=variable,
        )


class TooManyNamesError(RenderError):
    """A text with more names in it than can be replaced in reasonable time."""

    def __init__(self) -> None:
        super().__init__(
            f"a text, or a value that is put into it, holds more than {NAMES_LIMIT} names of variables: make it shorter"
        )


class TooManyElementsError(RenderError):
    """A value with more elements than can be copied in reasonable time."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the value of {name} holds more than {ELEMENTS_LIMIT} elements: make it shorter",
            variable=name,
        )


class TooDeepError(RenderError):
    """A value that is nested too deeply, or contains itself."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the value of {name} is nested deeper than {DEPTH_LIMIT} levels or contains itself: make it flatter",
            variable=name,
        )


class BadKeyError(RenderError):
    """A name that no text can hold."""

    def __init__(self, message: str) -> None:
        super().__init__(message, variable="")


class _Node:
    """A variable in the middle of things: text and references to others, later (where there is room) its whole text."""

    __slots__ = ("name", "pieces", "secret", "size", "value")

    def __init__(self, name: str, value: Value) -> None:
        self.name = name
        self.value = value.value
        self.secret = value.secret
        #: Bytes of the whole text; None until resolved.
        self.size: int | None = None
        self.pieces: list[str | _Node] = []


class Substitution:
    """The variables of one platform, ready to be put into texts. Each variable is resolved once, when first reached."""

    def __init__(
        self, values: Mapping[str, Value], order: Order = "longest", limit: int = SIZE_LIMIT
    ) -> None:
        """``order`` says who wins where several names start at one position; no text is longer than ``limit`` (bytes).

        Raises:
            BadKeyError: a name is empty, longer than ``NAME_LIMIT``, or no text.
        """
        names = property_order(values)
        if "" in values:
            raise BadKeyError("a variable has an empty name: remove it from spec.variables")
        self._longest_name = max(map(len, names), default=0)
        if self._longest_name > NAME_LIMIT:
            raise BadKeyError(
                f"a variable's name is longer than {NAME_LIMIT} characters: shorten it"
            )
        if any(well_formed(name) != name for name in names):
            raise BadKeyError(
                "a variable's name holds half a character (a lone surrogate): rename it"
            )
        self._nodes = [_Node(name, values[name]) for name in names]
        self._by_name = {node.name: node for node in self._nodes}
        kind = (
            ahocorasick_rs.MatchKind.LeftmostLongest
            if order == "longest"
            else ahocorasick_rs.MatchKind.LeftmostFirst
        )
        self._matcher = ahocorasick_rs.AhoCorasick(names, matchkind=kind)
        self._limit = limit
        self._room = _KEPT_TEXTS * limit // SIZE_LIMIT
        self._typed: dict[str, Value] = {}
        self._typed_room = self._room

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    def apply(self, text: str) -> Text:
        """The text with every name replaced.

        Raises:
            RecursionLoopError, UndefinedValueError, TooDeepError: a variable it reaches cannot be resolved.
            TooLargeError: the result would be larger than the limit.
            TooManyNamesError: it, or a value it reaches, holds more than ``NAMES_LIMIT`` names.
        """
        pieces = self._split(well_formed(text))
        nodes = _nodes(pieces)
        for node in nodes:
            self._resolve(node)
        if _total_size(pieces) > self._limit:
            raise TooLargeError(limit=self._limit)
        return Text("".join(_texts(pieces)), any(node.secret for node in nodes))

    def resolve(self, name: str) -> Value:
        """A variable's value with its type kept: names are replaced in every text inside it, keys of maps too.

        Datetimes become texts; of two keys that become equal the last one stays.

        Raises:
            KeyError: there is no such variable.
            RenderError: as ``apply``.
        """
        if name not in self._typed:
            self._typed[name] = self._resolve_typed(self._by_name[name])
        return self._typed[name]

    def _resolve_typed(self, node: _Node) -> Value:
        typing = _Typing(node, self.apply, min(self._limit, self._typed_room))
        value = typing.copy(_unwrapped(node), 0)
        self._typed_room -= typing.size
        return Value(value, typing.secret)

    # --- resolving variables ---

    def _resolve(self, wanted: _Node) -> None:
        """Fill in size, secrecy and text of a variable and of all that it reaches, without recursion."""
        if wanted.size is not None:
            return
        path = {wanted: self._references(wanted)}
        while path:
            node, references = next(reversed(path.items()))
            child = next((each for each in references if each.size is None), None)
            if child is None:
                self._finish(node)
                del path[node]
            elif child in path:
                names = [each.name for each in path]
                raise RecursionLoopError([*names[names.index(child.name) :], child.name])
            else:
                path[child] = self._references(child)

    def _references(self, node: _Node) -> Iterator[_Node]:
        value = _unwrapped(node)
        try:
            text = value if isinstance(value, str) else stringify(value, self._limit)
        except TooLongError:
            failure: RenderError = TooLargeError(node.name, self._limit)
        except CircularError:
            failure = TooDeepError(node.name)
        else:
            node.pieces = self._split(well_formed(text))
            return iter(_nodes(node.pieces))
        raise failure

    def _finish(self, node: _Node) -> None:
        size = _total_size(node.pieces)
        if size > self._limit:
            raise TooLargeError(node.name, self._limit)
        node.secret = node.secret or any(child.secret for child in _nodes(node.pieces))
        # What is empty, or only another name for something, would make walks longer than their texts.
        node.pieces = [piece for piece in node.pieces if isinstance(piece, str) or piece.size]
        if size <= self._room:
            self._room -= size
            node.pieces = ["".join(_texts(node.pieces))]
        elif len(node.pieces) == 1 and isinstance(only := node.pieces[0], _Node):
            node.pieces = only.pieces
        node.size = size

    # --- finding names ---

    def _split(self, text: str) -> list[str | _Node]:
        pieces: list[str | _Node] = []
        done = 0
        for index, start, end in self._matches(text):
            if done < start:
                pieces.append(text[done:start])
            pieces.append(self._nodes[index])
            if len(pieces) > 2 * NAMES_LIMIT:
                raise TooManyNamesError
            done = end
        if done < len(text):
            pieces.append(text[done:] if done else text)
        return pieces

    def _matches(self, text: str) -> Iterator[tuple[int, int, int]]:
        """Index of the name, start and end (characters) of every match, from left to right."""
        start = 0
        while start < len(text):
            border = following = start + _WINDOW
            # A match that starts before the border may end beyond it.
            part = (
                text
                if len(text) <= border and not start
                else text[start : border + self._longest_name]
            )
            for index, begin, end in self._matcher.find_matches_as_indexes(part):
                if start + begin >= border:
                    break
                yield index, start + begin, start + end
                following = max(border, start + end)
            start = following


class _Typing:
    """A copy of one variable's value with names replaced in its texts."""

    def __init__(self, node: _Node, apply: Callable[[str], Text], room: int) -> None:
        self.secret = node.secret
        self.size = 0
        self._elements = 0
        #: Texts that came already: short ones come often.
        self._applied: dict[str, Text] = {}
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
            return stringify(value)[1:-1]
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


def _unwrapped(node: _Node) -> Any:
    """The value that is put in: an object's own ``value``, if it has one that is not null, stands for the object."""
    value = node.value
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
