"""The variables that a release declares, found by any of their names, or by a dotted path.

Releases since 1.6 and those of 2019 have different names for the same variables.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from pryv_operator.api import secret_variables
from pryv_operator.leader.json_value import Json
from pryv_operator.leader.substitution import NAME_LIMIT
from pryv_operator.templates.bundle import UNSET, Bundle, Variable
from pryv_operator.values.nested import Path, leaves, value_at
from pryv_operator.values.value_checks import check_value, in_declared_type


@dataclass(frozen=True)
class Place:
    """What a name refers to: a variable, and a path into its value (empty: the whole value)."""

    variable: str
    path: Path = ()

    def __str__(self) -> str:
        """The dotted form, such as ``EMAIL_SENDER.name``."""
        return ".".join((self.variable, *self.path))

    def at(self, path: Path) -> Place:
        """A place inside this one."""
        return Place(self.variable, (*self.path, *path))


class Catalogue:
    """The variables of a bundle, each under all of its names."""

    def __init__(self, variables: Mapping[str, Variable]) -> None:
        """``variables``: those of a bundle, by name."""
        self.variables = variables
        self._aliases = {
            alias: Place(name) for name, variable in variables.items() for alias in variable.aliases
        } | {
            alias: Place(name, tuple(path.split(".")))
            for name, variable in variables.items()
            for alias, path in variable.alias_paths.items()
        }

    def place(self, name: str) -> Place:
        """The place that a name refers to; an unknown name refers to a variable of that name.

        The longest known beginning wins, because a path of 1.9 can be a variable of 2019:
        ``EMAIL_SENDER.name`` is ``MAIL_FROM_NAME``.
        """
        if len(name) > NAME_LIMIT:
            return Place(name, ())
        steps = name.split(".")
        for length in range(len(steps), 0, -1):
            known, rest = ".".join(steps[:length]), tuple(steps[length:])
            if known in self.variables:
                return Place(known, rest)
            if known in self._aliases:
                return self._aliases[known].at(rest)
        return Place(steps[0], tuple(steps[1:]))

    def knows(self, place: Place) -> bool:
        """Whether the place's variable is declared."""
        return place.variable in self.variables

    def name_of(self, name: str) -> str | None:
        """The name that the templates themselves use; None when they have no such variable."""
        place = self.place(name)
        return str(place) if self.knows(place) else None

    def is_split(self, name: str) -> bool:
        """Whether the name is not declared itself, but paths into it are variables of their own."""
        return not self.knows(self.place(name)) and any(
            alias.startswith(name + ".") for alias in self._aliases
        )

    def default(self, place: Place) -> Json:
        """The default at a place; None where there is no default."""
        variable = self.variables.get(place.variable)
        if variable is None or variable.default is UNSET:
            return None
        found: Json = value_at(variable.default, place.path, missing=None)
        return found

    def defaults(self) -> dict[str, Json]:
        """The default of every variable that has one."""
        return {
            name: variable.default
            for name, variable in self.variables.items()
            if variable.default is not UNSET
        }

    @cached_property
    def sound_defaults(self) -> Mapping[str, Json]:
        """The defaults that suit their variables as they are: in the declared type."""
        return {
            name: value
            for name, value in self.defaults().items()
            if in_declared_type(self.variables[name], value) is value
            and check_value(name, self.variables[name], value, secret=False) is None
        }

    # --- secrets ---

    def is_secret(self, place: Place) -> bool:
        """Whether the value at the place is a secret, which the resource must not hold."""
        variable = self.variables.get(place.variable)
        if place.variable in secret_variables.SECRET_VARIABLES:
            return True
        if secret_variables.is_secret_path(place.variable, place.path):
            return True
        return variable is not None and (
            variable.secret
            or any(_matches(pattern, place.path) for pattern in variable.secret_paths)
        )

    def secrets_in(self, place: Place, value: Json) -> Iterator[Place]:
        """Places of the secrets that a value holds, if it were configured at a place.

        A text that is JSON is looked into, as it renders to the same configuration.
        """
        return (
            place.at(path)
            for path, leaf in leaves(secret_variables.parse_collection(value), ())
            if leaf not in ("", None, secret_variables.GENERATE)
            and (self.is_secret(place.at(path)) or _is_credential_url(place.at(path), leaf))
        )

    def marked_for_generation(self, configured: Mapping[str, Json]) -> tuple[str, ...]:
        """Names of the secrets that have the value ``SECRET``, which means: generate one."""
        found = (
            place
            for name, value in configured.items()
            for place, leaf in self._secret_leaves(self.place(name), value)
            if leaf == secret_variables.GENERATE
        )
        return tuple(sorted(str(place) for place in found))

    def to_generate(self, requested: Iterable[str], provided: Iterable[str]) -> tuple[str, ...]:
        """Names to generate values for: secret variables and ``requested``, except ``provided``."""
        secret = {Place(name) for name, variable in self.variables.items() if variable.secret}
        places = secret | {self.place(name) for name in requested}
        return tuple(sorted(str(place) for place in places - {self.place(n) for n in provided}))

    def _secret_leaves(self, place: Place, value: Json) -> Iterator[tuple[Place, Json]]:
        for path, leaf in leaves(value):
            if self.is_secret(place.at(path)):
                yield place.at(path), leaf


def catalogue_of(bundle: Bundle) -> Catalogue:
    """The variables that a bundle declares."""
    return bundle.derive("catalogue", lambda: Catalogue(bundle.variables))


def _is_credential_url(place: Place, leaf: Json) -> bool:
    return secret_variables.is_credential_url(place.variable, place.path, leaf)


def _matches(pattern: str, path: Path) -> bool:
    """Whether a path fits a dotted pattern, in which ``*`` is any key."""
    steps = pattern.split(".")
    return len(steps) == len(path) and all(
        step in ("*", key) for step, key in zip(steps, path, strict=True)
    )
