"""A leader's folder (``conf/`` and ``data/``), as files in memory: finding and reading it.

Two generations of layout are read: since 1.6 (``leader_current``) and of 2019 (``leader_2019``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from pryv_operator.api import names
from pryv_operator.leader.json_value import Json
from pryv_operator.leader.platform_yml import LeaderValue
from pryv_operator.templates.bundle import Bundle
from pryv_operator.templates.leader_2019 import is_2019_layout, read_2019_settings
from pryv_operator.templates.leader_conf import (
    CONF_FILES,
    PLATFORM_FILE,
    PLATFORM_TEMPLATE,
    SETTINGS_FILE,
    SETTINGS_TEMPLATE,
    LeaderError,
    first_existing,
    read_json_object,
)
from pryv_operator.templates.leader_current import read_current_settings
from pryv_operator.templates.leader_settings import Generation, LeaderSettings
from pryv_operator.templates.leader_values import JsonCopier, is_unset, unset_paths
from pryv_operator.templates.leader_variables import template_variables, template_version

#: The folder with the roles' templates.
DATA: Final = "data"
#: Variables of a leader, at most; 1.9.2 has 74.
VARIABLE_LIMIT: Final = 2000

_REQUIRED_ROLES: Final = (names.REG_MASTER, names.CORE, names.STATIC)
_ROLE: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_COMPOSE_FILE: Final = "pryv.yml"

_Roles = Mapping[str, Mapping[str, bytes]]


@dataclass(frozen=True)
class Follower:
    """A machine that the leader served, without its key."""

    url: str
    role: str


@dataclass(frozen=True)
class Leader:
    """The content of a leader's folder.

    Secrets are among ``values``, ``internals`` and ``order``, never in ``bundle``.
    """

    bundle: Bundle
    #: Configured values by variable; unset ones are omitted, ``"SECRET"`` (generate) is not.
    values: Mapping[str, Json] = field(repr=False)
    internals: Mapping[str, Json] = field(repr=False)
    #: Variables, and dotted paths into them, that are not filled in.
    unset: tuple[str, ...]
    followers: tuple[Follower, ...]
    generation: Generation
    #: All values, unchanged, in the leader's order; ``order="leader"`` renders its bytes.
    order: Mapping[str, LeaderValue] = field(repr=False)
    #: Whether the bundle's defaults come from a template, or are only the configured values.
    has_template: bool
    #: The variables that came with the release, as far as the folder tells.
    of_template: frozenset[str] = frozenset()


def read_leader(files: Mapping[str, bytes], *, complete: bool = True) -> Leader:
    """The leader of a folder: path (relative to the folder of ``conf/`` and ``data/``) → content.

    ``complete``: require every role that a platform cannot do without.

    Raises:
        LeaderError: a file or role is missing, is malformed, or too large.
    """
    settings_file = first_existing(files, SETTINGS_FILE, SETTINGS_TEMPLATE)
    if not settings_file:
        raise LeaderError("file not found; it holds the keys between components", SETTINGS_FILE)
    conf = read_json_object(files, settings_file)
    platform_file = first_existing(files, PLATFORM_FILE, PLATFORM_TEMPLATE)
    settings = _read_settings(files, conf, settings_file, platform_file)
    roles = _roles(files)
    _check_roles(roles, complete=complete)

    copier = JsonCopier(platform_file or settings_file)
    internals = copier.copies(settings.internals)
    values = copier.copies(settings.values)
    variables = template_variables(settings, internals, copier)
    version = template_version(settings, variables)
    return Leader(
        bundle=Bundle(
            f"pryv.io-{version}", version, roles, variables=MappingProxyType(variables), jinja=False
        ),
        values=_without_unset(values, own_name=settings.generation == "2019"),
        internals=_without_unset(internals, own_name=False),
        unset=tuple(sorted(unset_paths(settings, internals | values))),
        followers=_followers(conf, settings_file),
        generation=settings.generation,
        order=MappingProxyType(settings.ordered),
        has_template=settings.has_template,
        of_template=settings.of_template,
    )


def find_leader_folders(paths: Iterable[str]) -> tuple[str, ...]:
    """The folders among ``paths`` that look like a leader's (``""``: the top itself).

    If some of them have templates (a folder ``data``), only those.
    """
    given = list(paths)
    found = sorted(
        {
            path[: -len(name)].rstrip("/")
            for path in given
            for name in CONF_FILES
            if path == name or path.endswith("/" + name)
        }
    )
    with_data = {folder for path in given for folder in _folders_of_data(path)}
    return tuple([folder for folder in found if folder in with_data] or found)


def files_in(files: Mapping[str, bytes], folder: str) -> dict[str, bytes]:
    """The files of a folder (``""``: all), by their paths inside it."""
    prefix = f"{folder}/" if folder else ""
    return {
        path.removeprefix(prefix): content
        for path, content in files.items()
        if path.startswith(prefix)
    }


def _folders_of_data(path: str) -> Iterator[str]:
    """Every folder on the path that is followed by ``data`` and something in it."""
    steps = path.split("/")
    return ("/".join(steps[:index]) for index, step in enumerate(steps[:-1]) if step == DATA)


def _read_settings(
    files: Mapping[str, bytes], conf: Mapping[str, Any], settings_file: str, platform_file: str
) -> LeaderSettings:
    if platform_file:
        settings = read_current_settings(files, conf, settings_file, platform_file)
    elif is_2019_layout(conf):
        settings = read_2019_settings(files, conf, settings_file)
    else:
        raise LeaderError(
            f'file not found (nor has {settings_file} a map "platform", as it had in 2019)',
            PLATFORM_FILE,
        )
    if max(len(settings.ordered), len(settings.templates)) > VARIABLE_LIMIT:
        raise LeaderError(f"more than {VARIABLE_LIMIT} variables", platform_file or settings_file)
    return settings


def _without_unset(values: Mapping[str, Json], *, own_name: bool) -> Mapping[str, Json]:
    return MappingProxyType(
        {
            name: value
            for name, value in values.items()
            if not is_unset(name, value, own_name=own_name)
        }
    )


def _followers(conf: Mapping[str, Any], file: str) -> tuple[Follower, ...]:
    followers = conf.get("followers", {})
    entries: list[Any] = list(followers.values()) if isinstance(followers, dict) else [None]
    if not all(
        isinstance(entry, dict)
        and isinstance(entry.get("url"), str)
        and isinstance(entry.get("role"), str)
        for entry in entries
    ):
        raise LeaderError('"followers" must be a map whose entries have a url and a role', file)
    return tuple(Follower(entry["url"], entry["role"]) for entry in entries)


# --- roles ---


def _roles(files: Mapping[str, bytes]) -> _Roles:
    """Role → path inside it → content.

    Files directly in ``data/`` (credentials, logs) are ignored.
    """
    roles: dict[str, dict[str, bytes]] = {}
    for path in sorted(files):
        top, _, rest = path.partition("/")
        role, _, inside = rest.partition("/")
        if top == DATA and inside and _ROLE.fullmatch(role):
            roles.setdefault(role, {})[inside] = files[path]
    return MappingProxyType({role: MappingProxyType(found) for role, found in roles.items()})


def _check_roles(roles: _Roles, *, complete: bool) -> None:
    if not roles:
        raise LeaderError(
            f"no templates found; add a folder with a {_COMPOSE_FILE} for each role", DATA
        )
    if not complete:
        return
    required = (names.SINGLE_NODE,) if names.SINGLE_NODE in roles else _REQUIRED_ROLES
    missing = [role for role in required if role not in roles]
    if missing:
        raise LeaderError(
            f"no templates for role {', '.join(missing)} (found: {', '.join(roles)}); "
            "use the archive or folder of the platform's leader",
            DATA,
        )
    for role in (*required, names.REG_SLAVE):
        if role in roles and _COMPOSE_FILE not in roles[role]:
            raise LeaderError(
                "file not found; it declares the role's services", f"{DATA}/{role}/{_COMPOSE_FILE}"
            )
