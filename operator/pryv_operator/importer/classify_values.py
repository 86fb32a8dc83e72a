"""Where each value of a leader goes.

To ``spec.variables``, to the Secret, nowhere, or, where the operator computes the variable, to the
comparison with what it would compute (``computed_overrides``). The report says why.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from pryv_operator.api import secret_variables
from pryv_operator.importer.notes import ImportRefusedError, Note
from pryv_operator.importer.output_files import TEMPLATES
from pryv_operator.importer.shipped_releases import is_shipped_default
from pryv_operator.importer.value_conversion import (
    AS_JSON_TEXT,
    NULLABLE_TYPES,
    convert,
    fill_gaps,
    has_null,
    is_same,
    without_nulls,
)
from pryv_operator.leader.javascript import stringify
from pryv_operator.leader.json_value import Json, is_number
from pryv_operator.templates.builtin import load_release
from pryv_operator.templates.bundle import UNSET, Bundle, Unset, Variable, VariableType
from pryv_operator.templates.leader_folder import Leader
from pryv_operator.templates.leader_values import gaps
from pryv_operator.values.catalogue import Catalogue, Place
from pryv_operator.values.nested import (
    blanked_at,
    leaves,
    texts_in,
    value_at,
    with_value_at,
    without_paths,
)
from pryv_operator.values.usage import used_variables

_SECRET_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_-]+)*", re.ASCII)
_SECRET_NAME_LIMIT: Final = 200
_MACHINES: Final = re.compile(r"CORE_[0-9]+_IP_ADDRESS|CORE_HOSTING_[0-9]+", re.ASCII)
#: Maximum number of entries of ``spec.variables`` and ``spec.secrets``, from the CRD.
_VARIABLES_LIMIT: Final = 512
_SECRETS_LIMIT: Final = 64
#: Secrets of at least this length (characters) are searched for in all other values.
_SEARCHED_LENGTH: Final = 8
#: Variables that may hold code or credentials; they stay in the resource, which many may read.
_SENSITIVE: Final = (
    "CUSTOM_AUTH_FUNCTION",
    "CUSTOM_DATA_STORES",
    "INVITATION_TOKENS",
    "MFA_ENDPOINTS",
)
_UNUSED: Final = "not used by any template"
#: The version of the templates: kept with them although no file uses it.
_VERSION: Final = "TEMPLATE_VERSION"

_Default = Json | Literal[Unset.UNSET]


@dataclass(frozen=True)
class ClassifiedValues:
    """The values of a leader, by where they go."""

    #: To be ``spec.variables``.
    variables: Mapping[str, Json]
    #: Name, or dotted path, as in ``spec.secrets`` → text of the Secret.
    secrets: Mapping[str, str] = field(repr=False)
    #: The leader's values of variables that the operator computes by default.
    computed: Mapping[str, Json]
    #: Defaults for the archive of the leader's own templates: ``UNSET`` for variables that the
    #: resource declares or the operator generates; empty for a built-in release. No secrets.
    template_defaults: Mapping[str, _Default]
    notes: tuple[Note, ...]


def classify_values(
    leader: Leader, target: Bundle, *, own_templates: bool, skip_unknown: bool
) -> ClassifiedValues:
    """Decide for every value of ``leader`` where it goes.

    Args:
        leader: the installation to import.
        target: the templates that the platform will use.
        own_templates: whether ``target`` is the leader's own bundle, not a built-in release.
        skip_unknown: drop variables that nothing uses and no release knows, instead of refusing.

    Raises:
        ImportRefusedError: there are unknown variables, more values than a resource can hold, or a
            secret with an invalid name.
    """
    context = _context(leader, target, own_templates=own_templates)
    decision = _merged([*_decide_secrets(context), *_decide_others(context)])
    if decision.unknown and not skip_unknown:
        raise ImportRefusedError(
            f"{', '.join(decision.unknown)}: unknown variable, not used by any template or value; "
            "correct or remove it, or drop it with --skip-unknown"
        )
    if len(decision.variables) > _VARIABLES_LIMIT or len(decision.secrets) > _SECRETS_LIMIT:
        raise ImportRefusedError(
            f"too many values: a resource holds at most {_VARIABLES_LIMIT} variables and "
            f"{_SECRETS_LIMIT} secrets; remove some"
        )
    decision = _with_repeated_secrets_moved(context, decision)
    return ClassifiedValues(
        variables=decision.variables,
        secrets=dict(sorted(decision.secrets.items())),
        computed=decision.computed,
        template_defaults=_template_defaults(context, decision) if own_templates else {},
        notes=(*decision.notes, *_notes_of_variables(decision)),
    )


# --- what decisions depend on, and what they are ---


@dataclass(frozen=True)
class _Context:
    """What every decision depends on."""

    leader: Leader
    own_templates: bool
    #: The variables of the target.
    catalogue: Catalogue
    #: All values of the leader that are filled in.
    given: Mapping[str, Json] = field(repr=False)
    #: Names of variables that a template, or the value of a used variable, mentions.
    used: frozenset[str]

    def default(self, name: str) -> _Default:
        """The value of a variable that the resource does not declare.

        A folder without a platform template has no defaults of its own: those of the newest
        built-in release are compared with.
        """
        variable = self.catalogue.variables.get(name)
        if variable is None:
            return UNSET
        if self._has_defaults:
            return variable.default
        return _newest_default(name)

    def type_of(self, variable: Variable) -> VariableType:
        """The type in which a value of a variable is compared with the default."""
        known = None if self._has_defaults else load_release().variables.get(variable.name)
        if known:
            return known.type
        return "number" if is_number(self.default(variable.name)) else variable.type

    @property
    def _has_defaults(self) -> bool:
        return not self.own_templates or self.leader.has_template


def _context(leader: Leader, target: Bundle, *, own_templates: bool) -> _Context:
    given = {**leader.internals, **leader.values}
    catalogue = Catalogue(target.variables)
    used = used_variables(target, target.roles, given)
    used_names = frozenset(
        name for name in (*given, *target.variables) if catalogue.place(name).variable in used
    )
    return _Context(leader, own_templates, catalogue, given, used_names)


@dataclass(frozen=True)
class _Decision:
    """What becomes of one value or of several; what is empty receives nothing."""

    variables: Mapping[str, Json] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    computed: Mapping[str, Json] = field(default_factory=dict)
    #: The value as it may appear in the template archive: without secrets.
    in_templates: Mapping[str, Json] = field(default_factory=dict)
    #: Names that are not imported and that no release knows.
    unknown: tuple[str, ...] = ()
    #: Variable → what the report says about it, if it is still a variable at the end.
    remarks: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()


def _merged(decisions: Iterable[_Decision]) -> _Decision:
    """All decisions as one; a later one wins where two decide about the same name."""
    every = list(decisions)
    return _Decision(
        variables={name: value for each in every for name, value in each.variables.items()},
        secrets={name: text for each in every for name, text in each.secrets.items()},
        computed={name: value for each in every for name, value in each.computed.items()},
        in_templates={name: value for each in every for name, value in each.in_templates.items()},
        unknown=tuple(name for each in every for name in each.unknown),
        remarks={name: text for each in every for name, text in each.remarks.items()},
        notes=tuple(note for each in every for note in each.notes),
    )


def _not_imported(name: str, why: str) -> _Decision:
    return _Decision(notes=(Note("not imported", name, why),))


def _not_imported_unknown(name: str) -> _Decision:
    why = f"{_UNUSED}, so not imported; check the spelling"
    return _Decision(unknown=(name,), notes=(Note("check", name, why),))


def _as_secret(place: Place, value: Json) -> _Decision:
    """A value that goes into the Secret.

    Raises:
        ImportRefusedError: its name is not a valid key of ``spec.secrets``.
    """
    name = str(place)
    if not _SECRET_NAME.fullmatch(name) or len(name) > _SECRET_NAME_LIMIT:
        raise ImportRefusedError(
            f"{name[:60]!r}: not a valid name of a secret; use only letters, digits and '_'"
        )
    return _Decision(secrets={name: _text(value)}, notes=(Note("secret", name),))


def _renamed(name: str, place: Place) -> _Decision:
    return _Decision(
        notes=(Note("renamed", name, f"`{place}`"),) if str(place) != name else (),
    )


# --- variables that are secret as a whole ---


def _decide_secrets(context: _Context) -> Iterator[_Decision]:
    for name, value in context.given.items():
        place = context.catalogue.place(name)
        if name in context.leader.internals or context.catalogue.is_secret(place):
            yield _decide_secret(context, name, place, value)


def _decide_secret(context: _Context, name: str, place: Place, value: Json) -> _Decision:
    if name not in context.used or not context.catalogue.knows(place):
        return _not_imported(name, _UNUSED)
    if value == secret_variables.GENERATE:
        return _not_imported(name, "not generated yet; the operator generates it")
    if value in (None, ""):
        return _not_imported(name, "empty")
    return _merged([_as_secret(place, value), _renamed(name, place)])


# --- all other variables ---


def _decide_others(context: _Context) -> Iterator[_Decision]:
    """Decisions on values that are not secret as a whole, by the target's names.

    Several names of 2019 may be parts of one variable of the target; these come first together.
    """
    combined: dict[str, Json] = {}
    for name, value in context.leader.values.items():
        place = context.catalogue.place(name)
        if (
            name in context.leader.internals
            or context.catalogue.is_secret(place)
            or _is_of_machine(context, name)
        ):
            continue
        if not context.catalogue.knows(place):
            # The user's own variable, used by other values, or a misspelled one.
            is_used = name in context.used
            yield _own_variable(name, value) if is_used else _not_imported_unknown(name)
        elif name not in context.used:
            is_known = name in context.leader.of_template or _is_known_to_pryv(name)
            yield _not_imported(name, _UNUSED) if is_known else _not_imported_unknown(name)
        else:
            before = combined.get(place.variable, UNSET)
            combined[place.variable] = _with_part(context, place, value, before)
            yield _renamed(name, place)
    for name, value in combined.items():
        yield _decide_variable(context, context.catalogue.variables[name], value)


def _own_variable(name: str, value: Json) -> _Decision:
    """The user's own variable, which ``spec.secrets`` cannot name as no template declares it."""
    why = (
        "looks like a credential, and is readable for all who may read the resource; write it into "
        "the Secret of the variable that uses it"
    )
    is_credential = secret_variables.looks_like_credential(name, value)
    return _Decision(
        variables={name: value}, notes=(Note("check", name, why),) if is_credential else ()
    )


def _is_of_machine(context: _Context, name: str) -> bool:
    """Whether a variable of 2019 becomes a field of a core instance (``roles_from_machines``)."""
    return bool(_MACHINES.fullmatch(name)) and name not in context.catalogue.variables


def _with_part(context: _Context, place: Place, value: Json, before: _Default) -> Json:
    """The value of ``place.variable`` with ``value`` at the place, which may be all of it."""
    if not place.path:
        return value
    default = context.default(place.variable)
    if is_number(value_at(default, place.path)):
        value = convert(value, "number")
    whole = default if before is UNSET else before
    result: Json = with_value_at(None if whole is UNSET else whole, place.path, value)
    return result


def _decide_variable(context: _Context, variable: Variable, value: Json) -> _Decision:
    """What becomes of the value of a variable that the target has."""
    name = variable.name
    value = _normalised(context, variable, value)
    missing = tuple(
        Note("missing", ".".join((name, *path)), "not filled in; the default is used")
        for path in gaps(value)
    )
    if missing:
        default = context.default(name)
        if variable.computed or isinstance(value, str):
            return _Decision(notes=missing)
        value = fill_gaps(value, None if default is UNSET else default)
        if value in ({}, []):
            return _Decision(notes=missing)
    secret_paths = [each.path for each in context.catalogue.secrets_in(Place(name), value)]
    probable = [path for path in _probable_credentials(name, value) if path not in secret_paths]
    if not probable and _is_unreadable(name, value):
        probable = [()]
    decisions = [_Decision(notes=(*missing, *_notes_of_probable(variable, probable)))]
    # A map stays one in the templates, where the text of its Secret is then read as JSON.
    in_templates = blanked_at(value, [*secret_paths, *probable])
    if not variable.computed:
        secret_paths = _movable([*secret_paths, *probable], name, value)
    decisions += [_as_secret(Place(name, path), value_at(value, path)) for path in secret_paths]
    decisions.append(_Decision(in_templates={name: in_templates}))
    if variable.computed:
        decisions.append(_Decision(computed={name: value}))
    else:
        decisions.append(_decide_declared(context, variable, value, secret_paths))
    return _merged(decisions)


# --- credentials inside values ---


def _normalised(context: _Context, variable: Variable, value: Json) -> Json:
    """The value, as a map if it is the JSON text of one with a credential inside.

    Only a map has places for the values of ``spec.secrets``.
    """
    has_places = secret_variables.holds_secrets(variable.name)
    parse = secret_variables.parse_document if has_places else secret_variables.parse_collection
    parsed: Json = parse(value)
    if parsed is value or not isinstance(parsed, Mapping):
        return value
    if variable.type == "string" and not has_places:
        return value
    place = Place(variable.name)
    found = any(context.catalogue.secrets_in(place, parsed))
    return (
        parsed
        if found or has_places or any(_probable_credentials(variable.name, parsed))
        else value
    )


def _is_unreadable(variable: str, value: Json) -> bool:
    """Whether a value is a text where a map with secrets inside is expected."""
    is_filled = isinstance(value, str) and value.strip() not in ("", "null", variable)
    return is_filled and secret_variables.holds_secrets(variable)


def _probable_credentials(variable: str, value: Json) -> Iterator[tuple[str, ...]]:
    """Paths in a variable's value that look like credentials, by the variable's name, too.

    The names of Pryv's own variables do not count: which of those are secret is known.
    """
    names = () if _is_known_to_pryv(variable) else (variable,)
    for path, leaf in leaves(value):
        keys = (*names, *path)
        above = any(secret_variables.names_credential(key) for key in keys if key != "auth")
        if secret_variables.looks_like_credential(keys[-1] if keys else "", leaf) or (
            above and secret_variables.looks_like_credential("secret", leaf)
        ):
            yield path


def _movable(paths: Sequence[tuple[str, ...]], name: str, value: Json) -> list[tuple[str, ...]]:
    """The paths if each can be a name in ``spec.secrets``, else that of the whole value."""
    can_be_moved = all(
        isinstance(value_at(value, path), (str, int, float))
        and all(key and "." not in key for key in path)
        and _SECRET_NAME.fullmatch(".".join((name, *path)))
        and len(".".join((name, *path))) <= _SECRET_NAME_LIMIT
        for path in paths
    )
    return list(dict.fromkeys(paths)) if can_be_moved else [()]


def _notes_of_probable(variable: Variable, paths: Sequence[tuple[str, ...]]) -> Iterator[Note]:
    """What the report says of values that look like credentials."""
    why = (
        "looks like a credential, and the operator computes the variable; remove the credential"
        if variable.computed
        else "looks like a credential, so it is in the Secret; move it back if it is not"
    )
    for path in paths:
        yield Note("check", ".".join((variable.name, *path)), why)


def _decide_declared(
    context: _Context, variable: Variable, value: Json, secret_paths: Sequence[tuple[str, ...]]
) -> _Decision:
    """Whether a value, less the secrets in it, is declared in ``spec.variables``."""
    name = variable.name
    if () in secret_paths:
        return _Decision()
    kind = context.type_of(variable)
    default = context.default(name)
    blanked = blanked_at(value, secret_paths)
    if default is not UNSET and _is_equal(
        convert(blanked, kind), blanked_at(default, secret_paths), kind
    ):
        return _Decision()
    is_shipped = is_shipped_default(name, blanked)
    if context.own_templates and (is_shipped or name == _VERSION):
        return _Decision()
    declared = convert(without_paths(value, secret_paths), kind)
    if has_null(declared):
        return _decide_with_null(context, name, declared, kind)
    remark = "default of the leader's release; remove it to use the operator's default"
    return _Decision(variables={name: declared}, remarks={name: remark} if is_shipped else {})


def _decide_with_null(
    context: _Context, name: str, declared: Json, kind: VariableType
) -> _Decision:
    """What becomes of a value that is null or contains it, which ``kubectl apply`` removes."""
    if context.own_templates:
        why = f"contains null, so {TEMPLATES} holds the value, as its default"
        return _Decision(notes=(Note("set", name, why),))
    if kind in NULLABLE_TYPES and not secret_variables.holds_secrets(name):
        return _Decision(variables={name: stringify(declared)}, remarks={name: AS_JSON_TEXT})
    why = "contains null, which this variable cannot hold; the release's default is used"
    if declared is None:
        return _Decision(notes=(Note("check", name, why),))
    return _Decision(variables={name: without_nulls(declared)}, notes=(Note("check", name, why),))


def _is_equal(value: Json, default: Json, kind: VariableType) -> bool:
    return is_same(value, default) or (
        kind == "any"
        and is_same(
            secret_variables.parse_collection(value), secret_variables.parse_collection(default)
        )
    )


# --- all values together ---


def _with_repeated_secrets_moved(context: _Context, decision: _Decision) -> _Decision:
    """The decision with every variable whose value contains a secret moved to the Secret."""
    secrets = [text for text in decision.secrets.values() if len(text) >= _SEARCHED_LENGTH]

    def repeats_secret(value: Json) -> bool:
        return any(secret in text for text in texts_in(value) for secret in secrets)

    found = {name: value for name, value in decision.variables.items() if repeats_secret(value)}
    why = "contains the value of a secret, so all of it is treated as a secret"
    moved = [
        each
        for name, value in found.items()
        for each in (
            _as_secret(context.catalogue.place(name), value),
            _Decision(notes=(Note("check", name, why),)),
        )
    ]
    rest = _Decision(
        variables={name: value for name, value in decision.variables.items() if name not in found},
        secrets=decision.secrets,
        computed=decision.computed,
        in_templates={
            name: value
            for name, value in decision.in_templates.items()
            if not repeats_secret(value)
        },
        remarks=decision.remarks,
        notes=decision.notes,
    )
    return _merged([rest, *moved])


def _notes_of_variables(decision: _Decision) -> Iterator[Note]:
    for name, value in decision.variables.items():
        yield Note("set", name, decision.remarks.get(name, ""))
        if name in _SENSITIVE and value:
            why = "may hold credentials, and is readable for all who may read the resource"
            yield Note("check", name, why)


# --- defaults of the leader's own templates ---


def _template_defaults(context: _Context, decision: _Decision) -> dict[str, _Default]:
    """Variable → its default in the template archive."""
    return {
        name: UNSET
        if variable.secret or name in context.leader.internals
        else _template_default(context, variable, decision)
        for name, variable in context.catalogue.variables.items()
        if name in context.used or name == _VERSION
    }


def _template_default(context: _Context, variable: Variable, decision: _Decision) -> _Default:
    """The default, with an empty text in place of every credential."""
    default = _template_default_as_it_is(context, variable, decision)
    if default is UNSET:
        return UNSET
    parsed: Json = secret_variables.parse_collection(default)
    found = [each.path for each in context.catalogue.secrets_in(Place(variable.name), parsed)]
    found += _probable_credentials(variable.name, parsed)
    blanked: _Default = blanked_at(parsed, found) if found else default
    return blanked


def _template_default_as_it_is(
    context: _Context, variable: Variable, decision: _Decision
) -> _Default:
    name = variable.name
    in_templates: _Default = decision.in_templates.get(name, UNSET)
    if variable.computed:
        # The computed value wins; only the order of the leader's keys is of use.
        return in_templates if _is_collection(in_templates) else UNSET
    if name not in decision.variables and name not in decision.secrets:
        return variable.default if in_templates is UNSET else in_templates
    default = context.default(name)
    if default is not UNSET:
        declared = decision.variables.get(name, default)
        if not _is_collection(default) and _type_name(default) == _type_name(declared):
            return default
        is_own = context.leader.has_template
        if is_own and _is_collection(default) and _is_collection(in_templates):
            return default
    return UNSET if isinstance(in_templates, str) else in_templates


# --- what Pryv's releases know ---


def _is_known_to_pryv(name: str) -> bool:
    """Whether a release of Pryv has or had the variable, by the names of 1.9 and of 2019."""
    variables = load_release().variables
    return Catalogue(variables).place(name).variable in variables


def _newest_default(name: str) -> _Default:
    """The default in the newest built-in release."""
    variables = load_release().variables
    place = Catalogue(variables).place(name)
    known = variables.get(place.variable)
    if known is None or known.default is UNSET:
        return UNSET
    default: _Default = value_at(known.default, place.path)
    return default


# --- types ---


def _text(value: Json) -> str:
    """A value as the text of a Secret."""
    return value if isinstance(value, str) else stringify(value)


def _type_name(value: Any) -> str:
    return "number" if is_number(value) else type(value).__name__


def _is_collection(value: Any) -> bool:
    return isinstance(value, (Mapping, list))
