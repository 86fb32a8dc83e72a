"""The API server's address and credentials: from a kubeconfig, or from the pod.

Users who authenticate with a program (``exec``) or an ``auth-provider`` are left to the Kubernetes
client library. It is imported for them only.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from pryv_operator.kube.connection import (
    Authorization,
    Connection,
    CredentialsError,
    Pem,
    TokenFile,
    anonymous,
)

_SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
#: Keys of a user that the client library knows how to use.
_PROGRAMS: Final = frozenset({"exec", "auth-provider"})


async def read_kubeconfig(path: Path, context: str | None = None) -> Connection:
    """Read credentials from a kubeconfig file.

    ``context`` may be None only when the file has a single one: the operator never takes the
    current context of several.

    Raises:
        CredentialsError: the file is not a valid kubeconfig, or the context is ambiguous.
        OSError: a file cannot be read.
    """
    with path.open("rb") as file:
        content = file.read()
    try:
        document = yaml.safe_load(content.decode())
        contexts = _entries(document, "contexts", "context")
        chosen = contexts[_choose(contexts, context, path)]
        cluster = _entries(document, "clusters", "cluster")[chosen["cluster"]]
        users = _entries(document, "users", "user")
        user = users[chosen["user"]] if chosen.get("user") else {}
        # Relative paths in the file are resolved against its own folder.
        return await connection_of(cluster, user or {}, path.parent.absolute())
    except (AttributeError, KeyError, TypeError, ValueError, yaml.YAMLError):
        # Their messages may quote a token.
        raise CredentialsError(
            f"{path}: not a valid kubeconfig: its context, cluster or user is missing or malformed"
        ) from None


def _entries(document: Any, kind: str, inside: str) -> dict[str, Any]:
    """The entries of a list of a kubeconfig by name; the first one of a name counts."""
    found: dict[str, Any] = {}
    for each in document.get(kind) or ():
        found.setdefault(str(each["name"]), each.get(inside))
    return found


def _choose(contexts: Mapping[str, Any], requested: str | None, path: Path) -> str:
    listed = ", ".join(sorted(contexts))
    if requested is not None:
        if requested not in contexts:
            raise CredentialsError(
                f'{path}: context "{requested}" not found; existing: {listed or "none"}'
            )
        return requested
    if len(contexts) > 1:
        raise CredentialsError(f"{path}: several contexts: {listed}; name one with --context")
    (only,) = contexts
    return only


async def connection_of(
    cluster: Mapping[str, Any], user: Mapping[str, Any], folder: Path
) -> Connection:
    """The connection that a cluster and a user of a kubeconfig describe.

    ``folder``: what relative paths are relative to.

    Raises:
        CredentialsError: a file that is referred to is empty, or a program gave no credentials.
        KeyError, TypeError, ValueError: the kubeconfig is malformed; the message may quote it.
        OSError: a file cannot be read.
    """
    if _PROGRAMS & user.keys():
        return await _library_connection(cluster, user, folder)
    return Connection(
        host=cluster["server"].rstrip("/"),
        authority=_pem(cluster, "certificate-authority", folder),
        certificate=_pem(user, "client-certificate", folder),
        key=_pem(user, "client-key", folder),
        verify=not cluster.get("insecure-skip-tls-verify", False),
        server_name=cluster.get("tls-server-name"),
        proxy=cluster.get("proxy-url"),
        authorization=_authorization(user, folder),
    )


def _pem(entry: Mapping[str, Any], key: str, folder: Path) -> Pem | None:
    """What a field refers to, or what is beside it as ``…-data``, which counts if both are set."""
    if f"{key}-data" in entry:
        data = entry[f"{key}-data"]
        return base64.standard_b64decode(data) if data else None
    return folder / entry[key] if key in entry else None


def _authorization(user: Mapping[str, Any], folder: Path) -> Authorization:
    if "token" in user:
        token = user["token"]
        if token:
            header = f"Bearer {token}"
            return lambda: header
    elif "tokenFile" in user:
        return TokenFile(folder / user["tokenFile"])
    if "username" in user and "password" in user:
        pair = f"{user['username']}:{user['password']}"
        basic = "Basic " + base64.b64encode(pair.encode()).decode()
        return lambda: basic
    return anonymous


async def _library_connection(
    cluster: Mapping[str, Any], user: Mapping[str, Any], folder: Path
) -> Connection:
    """What the Kubernetes client library makes of a user who authenticates with a program."""
    from kubernetes.aio import config  # noqa: PLC0415 - 22 MiB that hardly anybody needs
    from kubernetes.aio.client import Configuration  # noqa: PLC0415

    configuration = Configuration()
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "chosen",
        "contexts": [{"name": "chosen", "context": {"cluster": "chosen", "user": "chosen"}}],
        "clusters": [{"name": "chosen", "cluster": _absolute(cluster, folder)}],
        "users": [{"name": "chosen", "user": _absolute(user, folder)}],
    }
    try:
        await config.load_kube_config_from_dict(document, client_configuration=configuration)
    except config.ConfigException:
        raise ValueError from None  # its message may quote a token
    if not configuration.api_key and not configuration.cert_file:
        raise CredentialsError("the program that authenticates the user gave no credentials")
    return Connection(
        host=configuration.host,
        authority=_path(configuration.ssl_ca_cert),
        certificate=_path(configuration.cert_file),
        key=_path(configuration.key_file),
        verify=configuration.verify_ssl,
        server_name=configuration.tls_server_name,
        proxy=configuration.proxy,
        authorization=lambda: configuration.api_key.get("BearerToken"),
    )


def _absolute(entry: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """An entry of a kubeconfig with absolute paths."""
    paths = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
    return {
        key: str(folder / value) if key in paths and isinstance(value, str) and value else value
        for key, value in entry.items()
    }


def _path(path: str | None) -> Path | None:
    return Path(path) if path else None


def read_in_cluster(
    environment: Mapping[str, str] = os.environ, folder: Path = _SERVICE_ACCOUNT
) -> Connection:
    """Read the credentials of the pod's ServiceAccount.

    Raises:
        CredentialsError: this process does not run in a pod.
        OSError: a file cannot be read.
    """
    host = environment.get("KUBERNETES_SERVICE_HOST")
    port = environment.get("KUBERNETES_SERVICE_PORT")
    if not host or not port:
        raise CredentialsError(
            "KUBERNETES_SERVICE_HOST or KUBERNETES_SERVICE_PORT is not set; "
            "--in-cluster works in a pod only"
        )
    token, authority = folder / "token", folder / "ca.crt"
    for file in (token, authority):
        if not file.is_file():
            raise CredentialsError(f"{file}: file not found; --in-cluster works in a pod only")
    where = f"[{host}]" if ":" in host else host
    return Connection(
        f"https://{where}:{port}", authority=authority, authorization=TokenFile(token)
    )
