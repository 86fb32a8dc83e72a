"""The values of all variables.

Precedence, rising: defaults, computed values, ``spec.variables``, ``spec.secrets``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, cast

from pryv_operator.api import secret_variables
from pryv_operator.api.findings import Advisory, Problem
from pryv_operator.api.reasons import Reason
from pryv_operator.leader.json_value import Json
from pryv_operator.leader.taint import Value, new_masks
from pryv_operator.templates.bundle import UNSET, Variable
from pryv_operator.values import emails
from pryv_operator.values.catalogue import Catalogue, Place
from pryv_operator.values.nested import leaves, map_leaves, value_at, with_value_at
from pryv_operator.values.value_checks import (
    check_value,
    in_declared_type,
    is_unset,
    missing_values,
)


@dataclass(frozen=True)
class Resolved:
    """The values of all variables; with problems they must not be used."""

    values: Mapping[str, Value]
    problems: tuple[Problem, ...]
    warnings: tuple[Advisory, ...]
    #: Variable or dotted path of each secret → what stands for it in masked values.
    masks: Mapping[str, str] = field(default_factory=dict)


def resolve(
    catalogue: Catalogue,
    *,
    computed: Mapping[str, Json],
    configured: Mapping[str, Json],
    secrets: Mapping[str, str],
    is_used: Callable[[str], bool] = lambda _: False,
) -> Resolved:
    """The values of all variables. Messages name variables, never values.

    Args:
        catalogue: the declared variables, with their defaults.
        computed: what the cluster says, by variable.
        configured: the user's variables, by any of their names.
        secrets: variable or dotted path → the text from its Secret; JSON where the variable is
            not a string.
        is_used: whether templates use a variable that they do not declare.
    """
    resolution = _Resolution(catalogue, computed)
    for name in sorted(configured):
        for each in _split(catalogue, name, configured[name]):
            resolution.configure(each, is_used=is_used)
    masks = dict(zip(sorted(secrets), new_masks(resolution.names()), strict=False))
    for name, mask in masks.items():
        resolution.add_secret(name, secrets[name], mask)
    return resolution.finish(masks)


class _Configured(NamedTuple):
    """A name under ``spec.variables`` and its value."""

    name: str
    value: Json


def _split(catalogue: Catalogue, name: str, value: Json) -> list[_Configured]:
    """A map as separate variables where the templates have one for each entry, as in 2019."""
    if not isinstance(value, Mapping) or not catalogue.is_split(name):
        return [_Configured(name, value)]
    return [
        each for key in sorted(value) for each in _split(catalogue, f"{name}.{key}", value[key])
    ]


class _Resolution:
    """Values as they are added, by rising precedence, and what is wrong with them."""

    def __init__(self, catalogue: Catalogue, computed: Mapping[str, Json]) -> None:
        self._catalogue = catalogue
        self._values: dict[str, Any] = dict(catalogue.defaults())
        #: Variables with secrets → their values with masks in the place of these.
        self._masked: dict[str, Any] = {}
        for name, value in computed.items():
            place = catalogue.place(name)
            if catalogue.knows(place) and not place.path:
                self._values[place.variable] = value
        self._configured: dict[Place, str] = {}
        self._secrets: dict[Place, str] = {}
        #: Dotted places of all values from the spec.
        self._set: set[str] = set()
        #: Names whose value is the name itself: "to be filled in" in 2019.
        self._unfilled: set[str] = set()
        self._problems: list[Problem] = []
        self._warnings: list[Advisory] = []

    def configure(self, entry: _Configured, *, is_used: Callable[[str], bool]) -> None:
        """Add a value of ``spec.variables``."""
        name, value = entry
        place = self._catalogue.place(name)
        if place in self._configured:
            self._problems.append(_duplicate("variables", name, self._configured[place]))
            return
        self._configured[place] = name
        if self._catalogue.is_secret(place) and value in (secret_variables.GENERATE, "", None):
            return
        exposed = sorted({str(each) for each in self._catalogue.secrets_in(place, value)})
        if exposed:
            self._problems.append(_secret_in_variables(exposed))
            return
        if not self._catalogue.knows(place) and not is_used(place.variable):
            self._warnings.append(Advisory(Reason.UNKNOWN_VARIABLE, _unknown(f"variables.{name}")))
        if value == name:
            self._unfilled.add(name)
        self._put(place, _ordered(value, self._catalogue.default(place)))

    def names(self) -> set[str]:
        """The names of all variables, as long as no secrets are added."""
        return {*self._catalogue.variables, *self._values}

    def add_secret(self, name: str, text: str, mask: str) -> None:
        """Add a value of ``spec.secrets``, or a generated one, and the mask that stands for it."""
        place = self._catalogue.place(name)
        if not self._catalogue.knows(place):
            self._problems.append(Problem(Reason.UNKNOWN_SECRET, _unknown(f"secrets.{name}")))
            return
        if place in self._secrets:
            self._problems.append(_duplicate("secrets", name, self._secrets[place]))
            return
        self._secrets[place] = name
        if place in self._configured and not place.path and not self._catalogue.is_secret(place):
            self._problems.append(
                Problem(
                    Reason.DUPLICATE_VARIABLE,
                    f"spec.secrets.{name}: also set in spec.variables; keep one of them",
                )
            )
            return
        try:
            value = self._secret_value(place, text)
        except (ValueError, RecursionError):
            self._problems.append(
                Problem(
                    Reason.INVALID_SECRET,
                    f"spec.secrets.{name}: the Secret's text is not valid JSON, which a variable "
                    "that is not a string needs; correct it",
                )
            )
            return
        variable = self._catalogue.variables[place.variable]
        masked = self._masked.get(place.variable, self._values.get(place.variable))
        self._masked[place.variable] = with_value_at(
            masked, place.path, mask if place.path else _masked_whole(variable, mask)
        )
        self._values[place.variable] = with_value_at(
            self._values.get(place.variable), place.path, value
        )
        self._set.add(str(place))

    def finish(self, masks: Mapping[str, str]) -> Resolved:
        """All values, in their declared types, checked."""
        secret = self._masked.keys()
        self._complete_emails()
        sound = self._catalogue.sound_defaults
        for name, value in self._values.items():
            if name in sound and value is sound[name]:
                continue
            variable = self._catalogue.variables.get(name)
            if variable is None:
                continue
            field = "secrets" if Place(name) in self._secrets else "variables"
            problem = check_value(f"spec.{field}.{name}", variable, value, secret=name in secret)
            self._problems += [problem] if problem else []
            self._values[name] = in_declared_type(variable, value)
        self._problems += self._missing()
        whole = {
            place.variable: masks[name] for place, name in self._secrets.items() if not place.path
        }
        values = {
            name: Value(value, secret=True, masked=self._masked[name], whole=whole.get(name))
            if name in self._masked
            else Value(value)
            for name, value in self._values.items()
        }
        return Resolved(values, tuple(self._problems), tuple(self._warnings), masks)

    def _missing(self) -> list[Problem]:
        absent = {
            name
            for name, variable in self._catalogue.variables.items()
            if (variable.required or variable.computed) and name not in self._values
        }
        unset = {name for name, value in self._values.items() if is_unset(value)}
        missing = absent | unset | self._unfilled
        return [missing_values(missing)] if missing else []

    def _complete_emails(self) -> None:
        """Add the default port of the mail server, and ask for what activated e-mail needs."""
        visible = self._values | self._masked
        whole = {place.variable for place in self._secrets if not place.path}
        settings = emails.Settings(self._catalogue, visible, self._set, whole)
        problem = settings.missing()
        self._problems += [problem] if problem else []
        port = settings.default_port()
        if port:
            _put_port(self._masked if port.place.variable in self._masked else self._values, port)
        # Inside of a secret value it may depend on the secret.
        port = replace(settings, values=self._values).default_port()
        if port and port.place.variable in self._masked:
            _put_port(self._values, port)

    def _secret_value(self, place: Place, text: str) -> Json:
        """The value that a Secret's text stands for; of any type: JSON, else the text itself.

        A text as default shows that texts are expected, which JSON may be in.

        Raises:
            ValueError: the text has to be JSON and is not.
        """
        if self._is_json(place):
            return cast(Json, json.loads(text))
        variable = self._catalogue.variables[place.variable]
        if place.path or variable.type != "any" or isinstance(variable.default, str):
            return text
        try:
            return cast(Json, json.loads(text))
        except ValueError:
            return text

    def _is_json(self, place: Place) -> bool:
        """Whether the text of a Secret for a place is JSON: unless a text is expected there."""
        variable = self._catalogue.variables[place.variable]
        if not place.path:
            return variable.type not in ("string", "any")
        current = value_at(self._values.get(place.variable), place.path, missing=None)
        return current is not None and not isinstance(current, str)

    def _put(self, place: Place, value: Json) -> None:
        self._values[place.variable] = with_value_at(
            self._values.get(place.variable), place.path, value
        )
        self._set |= {str(place.at(path)) for path, leaf in leaves(value) if leaf not in ("", None)}


def _put_port(values: dict[str, Any], port: emails.DefaultPort) -> None:
    values[port.place.variable] = with_value_at(
        values.get(port.place.variable), port.place.path, port.value
    )


def _masked_whole(variable: Variable, mask: str) -> Json:
    """What stands for a variable that is a secret as a whole: of its type, shaped as its default.

    A number or a boolean is masked by a text, so that no text of it looks like one that is public.
    """
    default = None if variable.default is UNSET else variable.default
    if variable.type == "array" or (variable.type == "any" and isinstance(default, list)):
        return [mask]
    if variable.type == "object" or (variable.type == "any" and isinstance(default, Mapping)):
        shaped: Json = map_leaves(default, lambda _: mask) if default else {mask: mask}
        return shaped
    return mask


def _unknown(field: str) -> str:
    return f"spec.{field}: not a variable of this release, and nothing uses it; check its spelling"


def _duplicate(field: str, name: str, other: str) -> Problem:
    return Problem(
        Reason.DUPLICATE_VARIABLE,
        f"spec.{field}.{name}: the same variable as {other}; keep one of them",
    )


def _secret_in_variables(places: list[str]) -> Problem:
    fields = ", ".join(f"spec.variables.{place}" for place in places)
    return Problem(
        Reason.SECRET_IN_VARIABLES,
        f"{fields}: secret values must not be in the resource; put them into a Secret and refer "
        f"to it in spec.secrets ({places[0]}: {{secretKeyRef: {{name: …, key: …}}}})",
    )


def _ordered(value: Json, default: Any) -> Json:
    """The value with the keys of its maps in the order of the default's, then sorted.

    The API server does not preserve the order in which a user wrote them.
    """
    if isinstance(value, Mapping):
        known = default if isinstance(default, Mapping) else {}
        keys = [key for key in known if key in value] + sorted(value.keys() - known.keys())
        return {key: _ordered(value[key], known.get(key)) for key in keys}
    if isinstance(value, list):
        entries = default if isinstance(default, list) and default else [None]
        return [
            _ordered(each, entries[min(index, len(entries) - 1)])
            for index, each in enumerate(value)
        ]
    return value
