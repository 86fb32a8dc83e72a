"""Which variables have an effect: those that rendered files mention, directly or through values."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, Final

import ahocorasick_rs

from pryv_operator.api.findings import Advisory
from pryv_operator.api.reasons import Reason
from pryv_operator.api.spec import PryvPlatformSpec
from pryv_operator.leader.javascript import well_formed
from pryv_operator.templates.bundle import Bundle
from pryv_operator.values.catalogue import catalogue_of
from pryv_operator.values.nested import texts_in

_WORD: Final = re.compile(r"[^\W\d]\w*")
#: In the place of a role: the files that all roles share.
_SHARED: Final = ""
#: Texts are searched in pieces of about this size (characters), because the result is a list.
_PIECE: Final = 64 * 1024
#: How far pieces overlap (characters): longer than any name.
_OVERLAP: Final = 256


def used_variables(
    bundle: Bundle, roles: Iterable[str], configured: Mapping[str, Any]
) -> frozenset[str]:
    """Names of the variables that the files of some roles mention, directly or through values.

    The leader replaces names wherever they occur, so a name counts as mentioned unless it is only
    a part of a longer name. In a Jinja template it has to be a word.

    Args:
        bundle: the templates and the variables that they declare.
        roles: the roles whose files are searched, besides the shared ones.
        configured: the user's variables under any of their names; they need not be declared.
    """
    catalogue = catalogue_of(bundle)
    values: dict[str, list[Any]] = defaultdict(list)
    for name, value in {**catalogue.defaults(), **configured}.items():
        values[catalogue.place(name).variable].append(value)
    search, mentioned = _searches(bundle, {*bundle.variables, *values})
    used: set[str] = set()
    pending = set().union(*map(mentioned, roles), mentioned(_SHARED))
    while pending:
        used |= pending
        texts = (text for name in pending for value in values[name] for text in texts_in(value))
        pending = {name for text in texts for name in search.in_text(text)} - used
    return frozenset(used)


def unused_variables(
    spec: PryvPlatformSpec, bundle: Bundle, roles: Collection[str]
) -> tuple[Advisory, ...]:
    """A warning for each declared variable that the spec sets without effect."""
    if not spec.variables and not spec.secrets:
        return ()
    catalogue = catalogue_of(bundle)
    used = used_variables(bundle, roles, spec.variables)
    configured = [f"variables.{name}" for name in sorted(spec.variables)]
    configured += [f"secrets.{name}" for name in sorted(spec.secrets)]
    places = {field: catalogue.place(field.partition(".")[2]) for field in configured}
    return tuple(
        Advisory(
            Reason.UNUSED_VARIABLE,
            f"spec.{field}: no template of this platform uses it, so it has no effect; remove it",
        )
        for field, place in places.items()
        if catalogue.knows(place) and place.variable not in used
    )


class _NameSearch:
    """Finds names in texts; of two that start at one position the longer."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = [name for name in names if name and name.isprintable()]
        self._matcher = ahocorasick_rs.AhoCorasick(
            self._names, matchkind=ahocorasick_rs.MatchKind.LeftmostLongest
        )

    def in_text(self, text: str) -> set[str]:
        found: set[str] = set()
        for piece in _pieces(text):
            found.update(self._matcher.find_matches_as_strings(piece))
        return found

    def in_file(self, content: bytes, *, jinja: bool) -> set[str]:
        text = content.decode("utf-8", "replace")
        return set(_WORD.findall(text)).intersection(self._names) if jinja else self.in_text(text)


def _searches(
    bundle: Bundle, names: set[str]
) -> tuple[_NameSearch, Callable[[str], frozenset[str]]]:
    """A search for names, and what gives the names that the files of a role mention.

    Most platforms configure only variables that their templates declare, so both are the bundle's.
    """
    if names != bundle.variables.keys():
        own = _NameSearch(names)
        return own, lambda role: _mentioned(bundle, role, own)
    search = bundle.derive("search for declared names", lambda: _NameSearch(names))
    return search, lambda role: bundle.derive(
        ("declared names in files", role), lambda: _mentioned(bundle, role, search)
    )


def _mentioned(bundle: Bundle, role: str, search: _NameSearch) -> frozenset[str]:
    files = bundle.shared if role == _SHARED else bundle.roles.get(role, {})
    return frozenset(
        name
        for path, content in files.items()
        for name in search.in_file(content, jinja=bundle.jinja and path.endswith(".j2"))
    )


def _pieces(text: str) -> Iterator[str]:
    for start in range(0, len(text), _PIECE):
        yield well_formed(text[start : start + _PIECE + _OVERLAP])
