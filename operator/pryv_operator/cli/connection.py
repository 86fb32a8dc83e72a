"""Connects commands of the user to a cluster, as kubectl does.

Only ``kubectl-pryv`` does this: the operator itself never uses an implicit context.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import yaml

from pryv_operator.cli.durations import seconds_of
from pryv_operator.cli.shared_options import ConnectionOptions
from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.connection import CredentialsError
from pryv_operator.kube.credentials import connection_of
from pryv_operator.kube.transport import Sender

_DEFAULT_FILE: Final = Path(".kube/config")
_DEFAULT_NAMESPACE: Final = "default"
#: List of a kubeconfig → what each entry holds, and which of its fields are paths.
_PATHS: Final = {
    "clusters": ("cluster", ("certificate-authority",)),
    "users": ("user", ("client-certificate", "client-key", "tokenFile")),
    "contexts": ("context", ()),
}
#: Fields of a user that say whom to impersonate.
_IMPERSONATION: Final = ("as", "as-uid", "as-groups", "as-user-extra")
#: Field manager and user agent of what a user does with this command.
MANAGER: Final = "kubectl-pryv"


class KubeconfigError(Exception):
    """An unusable kubeconfig. The message names files and contexts, and never a credential."""


@asynccontextmanager
async def connect(
    options: ConnectionOptions, environment: Mapping[str, str] = os.environ
) -> AsyncIterator[tuple[KubeClient, str]]:
    """A client with the user's own credentials, and the namespace to use.

    Raises:
        KubeconfigError: the kubeconfig cannot be used.
    """
    files = kubeconfig_files(options.kubeconfig, environment)
    where = os.pathsep.join(map(str, files))
    timeout = request_seconds(options.request_timeout)
    kubeconfig = merged([(_read_document(file), file.parent.absolute()) for file in files])
    context, namespace = _choose_context(options.context, kubeconfig, where)
    try:
        cluster, user = resolved(kubeconfig, context, options)
        client = KubeClient(
            await connection_of(cluster, user, Path.cwd()),
            sender=Sender(MANAGER, impersonation(user), timeout, connections=0),
        )
    except (CredentialsError, OSError, AttributeError, KeyError, TypeError, ValueError):
        # Nobody has checked the files, and the messages may quote a token.
        raise KubeconfigError(
            f'{where}: context "{context}" cannot be used: its cluster or user is missing or '
            "malformed, or refers to a file that does not exist"
        ) from None
    async with client:
        yield client, options.namespace or namespace or _DEFAULT_NAMESPACE


def merged(documents: Sequence[tuple[Mapping[str, Any], Path]]) -> dict[str, Any]:
    """Several kubeconfigs as one, with absolute paths; the first entry of a name counts.

    Args:
        documents: kubeconfig, and the folder of its file.
    """
    found: dict[str, Any] = {kind: {} for kind in _PATHS}
    for document, folder in documents:
        if document.get("current-context"):
            found.setdefault("current-context", str(document["current-context"]))
        for kind, (inside, paths) in _PATHS.items():
            for entry in document.get(kind) or ():
                if isinstance(entry, dict) and entry.get("name"):
                    found[kind].setdefault(
                        str(entry["name"]), _with_paths(entry.get(inside), paths, folder)
                    )
    return found


def _with_paths(entry: Any, paths: Sequence[str], folder: Path) -> Any:
    if not isinstance(entry, dict):
        return entry
    return {
        key: str(folder / value) if key in paths and isinstance(value, str) and value else value
        for key, value in entry.items()
    }


def resolved(
    kubeconfig: Mapping[str, Any], context: str, options: ConnectionOptions
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The cluster and the user of the chosen context, as the options change them.

    Raises:
        KeyError, TypeError: its cluster or user is missing or malformed.
    """
    inside = kubeconfig["contexts"][context]
    clusters, users = kubeconfig["clusters"], kubeconfig["users"]
    if options.cluster and options.cluster not in clusters:
        raise _not_found("cluster", options.cluster, clusters)
    if options.user and options.user not in users:
        raise _not_found("user", options.user, users)
    user = options.user or inside.get("user")
    return (
        _cluster(clusters[options.cluster or inside["cluster"]], options),
        _user(users[user] if user else {}, options),
    )


def _cluster(entry: Mapping[str, Any], options: ConnectionOptions) -> dict[str, Any]:
    """A cluster as the options change it."""
    found = {**entry}
    if options.certificate_authority or options.insecure_skip_tls_verify:
        for key in ("certificate-authority", "certificate-authority-data"):
            found.pop(key, None)
        found["insecure-skip-tls-verify"] = options.insecure_skip_tls_verify
    return found | _set(
        ("server", options.server),
        ("tls-server-name", options.tls_server_name),
        ("certificate-authority", _path(options.certificate_authority)),
    )


def _user(entry: Mapping[str, Any], options: ConnectionOptions) -> dict[str, Any]:
    """A user as the options change it."""
    found = {**entry}
    credentials = _set(
        ("client-certificate", _path(options.client_certificate)),
        ("client-key", _path(options.client_key)),
        ("token", options.token),
    )
    if credentials:
        found = {key: value for key, value in found.items() if key in _IMPERSONATION}
    whom = _set(
        ("as", options.impersonate),
        ("as-uid", options.impersonate_uid),
        ("as-groups", options.impersonate_groups),
    )
    if whom:
        found = {key: value for key, value in found.items() if key not in _IMPERSONATION}
    return found | credentials | whom


def _set(*fields: tuple[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields if value}


def _path(path: Path | None) -> str | None:
    return None if path is None else str(path.absolute())


def impersonation(user: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """The headers that impersonate whom a user of a kubeconfig impersonates."""
    found = [
        (header, str(user[key]))
        for key, header in (("as", "Impersonate-User"), ("as-uid", "Impersonate-Uid"))
        if user.get(key)
    ]
    found += [("Impersonate-Group", str(group)) for group in user.get("as-groups") or ()]
    for key, values in (user.get("as-user-extra") or {}).items():
        found += [(f"Impersonate-Extra-{quote(str(key), safe='')}", str(value)) for value in values]
    return tuple(found)


def request_seconds(text: str) -> float | None:
    """The seconds in ``--request-timeout``; None: not set.

    Raises:
        KubeconfigError: it is not a duration.
    """
    if not text:
        return None
    seconds = seconds_of(text)
    if seconds is None:
        raise KubeconfigError(
            f'--request-timeout: "{text}" is not a duration; use a form such as 1s, 2m or 3h'
        )
    return seconds


def _not_found(kind: str, name: str, existing: Mapping[str, Any]) -> KubeconfigError:
    listed = ", ".join(sorted(existing)) or "none"
    return KubeconfigError(f'--{kind}: {kind} "{name}" not found; existing: {listed}')


def kubeconfig_files(kubeconfig: Path | None, environment: Mapping[str, str]) -> list[Path]:
    """The existing files that kubectl would read.

    Args:
        kubeconfig: the option ``--kubeconfig``; it replaces ``KUBECONFIG``.
        environment: environment variables.

    Raises:
        KubeconfigError: none of them exists.
    """
    if kubeconfig:
        files = [kubeconfig]
    elif environment.get("KUBECONFIG"):
        files = [Path(each) for each in environment["KUBECONFIG"].split(os.pathsep) if each]
    else:
        files = [_home(environment) / _DEFAULT_FILE]
    existing = [file for file in files if file.is_file()]
    if not existing:
        raise KubeconfigError(
            f"{os.pathsep.join(map(str, files))}: kubeconfig not found; "
            "name one with --kubeconfig or KUBECONFIG"
        )
    return existing


def _home(environment: Mapping[str, str]) -> Path:
    """The user's home folder; a uid without a passwd entry has none."""
    try:
        return Path(environment.get("HOME") or Path.home())
    except RuntimeError:
        raise KubeconfigError(
            "no home folder known; name a kubeconfig with --kubeconfig or KUBECONFIG"
        ) from None


def _choose_context(
    requested: str | None, kubeconfig: Mapping[str, Any], where: str
) -> tuple[str, str | None]:
    """The requested or current context, and its namespace."""
    context = requested or kubeconfig.get("current-context")
    if context is None:
        raise KubeconfigError(f"{where}: no current context; name one with --context")
    contexts = kubeconfig["contexts"]
    if context not in contexts:
        existing = ", ".join(sorted(contexts)) or "none"
        raise KubeconfigError(f'{where}: context "{context}" not found; existing: {existing}')
    inside = contexts[context]
    return context, inside.get("namespace") if isinstance(inside, dict) else None


def _read_document(file: Path) -> Mapping[str, Any]:
    try:
        document = yaml.safe_load(file.read_text())
    except OSError as error:
        raise KubeconfigError(f"{file}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise KubeconfigError(f"{file}: not valid YAML") from None
    if not isinstance(document, dict):
        raise KubeconfigError(f"{file}: not a valid kubeconfig")
    return document
