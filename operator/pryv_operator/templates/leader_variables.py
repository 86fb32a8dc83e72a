"""The catalogue of a leader's bundle: the variables of its templates, with types and defaults.

What the built-in release knows of a variable (is it secret, does the operator compute it, its other
names, its default) holds for a received one, too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from types import MappingProxyType
from typing import Any, Final, Literal

from pryv_operator.api import secret_variables
from pryv_operator.leader.json_value import Json, is_number
from pryv_operator.leader.platform_yml import UNDEFINED
from pryv_operator.templates.builtin import load_release
from pryv_operator.templates.bundle import UNSET, Unset, Variable, VariableType
from pryv_operator.templates.leader_settings import LeaderSettings, TemplateSetting
from pryv_operator.templates.leader_values import JsonCopier, has_gaps, is_unset

_CORE: Final = re.compile(
    r"CORE_(?:(?P<address>[0-9]+)_IP_ADDRESS|HOSTING_(?P<hosting>[0-9]+))", re.ASCII
)
_SINGLE_MACHINE: Final = "SINGLE_MACHINE_IP_ADDRESS"
#: Secrets of releases before the built-in one.
_OLDER_SECRET_PATHS: Final[Mapping[str, tuple[str, ...]]] = {"MFA_SMS_API_SETTINGS": ("auth",)}
_VERSION: Final = "TEMPLATE_VERSION"

_Default = Json | Literal[Unset.UNSET]


def template_variables(
    settings: LeaderSettings, internals: Mapping[str, Json], copier: JsonCopier
) -> dict[str, Variable]:
    """The variables by name: internals first, then those of the template.

    ``internals`` are the copies of the settings' internals.

    Raises:
        LeaderError: the values exceed the copier's limits.
    """
    all_names = frozenset(internals) | frozenset(settings.templates)
    found = {name: Variable(name, _type(value), secret=True) for name, value in internals.items()}
    for name in settings.templates:
        found[name] = _variable(name, settings, all_names, copier)
    return found


def template_version(settings: LeaderSettings, variables: Mapping[str, Variable]) -> str:
    """The version that the templates declare, else ``2019`` or ``unknown``."""
    default = variables[_VERSION].default if _VERSION in variables else UNSET
    if isinstance(default, str) and re.fullmatch(r"[0-9][\w.+-]{0,30}", default, re.ASCII):
        return default
    return "2019" if settings.generation == "2019" else "unknown"


def _variable(
    name: str, settings: LeaderSettings, all_names: frozenset[str], copier: JsonCopier
) -> Variable:
    template = settings.templates[name]
    known = _knowledge(name, all_names)
    is_2019 = settings.generation == "2019"
    declared = None if template.default is UNDEFINED else copier.copy(name, template.default)
    configured = settings.values.get(name, UNDEFINED)
    others = [] if configured is UNDEFINED else [copier.copy(name, configured)]
    kind = _type(declared, *others)
    if known.computed and kind != known.type:
        kind = "any"  # the cluster's value has its own type
    secret = (
        known.secret
        or name in settings.internals
        or (is_2019 and declared == secret_variables.GENERATE)
    )
    default: _Default = UNSET
    if not secret:
        unset = template.default is UNDEFINED or is_unset(name, declared, own_name=is_2019)
        value = secret_variables.REPLACE_ME if unset else declared
        default = _default(value, known, kind, template)
    return Variable(
        name=name,
        type=kind,
        description=template.description,
        default=default,
        required=default is UNSET and not secret and not known.computed,
        computed=known.computed,
        secret=secret,
        secret_paths=known.secret_paths,
        aliases=tuple(alias for alias in known.aliases if alias not in all_names),
        alias_paths=MappingProxyType(
            {alias: path for alias, path in known.alias_paths.items() if alias not in all_names}
        ),
    )


# --- what is known of a variable by its name ---


@dataclass(frozen=True)
class _Knowledge:
    """What is known of a variable by its name."""

    secret: bool = False
    #: A secret of an optional feature: empty by default, not generated.
    empty_secret: bool = False
    secret_paths: tuple[str, ...] = ()
    computed: bool = False
    type: VariableType = "string"
    default: _Default = UNSET
    aliases: tuple[str, ...] = ()
    alias_paths: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@cache
def _vocabulary() -> Mapping[str, _Knowledge]:
    """The variables of the newest built-in release, and their names of 2019."""
    known: dict[str, _Knowledge] = {}
    for name, variable in load_release().variables.items():
        entry = _Knowledge(
            secret=variable.secret,
            secret_paths=variable.secret_paths,
            computed=variable.computed,
            type=variable.type,
            default=variable.default,
            aliases=variable.aliases,
            alias_paths=variable.alias_paths,
        )
        known[name] = entry
        for alias in variable.aliases:
            known[alias] = replace(
                entry, aliases=(name, *(other for other in variable.aliases if other != alias))
            )
        for alias, path in variable.alias_paths.items():
            inside = _at(variable.default, path.split("."))
            known[alias] = _Knowledge(
                empty_secret=path in variable.secret_paths,
                default="" if inside is UNSET else inside,
                aliases=(f"{name}.{path}",),
            )
    known[_SINGLE_MACHINE] = _Knowledge(computed=True)
    for name, paths in _OLDER_SECRET_PATHS.items():
        known[name] = _Knowledge(secret_paths=paths)
    return MappingProxyType(known)


def _knowledge(name: str, all_names: frozenset[str]) -> _Knowledge:
    found = _vocabulary().get(name)
    if found:
        return found
    core = _CORE.fullmatch(name)
    if not core:
        return _Knowledge()
    # The templates of 2019 name a second core even where there is only one: it is the first.
    first = "CORE_1_IP_ADDRESS" if core["address"] else "CORE_HOSTING_1"
    return _Knowledge(
        computed=True, default=first if name != first and first in all_names else UNSET
    )


# --- defaults ---


def _default(
    value: Json, known: _Knowledge, kind: VariableType, template: TemplateSetting
) -> _Default:
    """The default of a variable, without gaps and without secrets.

    ``value`` is the template's.
    """
    if known.empty_secret:
        return ""
    if known.computed:
        # The cluster's value wins; only the order of an old value's keys matters.
        is_collection = isinstance(value, (Mapping, list))
        return value if is_collection and not has_gaps(value) else known.default
    if has_gaps(value):
        if isinstance(known.default, (Mapping, list)) and not known.default:
            return known.default
        if known.default is UNSET and not template.optional:
            return UNSET
        value = _filled(value, known.default)
    for path in known.secret_paths:
        value = _without_secret(value, path.split("."))
    return str(value) if kind == "string" and isinstance(value, (int, float)) else value


def _filled(value: Json, known: _Default) -> Json:
    """The value with its gaps filled from the known default, else with empty texts."""
    if isinstance(value, str):
        nothing: Json = "" if known is UNSET or isinstance(known, (Mapping, list)) else known
        return nothing if secret_variables.REPLACE_ME in value else value
    if isinstance(value, Mapping):
        return {
            key: _filled(child, _at(known, [key]))
            for key, child in value.items()
            if secret_variables.REPLACE_ME not in key
        }
    if isinstance(value, list):
        return [child for child in value if not has_gaps(child)]
    return value


def _without_secret(value: Json, path: list[str]) -> Json:
    """The value with an empty text in place of a secret.

    The key stays, as its place among the others counts.
    """
    if not path:
        return ""
    if not isinstance(value, Mapping):
        return value
    return {
        key: _without_secret(child, path[1:]) if path[0] in ("*", key) else child
        for key, child in value.items()
    }


def _at(value: _Default, path: list[str]) -> _Default:
    for step in path:
        value = value[step] if isinstance(value, Mapping) and step in value else UNSET
    return value


# --- types ---


def _type(default: Json, *others: Json) -> VariableType:
    """The type that all values share; where one is a string, other scalars may be configured."""
    kind = _json_type(default)
    scalars = ("number", "boolean") if kind == "string" else ()
    return kind if all(_json_type(other) in (kind, *scalars) for other in others) else "any"


def _json_type(value: Json) -> VariableType:
    if isinstance(value, bool):
        return "boolean"
    if is_number(value):
        return "number"
    if isinstance(value, str):
        return "any" if _is_json_collection(value) else "string"
    if isinstance(value, Mapping):
        return "object"
    return "any" if value is None else "array"


def _is_json_collection(text: str) -> bool:
    """Whether a text is a JSON list or object: the value itself would render to the same file."""
    if text.lstrip()[:1] not in ("[", "{"):
        return False
    try:
        document: Any = json.loads(text, parse_int=float)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, (list, dict))
