"""Templates that a platform provides itself (``spec.templates``): read objects → a bundle.

The operator reads the objects from the API server, the offline tools from YAML files. What becomes
of their content is decided here for both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeAlias

from pryv_operator.api.findings import Problem
from pryv_operator.api.instances import instances
from pryv_operator.api.reasons import Reason
from pryv_operator.api.spec import Archive, PryvPlatformSpec, TemplateFiles, Templates
from pryv_operator.leader.listing import is_written_by_follower, written_paths
from pryv_operator.templates.archive_limits import ArchiveError
from pryv_operator.templates.builtin import load_release
from pryv_operator.templates.bundle import JINJA_SUFFIX, Bundle
from pryv_operator.templates.leader_archive import read_leader_archive
from pryv_operator.templates.leader_conf import LeaderError

#: Kind (``ConfigMap`` or ``Secret``) and name of an object in the platform's namespace.
ObjectReference: TypeAlias = tuple[str, str]
#: Object → key → content; objects that do not exist are absent.
Contents: TypeAlias = Mapping[ObjectReference, Mapping[str, bytes]]

#: What to do about an object that does not exist in the cluster.
CREATE_IT: Final = "create it"
_COMPOSE_FILES: Final = frozenset({"pryv.yml", f"pryv.yml{JINJA_SUFFIX}"})
#: No empty part, no part of dots.
_PLAIN_PATH: Final = re.compile(r"(?!\.{1,2}(/|$))[^/]+(/(?!\.{1,2}(/|$))[^/]+)*")
_ARCHIVE: Final = "spec.templates.archive"
_FILES: Final = "spec.templates.files"


def referenced_objects(templates: Templates) -> tuple[ObjectReference, ...]:
    """The objects that hold the templates, each once; that of an archive comes first."""
    located = _archive_location(templates.archive) if templates.archive else None
    files = templates.files or ()
    return tuple(
        dict.fromkeys(
            [
                *([located[0]] if located else []),
                *(("ConfigMap", source.config_map_ref.name) for source in files),
            ]
        )
    )


def uses_builtin_release(spec: PryvPlatformSpec) -> bool:
    """Whether a built-in release is rendered, with or without files of the user's."""
    templates = spec.templates
    if templates is None:
        return True
    if templates.archive:
        return False
    if spec.release is not None:
        return True
    complete = {
        source.role
        for source in templates.files or ()
        if any(entry.path in _COMPOSE_FILES for entry in source.items)
    }
    return not {instance.role for instance in instances(spec)} <= complete


def read_archive(
    archive: Archive, contents: Contents, *, if_missing: str = CREATE_IT
) -> Bundle | Problem:
    """The bundle in an archive, or what is wrong with it.

    ``if_missing`` is the remedy that the message gives when an object is not among ``contents``.
    """
    try:
        return _read_archive(archive, contents, if_missing)
    except _UnusableError as error:
        return error.problem


def read_files(
    sources: Sequence[TemplateFiles],
    base: Bundle | None,
    contents: Contents,
    *,
    if_missing: str = CREATE_IT,
) -> Bundle | Problem:
    """The bundle with files of the user's, or what is wrong with them.

    ``base``: the templates of which they replace files; None: there are no others.
    """
    try:
        roles = _read_files(sources, contents, if_missing)
        if base is not None:
            _check_no_folders(roles, base)
    except _UnusableError as error:
        return error.problem
    if base is not None:
        return base.with_files(roles)
    newest = load_release()
    return Bundle("own files", newest.version, roles, variables=newest.variables)


class _UnusableError(Exception):
    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.problem = Problem(reason, message)


def _archive_location(archive: Archive) -> tuple[ObjectReference, str] | None:
    """The object that holds the archive, and the key in it."""
    if archive.config_map_key_ref:
        return ("ConfigMap", archive.config_map_key_ref.name), archive.config_map_key_ref.key
    if archive.secret_key_ref:
        return ("Secret", archive.secret_key_ref.name), archive.secret_key_ref.key
    return None


def _read_archive(archive: Archive, contents: Contents, if_missing: str) -> Bundle:
    located = _archive_location(archive)
    if located is None:
        raise _UnusableError(
            Reason.INVALID_TEMPLATES,
            f"{_ARCHIVE}: no source; set configMapKeyRef or secretKeyRef",
        )
    (kind, name), key = located
    packed = _content(_ARCHIVE, located[0], key, contents, if_missing)
    where = f'{_ARCHIVE}: key "{key}" of {kind} "{name}"'
    try:
        bundle = read_leader_archive(packed).bundle
    except ArchiveError as error:
        raise _UnusableError(error.reason, f"{where}: {error}") from None
    except LeaderError as error:
        raise _UnusableError(Reason.INVALID_TEMPLATES, f"{where}: {error}") from None
    # Files that a follower would not write have no effect, and need not stay in memory.
    roles = {
        role: {path: files[path] for path in written_paths(files)}
        for role, files in bundle.roles.items()
    }
    return replace(bundle, roles=roles, secret=kind == "Secret")


def _read_files(
    sources: Sequence[TemplateFiles], contents: Contents, if_missing: str
) -> dict[str, dict[str, bytes]]:
    roles: dict[str, dict[str, bytes]] = {}
    for index, source in enumerate(sources):
        where = f"{_FILES}[{index}]"
        files = roles.setdefault(source.role, {})
        for entry in source.items:
            if not is_written_by_follower(entry.path) or not _PLAIN_PATH.fullmatch(entry.path):
                raise _UnusableError(
                    Reason.INVALID_TEMPLATES,
                    f'{where}: path "{entry.path}" has no effect; name a file at the top of the '
                    "role's folder, or in NAME/conf/ or NAME/templates/ of it",
                )
            if entry.path in files:
                raise _UnusableError(
                    Reason.INVALID_TEMPLATES,
                    f'{where}: role {source.role} already has a file "{entry.path}"; '
                    "remove one of the two entries",
                )
            files[entry.path] = _content(
                where, ("ConfigMap", source.config_map_ref.name), entry.key, contents, if_missing
            )
    return roles


def _check_no_folders(own: Mapping[str, Mapping[str, bytes]], base: Bundle) -> None:
    """Raise if a file of the user's has the path of a folder."""
    for role, files in own.items():
        for path in files:
            if any(other.startswith(f"{path}/") for other in base.roles.get(role, ())):
                raise _UnusableError(
                    Reason.INVALID_TEMPLATES,
                    f'{_FILES}: "{path}" of role {role} is a folder of the templates; '
                    "name a file in it",
                )


def _content(
    where: str, of: ObjectReference, key: str, contents: Contents, if_missing: str
) -> bytes:
    kind, name = of
    found = contents.get(of)
    if found is None:
        raise _UnusableError(
            Reason.TEMPLATES_NOT_FOUND, f'{where}: {kind} "{name}" not found; {if_missing}'
        )
    if key not in found:
        keys = ", ".join(sorted(found)) or "none"
        raise _UnusableError(
            Reason.TEMPLATES_NOT_FOUND,
            f'{where}: {kind} "{name}" has no key "{key}" (its keys: {keys}); '
            "add the key or correct the reference",
        )
    return found[key]
