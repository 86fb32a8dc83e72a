"""The cluster that a person's kubectl talks to. Only for their tools: the operator itself never takes an implicit context."""

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
    """The kubeconfig cannot be used. The message names files and contexts, and never quotes a credential."""


@dataclass(frozen=True)
class Target:
    """Where a person points a command at, with kubectl's own options; None: what kubectl would take."""

    namespace: str | None = None
    kubeconfig: Path | None = None
    context: str | None = None


@asynccontextmanager
async def connected(
    target: Target, environment: Mapping[str, str] = os.environ
) -> AsyncIterator[tuple[KubeClient, str]]:
    """A client with the person's own credentials, and the namespace that is meant.

    Raises:
        KubeconfigError: the kubeconfig cannot be used.
    """
    files = kubeconfig_files(target.kubeconfig, environment)
    where = os.pathsep.join(map(str, files))
    documents = [_document(file) for file in files]
    context = target.context or next(
        (str(each["current-context"]) for each in documents if each.get("current-context")), None
    )
    if context is None:
        raise KubeconfigError(f"{where}: there is no current context: say which with --context")
    there = _contexts(documents)
    if context not in there:
        raise KubeconfigError(
            f"{where}: there is no context {context}; there are: {', '.join(sorted(there)) or 'none'}"
        )
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
        # What the library says of a malformed file may quote a token, and it looks into files without checking them.
        wrong = "its cluster or user is missing or malformed, or names a file that is not there"
        raise KubeconfigError(f"{where}: context {context} cannot be used: {wrong}") from None
    async with client:
        yield client, target.namespace or there[context] or _DEFAULT_NAMESPACE


def kubeconfig_files(wanted: Path | None, environment: Mapping[str, str]) -> list[Path]:
    """The files that kubectl would read.

    Raises:
        KubeconfigError: none is there.
    """
    if wanted:
        files = [wanted]
    elif environment.get("KUBECONFIG"):
        files = [Path(each) for each in environment["KUBECONFIG"].split(os.pathsep) if each]
    else:
        files = [Path(environment.get("HOME") or Path.home()) / _DEFAULT_FILE]
    there = [file for file in files if file.is_file()]
    if not there:
        raise KubeconfigError(
            f"there is no kubeconfig at {os.pathsep.join(map(str, files))}: name one with --kubeconfig or KUBECONFIG"
        )
    return there


def _document(file: Path) -> Mapping[str, Any]:
    try:
        found = yaml.safe_load(file.read_text())
    except OSError as error:
        raise KubeconfigError(f"{file}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise KubeconfigError(f"{file}: it is no YAML") from None
    if not isinstance(found, dict):
        raise KubeconfigError(f"{file}: it is no kubeconfig")
    return found


def _contexts(documents: Sequence[Mapping[str, Any]]) -> dict[str, str | None]:
    """Context → its namespace, if it says one; of several of a name, the first counts."""
    found: dict[str, str | None] = {}
    for document in documents:
        for entry in document.get("contexts") or ():
            if isinstance(entry, dict) and entry.get("name"):
                inside = entry.get("context")
                namespace = inside.get("namespace") if isinstance(inside, dict) else None
                found.setdefault(str(entry["name"]), namespace)
    return found
