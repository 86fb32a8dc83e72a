"""From what a user and the cluster say to the values of all variables: defaults < computed < variables < secrets."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pryv_operator.api import secret_variables
from pryv_operator.api.findings import Advisory, Problem
from pryv_operator.api.reasons import Reason
from pryv_operator.leader.javascript import stringify
from pryv_operator.leader.json_value import Json, is_number
from pryv_operator.leader.taint import Value
from pryv_operator.templates.bundle import UNSET, Variable
from pryv_operator.values import emails

_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
}


@dataclass(frozen=True)
class Place:
    """Where a name leads: a variable, and a path into its value (empty: the whole)."""

    variable: str
    path: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The dotted form."""
        return ".".join((self.variable, *self.path))


class Vocabulary:
    """Both vocabularies of names, 1.9's and that of 2019, as one set of variables understands them."""

    def __init__(self, variables: Mapping[str, Variable]) -> None:
        """``variables`` are those of a bundle, by name."""
        self.variables = variables
        self._aliases = {
            alias: Place(name) for name, variable in variables.items() for alias in variable.aliases
        } | {
            alias: Place(name, tuple(path.split(".")))
            for name, variable in variables.items()
            for alias, path in variable.alias_paths.items()
        }

    def place(self, name: str) -> Place:
        """The place a name stands for; an unknown name stands for itself."""
        steps = name.split(".")
        for length in range(
            len(steps), 0, -1
        ):  # a path of 1.9 may be a variable of 2019: EMAIL_SENDER.name is MAIL_FROM_NAME
            known, rest = ".".join(steps[:length]), steps[length:]
            if known in self.variables:
                return Place(known, tuple(rest))
            if known in self._aliases:
                found = self._aliases[known]
                return Place(found.variable, (*found.path, *rest))
        return Place(steps[0], tuple(steps[1:]))

    def is_split(self, name: str) -> bool:
        """Whether a name is unknown as a whole, and parts of it are other variables."""
        return not self.knows(self.place(name)) and any(
            alias.startswith(name + ".") for alias in self._aliases
        )

    def knows(self, place: Place) -> bool:
        """Whether the variable exists."""
        return place.variable in self.variables

    def is_secret(self, place: Place) -> bool:
        """Whether what stands there must not be written out."""
        variable = self.variables.get(place.variable)
        whole = place.variable in secret_variables.SECRET_VARIABLES or (
            variable is not None and variable.secret
        )
        return whole or any(
            _matches(pattern, place.path) for pattern in (variable.secret_paths if variable else ())
        )

    def secret_parts(self, place: Place, value: Json) -> Iterator[Place]:
        """Places of secrets that are written out inside a value that is about to be put at a place."""
        return (
            found
            for found, leaf in self._secret_leaves(place, value)
            if leaf not in ("", None, secret_variables.GENERATE)
        )

    def asked_for(self, given: Mapping[str, Json]) -> tuple[str, ...]:
        """Names of the secrets that the user's map asks to generate, by the word for it."""
        leaves = (
            leaf
            for name, value in given.items()
            for leaf in self._secret_leaves(self.place(name), value)
        )
        return tuple(
            sorted(str(place) for place, value in leaves if value == secret_variables.GENERATE)
        )

    def _secret_leaves(self, place: Place, value: Json) -> Iterator[tuple[Place, Json]]:
        if isinstance(value, Mapping):
            for key, child in value.items():
                yield from self._secret_leaves(Place(place.variable, (*place.path, key)), child)
        elif self.is_secret(place):
            yield place, value

    def generated(self, requested: Iterable[str], provided: Iterable[str]) -> tuple[str, ...]:
        """Names of the values to generate: every secret variable that nobody provides, and those asked for."""
        given = {self.place(name) for name in provided}
        wanted = {Place(name) for name, variable in self.variables.items() if variable.secret} | {
            self.place(name) for name in requested
        }
        return tuple(sorted(str(place) for place in wanted - given))


@dataclass(frozen=True)
class Resolved:
    """The values of all variables; with problems they must not be used."""

    values: Mapping[str, Value]
    problems: tuple[Problem, ...]
    warnings: tuple[Advisory, ...]


def resolve(
    names: Vocabulary,
    *,
    computed: Mapping[str, Json],
    given: Mapping[str, Json],
    secrets: Mapping[str, str],
    is_used: Callable[[str], bool] = lambda _: False,
) -> Resolved:
    """The values of all variables.

    ``given`` is the user's map, in either vocabulary. ``secrets`` maps a variable or a dotted path to the text from its Secret,
    which is JSON where the variable is no string. ``is_used`` says of a name that is no variable whether something uses it
    all the same. Messages name variables, never values.
    """
    resolution = _Resolution(names, computed, is_used)
    for name in sorted(given):
        resolution.give(name, given[name])
    for name in sorted(secrets):
        resolution.give_secret(name, secrets[name])
    return resolution.resolved()


class _Resolution:
    """Values as they come in, and what is wrong with them."""

    def __init__(
        self, names: Vocabulary, computed: Mapping[str, Json], is_used: Callable[[str], bool]
    ) -> None:
        self._names = names
        self._is_used = is_used
        self._values: dict[str, Any] = {
            name: variable.default
            for name, variable in names.variables.items()
            if variable.default is not UNSET
        }
        for name, value in computed.items():
            place = names.place(name)
            if names.knows(place) and not place.path:
                self._values[place.variable] = value
        self._given: dict[Place, str] = {}
        self._given_secrets: dict[Place, str] = {}
        self._unfilled: set[str] = set()
        self._told: set[str] = set()
        self._problems: list[Problem] = []
        self._warnings: list[Advisory] = []

    def give(self, name: str, value: Json) -> None:
        """A value that the user writes out."""
        if isinstance(value, Mapping) and self._names.is_split(name):
            for key in sorted(value):
                self.give(f"{name}.{key}", value[key])
            return
        place = self._names.place(name)
        if self._stands_already(place, name, self._given):
            return
        if self._names.is_secret(place) and value in (secret_variables.GENERATE, "", None):
            return
        written_out = sorted({str(part) for part in self._names.secret_parts(place, value)})
        if written_out:
            self._problems.append(_written_out(written_out))
            return
        if not self._names.knows(place) and not self._is_used(place.variable):
            self._warnings.append(
                Advisory(
                    Reason.UNKNOWN_VARIABLE,
                    f"variables.{name} is no variable of this release: nothing uses it; is it spelt right?",
                )
            )
        if value == name:  # how the templates of 2019 said "fill me in"
            self._unfilled.add(name)
        self._put(place, _ordered(value, self._default(place)))
        self._told |= {str(each) for each in _leaves(place, value)}

    def give_secret(self, name: str, text: str) -> None:
        """A value from a Secret."""
        place = self._names.place(name)
        if not self._names.knows(place):
            self._problems.append(
                Problem(
                    Reason.UNKNOWN_SECRET,
                    f"secrets.{name} is no variable of this release: nothing uses it; is it spelt right?",
                )
            )
            return
        if self._stands_already(place, name, self._given_secrets):
            return
        if place in self._given and place.path == () and not self._names.is_secret(place):
            self._problems.append(
                Problem(
                    Reason.DUPLICATE_VARIABLE,
                    f"{name} stands in variables and in secrets: keep one of them",
                )
            )
            return
        try:
            value = _secret_value(self._names, place, self._values, text)
        except (ValueError, RecursionError):
            self._problems.append(
                Problem(
                    Reason.INVALID_SECRET,
                    f"the Secret's text for {name} must be JSON, as the variable is no string; it does not parse",
                )
            )
            return
        self._put(place, value)
        self._told |= {str(each) for each in _leaves(place, value)}

    def resolved(self) -> Resolved:
        """All values in their types."""
        secret = {place.variable for place in self._given_secrets}
        self._complete_emails()
        for name, value in self._values.items():
            variable = self._names.variables.get(name)
            if variable:
                self._values[name], problem = _checked(variable, value, secret=name in secret)
                self._problems += [problem] if problem else []
        self._problems += _missing(self._names, self._values, self._unfilled)
        values = {name: Value(value, name in secret) for name, value in self._values.items()}
        return Resolved(values, tuple(self._problems), tuple(self._warnings))

    def _complete_emails(self) -> None:
        port = self._names.place(emails.PORT)
        if (
            self._names.knows(port)
            and emails.is_activated(self._values, self._told, self._called)
            and not emails.is_filled(self._at(emails.PORT), str(port))
        ):
            is_text = self._names.variables[port.variable].type == "string"
            self._put(port, str(emails.DEFAULT_PORT) if is_text else emails.DEFAULT_PORT)
        problem = emails.missing(self._values, self._told, self._called, self._at)
        self._problems += [problem] if problem else []

    def _at(self, name: str) -> Any:
        """What stands at a place now."""
        place = self._names.place(name)
        found = self._values.get(place.variable)
        for step in place.path:
            found = found.get(step) if isinstance(found, Mapping) else None
        return found

    def _default(self, place: Place) -> Any:
        variable = self._names.variables.get(place.variable)
        found: Any = variable.default if variable and variable.default is not UNSET else None
        for step in place.path:
            found = found.get(step) if isinstance(found, Mapping) else None
        return found

    def _called(self, name: str) -> str | None:
        """A place's name in the templates' own vocabulary."""
        place = self._names.place(name)
        return str(place) if self._names.knows(place) else None

    def _stands_already(self, place: Place, name: str, given: dict[Place, str]) -> bool:
        """Whether the place has been given under another name; if not, it is now."""
        if place not in given:
            given[place] = name
            return False
        problem = f"{given[place]} and {name} are two names of one variable: keep one of them"
        self._problems.append(Problem(Reason.DUPLICATE_VARIABLE, problem))
        return True

    def _put(self, place: Place, value: Json) -> None:
        self._values[place.variable] = _put(self._values.get(place.variable), place.path, value)


def _leaves(place: Place, value: Json) -> Iterator[Place]:
    """Places of all that is neither map nor empty inside a value."""
    if isinstance(value, Mapping):
        for key, child in value.items():
            yield from _leaves(Place(place.variable, (*place.path, key)), child)
    elif value not in ("", None):
        yield place


def _matches(pattern: str, path: tuple[str, ...]) -> bool:
    steps = pattern.split(".")
    return len(steps) == len(path) and all(
        step in ("*", part) for step, part in zip(steps, path, strict=True)
    )


def _written_out(places: list[str]) -> Problem:
    return Problem(
        Reason.SECRET_IN_VARIABLES,
        f"{', '.join(places)}: a secret must not be written out in spec.variables; put it into a Secret and name it under "
        f"spec.secrets ({places[0]}: {{secretKeyRef: {{name: …, key: …}}}})",
    )


def _ordered(value: Json, like: Any) -> Json:
    """The value with the keys of its maps in the order of the default's, then sorted: the API server forgets the order they had."""
    if isinstance(value, Mapping):
        known = like if isinstance(like, Mapping) else {}
        keys = [key for key in known if key in value] + sorted(value.keys() - known.keys())
        return {key: _ordered(value[key], known.get(key)) for key in keys}
    if isinstance(value, list):
        entries = like if isinstance(like, list) and like else [None]
        return [
            _ordered(each, entries[min(index, len(entries) - 1)])
            for index, each in enumerate(value)
        ]
    return value


def _put(value: Any, path: tuple[str, ...], new: Json) -> Any:
    """A copy of a value with ``new`` at a path into it; what is no object on the way becomes one."""
    if not path:
        return copy.deepcopy(new)
    result = dict(value) if isinstance(value, Mapping) else {}
    result[path[0]] = _put(result.get(path[0]), path[1:], new)
    return result


def _secret_value(names: Vocabulary, place: Place, values: Mapping[str, Any], text: str) -> Json:
    variable = names.variables.get(place.variable)
    if not place.path:
        return text if variable is None or variable.type in ("string", "any") else _json(text)
    there: Any = values.get(place.variable)
    for step in place.path:
        there = there.get(step) if isinstance(there, Mapping) else None
    return text if there is None or isinstance(there, str) else _json(text)


def _json(text: str) -> Json:
    value: Json = json.loads(text)
    return value


def _checked(variable: Variable, value: Any, *, secret: bool) -> tuple[Any, Problem | None]:
    """The value in its variable's type; what is no string is made one the leader's way where a string is wanted."""
    name = variable.name
    kind = (
        "a " + variable.type
        if variable.type not in ("object", "array", "integer")
        else "an " + variable.type
    )
    if value is None:
        is_default = variable.type == "any" or variable.default is None
        return value, None if is_default else Problem(
            Reason.INVALID_VARIABLE, f"{name} is null; it must be {kind}"
        )
    if variable.type == "string" and isinstance(value, (bool, int, float)):
        return stringify(value), None
    types = _TYPES.get(variable.type)
    if types and (not isinstance(value, types) or (isinstance(value, bool) and bool not in types)):
        hint = (
            f": write {str(value).strip()} without quotes"
            if _is_quoted_number(variable, value) and not secret
            else ""
        )
        return value, Problem(Reason.INVALID_VARIABLE, f"{name} must be {kind}{hint}")
    if variable.enum and value not in variable.enum:
        return value, Problem(
            Reason.INVALID_VARIABLE,
            f"{name} must be one of {', '.join(stringify(each) for each in variable.enum)}",
        )
    if is_number(value):
        if variable.minimum is not None and value < variable.minimum:
            return value, Problem(
                Reason.INVALID_VARIABLE, f"{name} must be {variable.minimum:g} at least"
            )
        if variable.maximum is not None and value > variable.maximum:
            return value, Problem(
                Reason.INVALID_VARIABLE, f"{name} must be {variable.maximum:g} at most"
            )
    return value, None


def _is_quoted_number(variable: Variable, value: Any) -> bool:
    return (
        variable.type in ("number", "integer")
        and isinstance(value, str)
        and value.strip().replace(".", "", 1).isdigit()
    )


def _missing(
    names: Vocabulary, values: Mapping[str, Any], unfilled: Iterable[str]
) -> list[Problem]:
    """One message that names every variable that is required and absent, or still holds the word for "fill me in"."""
    absent = {
        name
        for name, variable in names.variables.items()
        if (variable.required or variable.computed) and name not in values
    }
    unset = {
        name for name, value in values.items() if _mentions(value, secret_variables.REPLACE_ME)
    }
    wanted = sorted({*absent, *unset, *unfilled})
    if not wanted:
        return []
    listed = ", ".join(wanted)
    return [
        Problem(
            Reason.MISSING_VARIABLES, f"these variables need a value in spec.variables: {listed}"
        )
    ]


def _mentions(value: Any, word: str) -> bool:
    if isinstance(value, str):
        return word in value
    if isinstance(value, Mapping):
        return any(_mentions(child, word) or word in key for key, child in value.items())
    return isinstance(value, list) and any(_mentions(child, word) for child in value)
