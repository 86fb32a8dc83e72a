"""Whether templates, or values that are put into them, use a name that is no variable of theirs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, Final

import ahocorasick_rs

from pryv_operator.leader.javascript import well_formed
from pryv_operator.templates.bundle import UNSET, Bundle

_WORD: Final = re.compile(r"[^\W\d]\w*")
#: Texts are searched in pieces of about this size (characters): what is found in one is a list.
_PIECE: Final = 64 * 1024
_OVERLAP: Final = 256


class Usage:
    """The names of the user's variables that are used in the files of the wanted roles, and in the values of others.

    For Jinja a name has to be a word; for the leader, which looks for names anywhere, it has not, but must be no part of
    another name that is longer.
    """

    def __init__(self, bundle: Bundle, roles: Iterable[str], given: Mapping[str, Any]) -> None:
        """``given`` are the user's variables."""
        self._bundle = bundle
        self._roles = tuple(roles)
        self._given = given

    def uses(self, name: str) -> bool:
        """Whether something besides its own value uses the name."""
        return name in self._used

    @cached_property
    def _used(self) -> frozenset[str]:
        names = [
            name for name in {*self._bundle.variables, *self._given} if name and name.isprintable()
        ]
        matcher = ahocorasick_rs.AhoCorasick(
            names, matchkind=ahocorasick_rs.MatchKind.LeftmostLongest
        )
        used: set[str] = set()
        for path, content in self._files():
            text = content.decode("utf-8", "replace")
            if self._bundle.jinja and path.endswith(".j2"):
                used.update(_WORD.findall(text))
            else:
                used.update(*(matcher.find_matches_as_strings(piece) for piece in _pieces(text)))
        for name, value in self._values():
            for text in texts_in(value):
                used |= {
                    found
                    for piece in _pieces(text)
                    for found in matcher.find_matches_as_strings(piece)
                    if found != name
                }
        return frozenset(used)

    def _files(self) -> Iterator[tuple[str, bytes]]:
        folders = [self._bundle.roles[role] for role in self._roles if role in self._bundle.roles]
        for folder in (*folders, self._bundle.shared):
            yield from folder.items()

    def _values(self) -> Iterator[tuple[str, Any]]:
        defaults = {
            name: variable.default
            for name, variable in self._bundle.variables.items()
            if variable.default is not UNSET
        }
        yield from (defaults | dict(self._given)).items()


def _pieces(text: str) -> Iterator[str]:
    """A text in pieces that overlap by more than a name is long."""
    for start in range(0, len(text), _PIECE):
        yield well_formed(text[start : start + _PIECE + _OVERLAP])


def texts_in(value: Any) -> Iterator[str]:
    """Every text in a value, names of entries too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, child in value.items():
            yield key
            yield from texts_in(child)
    elif isinstance(value, list):
        for child in value:
            yield from texts_in(child)
