"""A leader's values sorted out: what stands in the resource, what in a Secret, what nowhere, and why."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from pryv_operator.api import secret_variables
from pryv_operator.importer import value_texts
from pryv_operator.importer.report import ImportRefusedError, Note
from pryv_operator.importer.shipped import is_shipped_default
from pryv_operator.leader.javascript import stringify
from pryv_operator.leader.json_value import Json, is_number
from pryv_operator.templates.builtin import load_release
from pryv_operator.templates.bundle import UNSET, Bundle, Unset, Variable, VariableType
from pryv_operator.templates.leader_folder import Leader
from pryv_operator.values.catalogue import Catalogue, Place
from pryv_operator.values.nested import (
    blanked_at,
    texts_in,
    value_at,
    with_value_at,
    without_paths,
)
from pryv_operator.values.usage import used_variables

_SECRET_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_-]+)*", re.ASCII)
_MACHINES: Final = re.compile(r"CORE_[0-9]+_IP_ADDRESS|CORE_HOSTING_[0-9]+", re.ASCII)
#: What a resource may have at most, by its definition.
_MOST_VARIABLES: Final = 512
_MOST_SECRETS: Final = 64
#: A secret of this length (characters) is looked for in everything else that is written.
_RECOGNISABLE: Final = 8
#: These hold codes or credentials now and then, and stay where everyone who may read the resource reads them.
_DELICATE: Final = (
    "CUSTOM_AUTH_FUNCTION",
    "CUSTOM_DATA_STORES",
    "INVITATION_TOKENS",
    "MFA_ENDPOINTS",
)
_SPELT: Final = "; it is left out: is it spelt right?"
#: Kept with the templates though no file names it: it tells their version.
_VERSION: Final = "TEMPLATE_VERSION"


@dataclass(frozen=True)
class Taken:
    """The values of a leader, sorted out."""

    variables: Mapping[str, Json]
    #: Name, or dotted path, as ``spec.secrets`` has it → the Secret's text.
    secrets: Mapping[str, str] = field(repr=False)
    #: The operator computes these when nobody says otherwise; whether that is what the leader had, shows later.
    computed: Mapping[str, Json]
    #: What the templates' own defaults are to be, by variable; nothing of a secret stands there.
    defaults: Mapping[str, Json | Literal[Unset.UNSET]]
    notes: tuple[Note, ...]


def take_over(leader: Leader, target: Bundle, *, own_templates: bool, skip_unknown: bool) -> Taken:
    """A leader's values for ``target``: the leader's own bundle, or a built-in release.

    Raises:
        ImportRefusedError: there are variables that nothing knows (unless skipped), or more than a resource holds.
    """
    takeover = _Takeover(leader, target, own_templates=own_templates)
    takeover.take_secrets()
    takeover.take_values()
    if takeover.unknown and not skip_unknown:
        raise ImportRefusedError(
            f"{', '.join(takeover.unknown)}: no variable of these templates, and nothing uses it; is it spelt right? "
            "Correct or remove it, or leave such variables out with --skip-unknown"
        )
    return takeover.taken()


class _Takeover:
    """What was sorted out so far."""

    def __init__(self, leader: Leader, target: Bundle, *, own_templates: bool) -> None:
        self.unknown: list[str] = []
        self._leader = leader
        self._own = own_templates
        self._names = Catalogue(target.variables)
        self._given = {**leader.internals, **leader.values}
        used = used_variables(target, target.roles, self._given)
        known = (*self._given, *target.variables)
        self._used = {name for name in known if self._names.place(name).variable in used}
        self._variables: dict[str, Json] = {}
        self._secrets: dict[str, str] = {}
        self._computed: dict[str, Json] = {}
        self._in_templates: dict[str, Json] = {}
        self._remarks: dict[str, str] = {}
        self._notes: list[Note] = []

    def taken(self) -> Taken:
        if len(self._variables) > _MOST_VARIABLES or len(self._secrets) > _MOST_SECRETS:
            raise ImportRefusedError(
                f"there is more than a resource holds: {_MOST_VARIABLES} variables, {_MOST_SECRETS} secrets"
            )
        self._move_what_repeats_a_secret()
        for name, value in self._variables.items():
            self._notes.append(Note("set", name, self._remarks.get(name, "")))
            if name in _DELICATE and value:
                self._notes.append(
                    Note(
                        "check",
                        name,
                        "it can hold credentials, and everyone who may read the resource reads it",
                    )
                )
        return Taken(
            variables=self._variables,
            secrets=dict(sorted(self._secrets.items())),
            computed=self._computed,
            defaults=self._defaults() if self._own else {},
            notes=tuple(self._notes),
        )

    # --- secrets ---

    def take_secrets(self) -> None:
        """Whole variables that are secret."""
        for name, value in self._given.items():
            place = self._names.place(name)
            if not (name in self._leader.internals or self._names.is_secret(place)):
                continue
            if name not in self._used or not self._names.knows(place):
                self._notes.append(Note("left out", name, "no template uses it"))
            elif value == secret_variables.GENERATE:
                self._notes.append(
                    Note("left out", name, "it was not generated yet: the operator generates one")
                )
            elif value in (None, ""):
                self._notes.append(Note("left out", name, "it is empty"))
            else:
                self._keep_secret(place, value if isinstance(value, str) else stringify(value))
                self._note_renamed(name, place)

    def _keep_secret(self, place: Place, text: str) -> None:
        name = str(place)
        if not _SECRET_NAME.fullmatch(name) or len(name) > 200:
            raise ImportRefusedError(
                f"the secret {name[:60]!r} has a name that a resource cannot have: letters, digits and '_' only"
            )
        self._secrets[name] = text
        self._notes.append(Note("secret", name, ""))

    def _move_what_repeats_a_secret(self) -> None:
        """A value in which a secret appears again is one itself."""
        secrets = [text for text in self._secrets.values() if len(text) >= _RECOGNISABLE]
        for name, value in list(self._variables.items()):
            if any(secret in text for text in texts_in(value) for secret in secrets):
                del self._variables[name]
                self._keep_secret(
                    self._names.place(name), value if isinstance(value, str) else stringify(value)
                )
                self._notes.append(
                    Note(
                        "check",
                        name,
                        "the value of a secret stands in it, so it is a secret as a whole",
                    )
                )
        for name, value in list(self._in_templates.items()):
            if any(secret in text for text in texts_in(value) for secret in secrets):
                del self._in_templates[name]

    # --- all other values ---

    def take_values(self) -> None:
        """Everything else, by the names of the target."""
        whole: dict[str, Json] = {}
        for name, value in self._leader.values.items():
            place = self._names.place(name)
            if (
                name in self._leader.internals
                or self._names.is_secret(place)
                or self._is_of_machines(name)
            ):
                continue
            if not self._names.knows(place):
                self._take_unknown(name, value)
            elif name not in self._used:
                self._leave_out(
                    name, is_known=name in self._leader.of_template or _is_of_some_release(name)
                )
            else:
                start = (
                    whole.get(place.variable, self._default(place.variable)) if place.path else None
                )
                whole[place.variable] = with_value_at(
                    None if start is UNSET else start, place.path, self._as_wanted(place, value)
                )
                self._note_renamed(name, place)
        for name, value in whole.items():
            self._take(self._names.variables[name], value)

    def _is_of_machines(self, name: str) -> bool:
        """The cores of 2019 are instances where the templates do not know them by number."""
        return bool(_MACHINES.fullmatch(name)) and name not in self._names.variables

    def _as_wanted(self, place: Place, value: Json) -> Json:
        """A part of a variable in the type that its default has."""
        there = value_at(self._default(place.variable), place.path)
        if place.path and is_number(there):
            return value_texts.coerced(value, "number")
        return value

    def _take_unknown(self, name: str, value: Json) -> None:
        """A variable that the built-in release does not have: somebody's own, used by other values, or a slip."""
        if name in self._used:
            self._variables[name] = value
        else:
            self._leave_out(name, is_known=False)

    def _leave_out(self, name: str, *, is_known: bool) -> None:
        if not is_known:
            self.unknown.append(name)
        self._notes.append(
            Note(
                "left out" if is_known else "check",
                name,
                "no template uses it" + ("" if is_known else _SPELT),
            )
        )

    def _take(self, variable: Variable, value: Json) -> None:
        name = variable.name
        missing = [".".join((name, *path)) for path in value_texts.gaps(value)]
        default = self._default(name)
        if missing:
            self._notes += [
                Note("missing", place, "left out, so that the default stands there")
                for place in missing
            ]
            if variable.computed or isinstance(value, str):
                return
            value = value_texts.filled(value, None if default is UNSET else default)
            if value in ({}, []):
                return
        secret_paths = [each.path for each in self._names.secrets_in(Place(name), value)]
        for path in secret_paths:
            leaf = value_at(value, path)
            self._keep_secret(Place(name, path), leaf if isinstance(leaf, str) else stringify(leaf))
        self._in_templates[name] = blanked_at(value, secret_paths)
        if variable.computed:
            self._computed[name] = value
            return
        kind = self._kind(variable)
        if default is not UNSET and _says_the_same(
            value_texts.coerced(blanked_at(value, secret_paths), kind),
            blanked_at(default, secret_paths),
            kind,
        ):
            return
        visible = value_texts.coerced(without_paths(value, secret_paths), kind)
        is_shipped = is_shipped_default(name, blanked_at(value, secret_paths))
        if self._own and (is_shipped or name == _VERSION):
            return
        if is_shipped:
            self._remarks[name] = (
                "Pryv's own text of that release; without this line the operator's own text is taken"
            )
        if value_texts.has_null(visible):
            self._note_null(name)
            if self._own or visible is None:
                return
        self._variables[name] = visible

    def _note_null(self, name: str) -> None:
        where = (
            "it is the default in the templates" if self._own else "the release's default is taken"
        )
        self._notes.append(
            Note("check", name, f"there is a null in it, which a resource cannot hold: {where}")
        )

    def _note_renamed(self, name: str, place: Place) -> None:
        if str(place) != name:
            self._notes.append(Note("renamed", name, f"`{place}`"))

    # --- defaults ---

    def _default(self, name: str) -> Json | Literal[Unset.UNSET]:
        """What the variable is when the resource says nothing; a received folder without a template does not tell."""
        variable = self._names.variables.get(name)
        if variable is None:
            return UNSET
        if not self._own or self._leader.has_template:
            return variable.default
        return _built_in_default(name)

    def _kind(self, variable: Variable) -> VariableType:
        """The type of the default that the value is compared with."""
        known = (
            _newest().get(variable.name) if self._own and not self._leader.has_template else None
        )
        return (
            known.type
            if known
            else "number"
            if is_number(self._default(variable.name))
            else variable.type
        )

    def _defaults(self) -> dict[str, Json | Literal[Unset.UNSET]]:
        """Defaults for the templates that go with the resource; ``UNSET`` where it, or somebody, has to say."""
        found: dict[str, Json | Literal[Unset.UNSET]] = {}
        for name, variable in self._names.variables.items():
            if name not in self._used and name != _VERSION:
                continue
            if variable.secret or name in self._leader.internals:
                found[name] = UNSET
            else:
                found[name] = self._template_default(name, variable)
        return found

    def _template_default(self, name: str, variable: Variable) -> Json | Literal[Unset.UNSET]:
        in_templates = self._in_templates.get(name, UNSET)
        if variable.computed:
            return in_templates if isinstance(in_templates, (Mapping, list)) else UNSET
        if name not in self._variables and name not in self._secrets:
            return variable.default if in_templates is UNSET else in_templates
        default = self._default(name)
        if (
            default is not UNSET
            and _kind_of(default) == _kind_of(self._variables.get(name, default))
            and not _is_collection(default)
        ):
            return default
        if (
            self._leader.has_template
            and default is not UNSET
            and _is_collection(default)
            and _is_collection(in_templates)
        ):
            return default
        return UNSET if isinstance(in_templates, str) else in_templates


def _says_the_same(value: Json, default: Json, kind: VariableType) -> bool:
    return value_texts.same(value, default) or (
        kind == "any"
        and value_texts.same(value_texts.parsed_text(value), value_texts.parsed_text(default))
    )


def _newest() -> Mapping[str, Variable]:
    return load_release().variables


def _is_of_some_release(name: str) -> bool:
    """Whether Pryv has or had a variable of that name, as far as the vocabularies of 1.9 and 2019 tell."""
    return Catalogue(_newest()).place(name).variable in _newest()


def _built_in_default(name: str) -> Json | Literal[Unset.UNSET]:
    variables = _newest()
    place = Catalogue(variables).place(name)
    known = variables.get(place.variable)
    return UNSET if known is None or known.default is UNSET else value_at(known.default, place.path)


def _kind_of(value: Any) -> str:
    return "number" if is_number(value) else type(value).__name__


def _is_collection(value: Any) -> bool:
    return isinstance(value, (Mapping, list))
