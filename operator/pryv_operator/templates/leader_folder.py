"""A leader's folder (``conf/`` and ``data/``), as files in memory, made into a bundle and what was filled in.

Two generations are read: since 1.6 ``platform.yml`` holds the variables, and ``config-leader.json`` the "internals";
in 2019 ``config-leader.json`` held everything in one flat map. What the built-in release knows of a variable (is it
secret, does the operator compute it, its other names, what it is when nobody says) holds for a received one too.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from types import MappingProxyType
from typing import Any, Final, Literal, NoReturn, TypeAlias

from pryv_operator.api import names, secret_variables
from pryv_operator.api.messages import printable
from pryv_operator.leader.javascript import property_order
from pryv_operator.leader.js_yaml import JsYamlError, load_yaml
from pryv_operator.leader.json_value import Json
from pryv_operator.leader.platform_yml import UNDEFINED, LeaderValue, read_platform_yml
from pryv_operator.templates.builtin import load_release
from pryv_operator.templates.bundle import UNSET, Bundle, Unset, Variable, VariableType

Generation: TypeAlias = Literal["1.6+", "2019"]

PLATFORM_FILE: Final = "conf/platform.yml"
PLATFORM_TEMPLATE: Final = "conf/template-platform.yml"
SETTINGS_FILE: Final = "conf/config-leader.json"
SETTINGS_TEMPLATE: Final = "conf/template-config-leader.json"
CONF_FILES: Final = (PLATFORM_FILE, PLATFORM_TEMPLATE, SETTINGS_FILE, SETTINGS_TEMPLATE)
DATA: Final = "data"
SINGLE_NODE: Final = "singlenode"

#: A file of ``conf/`` is no larger than this (bytes); real ones have some 30 KiB.
CONF_LIMIT: Final = 512 * 1024
#: There are no more variables than this; 1.9.2 has 74.
VARIABLE_LIMIT: Final = 2000
#: All values together have no more elements than this: YAML's aliases make huge values of short texts.
ELEMENT_LIMIT: Final = 50_000
#: All their texts together are no longer than this (characters).
TEXT_LIMIT: Final = 4 * 1024 * 1024
#: Lists and maps inside a value are no deeper than this.
DEPTH_LIMIT: Final = 100

_NEEDED_ROLES: Final = (names.REG_MASTER, names.CORE, names.STATIC)
_ROLE: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_CORE: Final = re.compile(
    r"CORE_(?:(?P<address>[0-9]+)_IP_ADDRESS|HOSTING_(?P<hosting>[0-9]+))", re.ASCII
)
_SINGLE_MACHINE: Final = "SINGLE_MACHINE_IP_ADDRESS"
#: Secrets of releases before the built-in one.
_OLDER_SECRET_PATHS: Final[Mapping[str, tuple[str, ...]]] = {"MFA_SMS_API_SETTINGS": ("auth",)}
_VERSION: Final = "TEMPLATE_VERSION"
_DESCRIPTION_LIMIT: Final = 1000


class LeaderError(Exception):
    """A leader's folder that cannot be used; the message names places and variables, never a value.

    ``file`` is relative to the folder, or empty; ``line`` and ``column`` count from 1, or are None.
    """

    def __init__(
        self, message: str, file: str = "", line: int | None = None, column: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.file = file
        self.line = line
        self.column = column

    def __str__(self) -> str:
        """``file, line n, column m: message``."""
        place = (
            [self.file] * bool(self.file)
            + [f"line {self.line}"] * bool(self.line)
            + [f"column {self.column}"] * bool(self.column)
        )
        return f"{', '.join(place)}: {self.message}" if place else self.message


@dataclass(frozen=True)
class Follower:
    """A machine the leader served. (Its key is not kept: the operator has no use for it.)"""

    url: str
    role: str


@dataclass(frozen=True)
class Leader:
    """What a leader's folder says. Secrets are among ``values``, ``internals`` and ``order``, never in ``bundle``."""

    bundle: Bundle
    #: What is filled in, by variable; what is wholly unset is left out, ``"SECRET"`` (generate) is not.
    values: Mapping[str, Json] = field(repr=False)
    internals: Mapping[str, Json] = field(repr=False)
    #: Variables, and dotted paths into them, that still wait to be filled in.
    unset: tuple[str, ...]
    followers: tuple[Follower, ...]
    generation: Generation
    #: All values in the leader's own order, as they stand there: rendered with ``order="leader"``, they give its bytes.
    order: Mapping[str, LeaderValue] = field(repr=False)
    #: Whether the bundle's defaults are those of a template, or only the values somebody filled in.
    has_template: bool
    #: The variables that came with the release, as far as the folder tells.
    of_template: frozenset[str] = frozenset()


def read_leader(files: Mapping[str, bytes], *, complete: bool = True) -> Leader:
    """The leader of a folder: path (relative to the folder that holds ``conf/`` and ``data/``) → content.

    ``complete`` asks for every role that a platform cannot do without.

    Raises:
        LeaderError: a file or role is missing, is malformed, or too large.
    """
    roles = _roles(files)
    settings_file = _first(files, SETTINGS_FILE, SETTINGS_TEMPLATE)
    platform_file = _first(files, PLATFORM_FILE, PLATFORM_TEMPLATE)
    if not settings_file:
        raise LeaderError(
            "the file is missing: it holds the keys between the platform's parts", SETTINGS_FILE
        )
    settings = _json_map(files, settings_file)
    if platform_file:
        source = _read_current(files, settings, settings_file, platform_file)
    elif isinstance(settings.get("platform"), dict):
        source = _read_2019(files, settings, settings_file)
    else:
        raise LeaderError(
            f"the file is missing (and {settings_file} has no map named platform, as it had in 2019)",
            PLATFORM_FILE,
        )
    if len(source.order) > VARIABLE_LIMIT or len(source.templates) > VARIABLE_LIMIT:
        raise LeaderError(
            f"there are more than {VARIABLE_LIMIT} variables", platform_file or settings_file
        )
    _check_roles(roles, complete=complete)

    reading = _Reading(platform_file or settings_file)
    internals = reading.copies(source.internals)
    values = reading.copies(source.values)
    variables = _variables(source, internals, reading)
    version = _version(source, variables)
    is_own_name = source.generation == "2019"
    return Leader(
        bundle=Bundle(
            f"pryv.io-{version}", version, roles, variables=MappingProxyType(variables), jinja=False
        ),
        values=MappingProxyType(
            {
                name: value
                for name, value in values.items()
                if not _is_unset(name, value, own_name=is_own_name)
            }
        ),
        internals=MappingProxyType(
            {
                name: value
                for name, value in internals.items()
                if not _is_unset(name, value, own_name=False)
            }
        ),
        unset=tuple(sorted(_unset_places(source, internals | values))),
        followers=_followers(settings, settings_file),
        generation=source.generation,
        order=MappingProxyType(source.order),
        has_template=source.has_template,
        of_template=source.of_template,
    )


def find_leaders(paths: Iterable[str]) -> tuple[str, ...]:
    """The folders among ``paths`` that look like a leader's (``""``: the top itself), those with templates if any."""
    given = list(paths)
    found = sorted(
        {
            path[: -len(name)].rstrip("/")
            for path in given
            for name in CONF_FILES
            if path == name or path.endswith("/" + name)
        }
    )
    with_data = {folder for path in given for folder in _above_data(path)}
    chosen = [folder for folder in found if folder in with_data] or found
    return tuple(chosen)


def in_folder(files: Mapping[str, bytes], folder: str) -> dict[str, bytes]:
    """The files of a folder (``""``: all), by their paths inside it."""
    prefix = f"{folder}/" if folder else ""
    return {
        path.removeprefix(prefix): content
        for path, content in files.items()
        if path.startswith(prefix)
    }


def _above_data(path: str) -> Iterator[str]:
    """Every folder whose own folder ``data`` the path leads into."""
    parts = path.split("/")
    return ("/".join(parts[:index]) for index, part in enumerate(parts[:-1]) if part == DATA)


# --- the two generations ---


@dataclass(frozen=True)
class _Template:
    """What a template says of one variable."""

    default: LeaderValue
    optional: bool = False
    description: str = ""


@dataclass(frozen=True)
class _Source:
    """A leader's variables, whatever the generation."""

    generation: Generation
    internals: Mapping[str, LeaderValue]
    values: Mapping[str, LeaderValue]
    order: dict[str, LeaderValue]
    templates: Mapping[str, _Template]
    has_template: bool
    of_template: frozenset[str]


def _read_current(
    files: Mapping[str, bytes], settings: Mapping[str, Any], settings_file: str, platform_file: str
) -> _Source:
    internals = settings.get("internals")
    if not isinstance(internals, dict):
        raise LeaderError("it has no map named internals", settings_file)
    filled = _platform(files, platform_file)
    values = {name: setting.default for name, setting in filled.items()}
    shipped = (
        _platform(files, PLATFORM_TEMPLATE)
        if PLATFORM_TEMPLATE in files and platform_file != PLATFORM_TEMPLATE
        else {}
    )
    order = {**internals, **values}
    return _Source(
        generation="1.6+",
        internals=internals,
        values=values,
        order={name: order[name] for name in property_order(order)},
        templates=filled | shipped,
        has_template=PLATFORM_TEMPLATE in files,
        # What is described came with the release, too.
        of_template=frozenset(filled if platform_file == PLATFORM_TEMPLATE else shipped)
        | {name for name, template in filled.items() if template.description},
    )


def _read_2019(
    files: Mapping[str, bytes], settings: Mapping[str, Any], settings_file: str
) -> _Source:
    internals = settings.get("internals")
    internals = internals if isinstance(internals, dict) else {}
    values = settings["platform"]
    defaults = dict(values)
    has_template = SETTINGS_TEMPLATE in files
    shipped: Any = values if settings_file == SETTINGS_TEMPLATE else {}
    if has_template and settings_file != SETTINGS_TEMPLATE:
        shipped = _json_map(files, SETTINGS_TEMPLATE).get("platform")
        shipped = shipped if isinstance(shipped, dict) else {}
        defaults |= shipped
    order = {**internals, **values}
    return _Source(
        generation="2019",
        internals=internals,
        values=values,
        order={name: order[name] for name in property_order(order)},
        templates={name: _Template(value) for name, value in defaults.items()},
        has_template=has_template,
        of_template=frozenset(shipped),
    )


def _platform(files: Mapping[str, bytes], file: str) -> dict[str, _Template]:
    """The settings of a platform.yml or its template, in the leader's order."""
    text = _text(files, file)
    try:
        values = read_platform_yml(text, {})
    except JsYamlError as error:
        failure = LeaderError(
            printable(error.message, 300), file, error.line or None, error.column or None
        )
    else:
        groups: dict[str, Any] = load_yaml(text)["vars"]
        settings = {
            name: (group, setting)
            for group in groups.values()
            for name, setting in group["settings"].items()
        }
        return {name: _template(value, *settings[name]) for name, value in values.items()}
    raise failure


def _template(value: LeaderValue, group: Mapping[str, Any], setting: Any) -> _Template:
    if not isinstance(setting, dict):
        return _Template(UNDEFINED)
    description = setting.get("description")
    return _Template(
        default=value,
        optional=group.get("optional") is True or setting.get("optional") is True,
        description=description[:_DESCRIPTION_LIMIT] if isinstance(description, str) else "",
    )


def _followers(settings: Mapping[str, Any], file: str) -> tuple[Follower, ...]:
    followers = settings.get("followers", {})
    entries: list[Any] = list(followers.values()) if isinstance(followers, dict) else [None]
    if not all(
        isinstance(entry, dict)
        and isinstance(entry.get("url"), str)
        and isinstance(entry.get("role"), str)
        for entry in entries
    ):
        raise LeaderError("followers is a map, and each entry has a url and a role", file)
    return tuple(Follower(entry["url"], entry["role"]) for entry in entries)


# --- files ---


def _roles(files: Mapping[str, bytes]) -> Mapping[str, Mapping[str, bytes]]:
    """Role → path inside it → content. Files beside the roles' folders (credentials, logs) are no templates."""
    roles: dict[str, dict[str, bytes]] = {}
    for path in sorted(files):
        top, _, rest = path.partition("/")
        role, _, inside = rest.partition("/")
        if top == DATA and inside and _ROLE.fullmatch(role):
            roles.setdefault(role, {})[inside] = files[path]
    return MappingProxyType({role: MappingProxyType(found) for role, found in roles.items()})


def _check_roles(roles: Mapping[str, Mapping[str, bytes]], *, complete: bool) -> None:
    if not roles:
        raise LeaderError(
            "there are no templates: each role has a folder of its own here, with its pryv.yml",
            DATA,
        )
    if not complete:
        return
    needed = (SINGLE_NODE,) if SINGLE_NODE in roles else _NEEDED_ROLES
    missing = [role for role in needed if role not in roles]
    if missing:
        raise LeaderError(
            f"no templates for the {'role' if len(missing) == 1 else 'roles'} {', '.join(missing)}; there are: {', '.join(roles)}",
            DATA,
        )
    for role in (*needed, names.REG_SLAVE):
        if role in roles and "pryv.yml" not in roles[role]:
            raise LeaderError(
                "the file is missing: it says which services the role runs",
                f"{DATA}/{role}/pryv.yml",
            )


def _first(files: Mapping[str, bytes], *candidates: str) -> str:
    return next((path for path in candidates if path in files), "")


def _text(files: Mapping[str, bytes], file: str) -> str:
    """Invalid UTF-8 is replaced and a byte-order mark passed over, as with the leader."""
    content = files[file]
    if len(content) > CONF_LIMIT:
        raise LeaderError(f"the file is larger than {CONF_LIMIT // 1024} KiB", file)
    return content.decode("utf-8", "replace").removeprefix("\ufeff")


def _json_map(files: Mapping[str, bytes], file: str) -> dict[str, Any]:
    try:
        document = json.loads(_text(files, file), parse_constant=_no_constant, parse_int=_integer)
    except json.JSONDecodeError as error:
        failure = LeaderError(f"it is no valid JSON: {error.msg}", file, error.lineno, error.colno)
    except _NoConstantError:
        failure = LeaderError("it is no valid JSON: NaN and Infinity are no values there", file)
    except RecursionError:
        failure = LeaderError(f"it is nested deeper than {DEPTH_LIMIT} levels", file)
    else:
        if isinstance(document, dict):
            return document
        failure = LeaderError("it is no JSON object", file)
    raise failure


class _NoConstantError(Exception):
    """NaN and Infinity: Python reads them, JavaScript does not."""


def _no_constant(_: str) -> NoReturn:
    raise _NoConstantError


def _integer(text: str) -> int | float:
    return int(text) if len(text) <= 20 else float(text)


# --- values ---


class _Reading:
    """Copies of values as JSON, bounded all together."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._room = ELEMENT_LIMIT
        self._text_room = TEXT_LIMIT

    def copies(self, values: Mapping[str, LeaderValue]) -> dict[str, Json]:
        return {
            name: self.copy(name, value) for name, value in values.items() if value is not UNDEFINED
        }

    def copy(self, name: str, value: LeaderValue) -> Json:
        """The JSON value that renders to the same text. (A date alone is put in with its quotes.)"""
        if isinstance(value, datetime):
            return f'"{_iso(value)}"'
        return self._plain(name, value, 0)

    def _plain(self, name: str, value: Any, depth: int) -> Json:
        self._room -= 1
        if self._room < 0:
            raise LeaderError(
                f"all values together have more than {ELEMENT_LIMIT} elements", self._file
            )
        if depth > DEPTH_LIMIT:
            raise LeaderError(
                f"the value of {printable(name)} is nested deeper than {DEPTH_LIMIT} levels",
                self._file,
            )
        if isinstance(value, str):
            self._text_room -= len(value)
            if self._text_room < 0:
                raise LeaderError(
                    f"all values together have more than {TEXT_LIMIT} characters", self._file
                )
            return value
        if isinstance(value, dict):
            return {key: self._plain(name, value[key], depth + 1) for key in property_order(value)}
        if isinstance(value, list):
            return [self._plain(name, item, depth + 1) for item in value]
        if isinstance(value, datetime):
            return _iso(value)
        if isinstance(value, float) and not math.isfinite(value):
            return None
        plain: Json = value
        return plain


def _iso(moment: datetime) -> str:
    """As ``Date.toISOString`` of JavaScript."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def _is_unset(name: str, value: Json, *, own_name: bool) -> bool:
    """Whether nobody filled the value in. In 2019 the word for that was the variable's own name."""
    return value == secret_variables.REPLACE_ME or (own_name and value == name)


def _unset_places(source: _Source, values: Mapping[str, Json]) -> Iterator[str]:
    for name, value in source.order.items():
        if value is UNDEFINED or _is_unset(
            name, values[name], own_name=source.generation == "2019" and name in source.values
        ):
            yield name
        else:
            yield from (".".join((name, *path)) for path in _gaps(values[name]))


def _gaps(value: Json, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Paths to what is to be filled in; the word may stand inside a text, or be a key."""
    if isinstance(value, str):
        if secret_variables.REPLACE_ME in value:
            yield path
    elif isinstance(value, Mapping):
        for key, child in value.items():
            if secret_variables.REPLACE_ME in key:
                yield (*path, key)
            else:
                yield from _gaps(child, (*path, key))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _gaps(child, (*path, str(index)))


# --- variables ---


@dataclass(frozen=True)
class _Known:
    """What is known of a variable by its name. ``default`` is what it is when nobody fills it in."""

    secret: bool = False
    #: A secret that nobody needs unless something is activated: empty, not generated, when it is not given.
    empty_secret: bool = False
    secret_paths: tuple[str, ...] = ()
    computed: bool = False
    default: Json | Literal[Unset.UNSET] = UNSET
    aliases: tuple[str, ...] = ()
    alias_paths: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@cache
def _vocabulary() -> Mapping[str, _Known]:
    """The variables of the newest built-in release, and those of 2019, which are other names for the same things."""
    known: dict[str, _Known] = {}
    for name, variable in load_release().variables.items():
        entry = _Known(
            secret=variable.secret,
            secret_paths=variable.secret_paths,
            computed=variable.computed,
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
            known[alias] = _Known(
                empty_secret=path in variable.secret_paths,
                default="" if inside is UNSET else inside,
                aliases=(f"{name}.{path}",),
            )
    known[_SINGLE_MACHINE] = _Known(computed=True)
    for name, paths in _OLDER_SECRET_PATHS.items():
        known[name] = _Known(secret_paths=paths)
    return MappingProxyType(known)


def _known(name: str, variables: Mapping[str, Any]) -> _Known:
    found = _vocabulary().get(name)
    if found:
        return found
    core = _CORE.fullmatch(name)
    if not core:
        return _Known()
    # The templates of 2019 name a second core even where there is none: then it is the first one.
    first = "CORE_1_IP_ADDRESS" if core["address"] else "CORE_HOSTING_1"
    return _Known(computed=True, default=first if name != first and first in variables else UNSET)


def _variables(
    source: _Source, internals: Mapping[str, Json], reading: _Reading
) -> dict[str, Variable]:
    """Internals first: each is a key between the platform's parts."""
    named = {**internals, **source.templates}
    found = {name: Variable(name, _type(value), secret=True) for name, value in internals.items()}
    for name, template in source.templates.items():
        known = _known(name, named)
        default = None if template.default is UNDEFINED else reading.copy(name, template.default)
        is_unset = template.default is UNDEFINED or _is_unset(
            name, default, own_name=source.generation == "2019"
        )
        secret = (
            known.secret
            or name in internals
            or (source.generation == "2019" and default == secret_variables.GENERATE)
        )
        kind = _type(default, *_given(source.values, name, reading))
        effective = (
            UNSET
            if secret
            else _default(
                secret_variables.REPLACE_ME if is_unset else default,
                known,
                kind,
                optional=template.optional,
            )
        )
        found[name] = Variable(
            name=name,
            type=kind,
            description=template.description,
            default=effective,
            required=effective is UNSET and not secret and not known.computed,
            computed=known.computed,
            secret=secret,
            secret_paths=known.secret_paths,
            aliases=tuple(alias for alias in known.aliases if alias not in named),
            alias_paths=MappingProxyType(
                {alias: path for alias, path in known.alias_paths.items() if alias not in named}
            ),
        )
    return found


def _given(values: Mapping[str, LeaderValue], name: str, reading: _Reading) -> list[Json]:
    value = values.get(name, UNDEFINED)
    return [] if value is UNDEFINED else [reading.copy(name, value)]


def _default(
    value: Json, known: _Known, kind: VariableType, *, optional: bool
) -> Json | Literal[Unset.UNSET]:
    """What a variable is when nobody says: no gaps are left in it, and no secrets."""
    if known.empty_secret:
        return ""
    has_gaps = any(True for _ in _gaps(value))
    if known.computed:
        # The cluster's value wins; what stays of the old one is the order of its keys.
        return (
            known.default
            if isinstance(value, str) or not isinstance(value, (Mapping, list)) or has_gaps
            else value
        )
    if has_gaps:
        if isinstance(known.default, (Mapping, list)) and not known.default:
            return known.default
        if known.default is UNSET and not optional:
            return UNSET
        value = _filled(value, known.default)
    for path in known.secret_paths:
        value = _without_secret(value, path.split("."))
    return str(value) if kind == "string" and isinstance(value, (int, float)) else value


def _filled(value: Json, known: Json | Literal[Unset.UNSET]) -> Json:
    """The value with its gaps filled by what is known, else by nothing."""
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
        return [child for child in value if not any(True for _ in _gaps(child))]
    return value


def _without_secret(value: Json, path: list[str]) -> Json:
    """The value with nothing where a secret stands; the key stays, as it has its place among the others."""
    if not path:
        return ""
    if not isinstance(value, Mapping):
        return value
    return {
        key: _without_secret(child, path[1:]) if path[0] in ("*", key) else child
        for key, child in value.items()
    }


def _at(value: Json | Literal[Unset.UNSET], path: list[str]) -> Json | Literal[Unset.UNSET]:
    for step in path:
        value = value[step] if isinstance(value, Mapping) and step in value else UNSET
    return value


def _type(default: Json, *others: Json) -> VariableType:
    """The type they all have; where a string is wanted, any scalar may be given."""
    kind = _json_type(default)
    scalars = ("number", "boolean") if kind == "string" else ()
    return kind if all(_json_type(other) in (kind, *scalars) for other in others) else "any"


def _json_type(value: Json) -> VariableType:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    if isinstance(value, str):
        return "any" if _is_json_text(value) else "string"
    if isinstance(value, Mapping):
        return "object"
    return "any" if value is None else "array"


def _is_json_text(text: str) -> bool:
    """Whether a text is a list or a map written as JSON: the value itself gives the same file."""
    if text.lstrip()[:1] not in ("[", "{"):
        return False
    try:
        return isinstance(json.loads(text, parse_int=float), (list, dict))
    except (ValueError, RecursionError):
        return False


def _version(source: _Source, variables: Mapping[str, Variable]) -> str:
    default = variables[_VERSION].default if _VERSION in variables else UNSET
    if isinstance(default, str) and re.fullmatch(r"[0-9][\w.+-]{0,30}", default, re.ASCII):
        return default
    return "2019" if source.generation == "2019" else "unknown"
