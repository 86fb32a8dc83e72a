"""Connects commands of the user to a cluster, as kubectl does.

Only ``kubectl-pryv`` does this: the operator itself never uses an implicit context.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from kubernetes.aio import config
from kubernetes.aio.client import Configuration
from kubernetes.aio.config import ConfigException

from pryv_operator.kube.client import KubeClient

_DEFAULT_FILE: Final = Path(".kube/config")
_DEFAULT_NAMESPACE: Final = "default"


class KubeconfigError(Exception):
    """An unusable kubeconfig. The message names files and contexts, and never a credential."""


@dataclass(frozen=True)
class ConnectionOptions:
    """Options of a command that are kubectl's own; None: kubectl's default."""

    namespace: str | None = None
    kubeconfig: Path | None = None
    context: str | None = None


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
    documents = [_read_document(file) for file in files]
    context, namespaces = _choose_context(options.context, documents, where)
    configuration = Configuration()
    try:
        await config.load_kube_config(
            config_file=where,
            context=context,
            client_configuration=configuration,
            persist_config=False,
        )
        client = KubeClient(configuration)
    except (ConfigException, OSError, AttributeError, KeyError, TypeError, ValueError):
        # The library does not check the files, and its messages may quote a token.
        raise KubeconfigError(
            f'{where}: context "{context}" cannot be used: its cluster or user is missing or '
            "malformed, or refers to a file that does not exist"
        ) from None
    async with client:
        yield client, options.namespace or namespaces[context] or _DEFAULT_NAMESPACE


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
    requested: str | None, documents: Sequence[Mapping[str, Any]], where: str
) -> tuple[str, Mapping[str, str | None]]:
    """The requested or current context, and the namespace of each context."""
    context = requested or next(
        (str(each["current-context"]) for each in documents if each.get("current-context")), None
    )
    if context is None:
        raise KubeconfigError(f"{where}: no current context; name one with --context")
    namespaces = _namespaces(documents)
    if context not in namespaces:
        existing = ", ".join(sorted(namespaces)) or "none"
        raise KubeconfigError(f'{where}: context "{context}" not found; existing: {existing}')
    return context, namespaces


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


def _namespaces(documents: Sequence[Mapping[str, Any]]) -> dict[str, str | None]:
    """Context → its namespace, if it has one; of several contexts of one name the first counts."""
    found: dict[str, str | None] = {}
    for document in documents:
        for entry in document.get("contexts") or ():
            if isinstance(entry, dict) and entry.get("name"):
                inside = entry.get("context")
                namespace = inside.get("namespace") if isinstance(inside, dict) else None
                found.setdefault(str(entry["name"]), namespace)
    return found
