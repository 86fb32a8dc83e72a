"""The API server's address and credentials: from a named kubeconfig file, or from the pod."""

from __future__ import annotations

from pathlib import Path

import yaml
from kubernetes.aio import config
from kubernetes.aio.client import Configuration


async def read_kubeconfig(path: Path, context: str | None = None) -> Configuration:
    """Read credentials from a kubeconfig file.

    ``context`` may be None only when the file has a single one: the operator never takes the
    current context of several.

    Raises:
        ConfigException: the file is not a valid kubeconfig, or the context is ambiguous. Its
            message never quotes the file's content.
    """
    with path.open("rb") as file:
        content = file.read()
    configuration = Configuration()
    try:
        document = yaml.safe_load(content.decode())
        contexts = sorted(str(each["name"]) for each in document.get("contexts") or ())
        if context is None and len(contexts) > 1:
            raise config.ConfigException(
                f"{path}: several contexts: {', '.join(contexts)}; name one with --context"
            )
        # Relative paths in the file are resolved against its own folder.
        await config.load_kube_config(
            config_file=str(path),
            context=context,
            client_configuration=configuration,
            persist_config=False,
        )
    except (AttributeError, KeyError, TypeError, ValueError, yaml.YAMLError):
        # The library's messages may quote a token.
        raise config.ConfigException(
            f"{path}: not a valid kubeconfig: its context, cluster or user is missing or malformed"
        ) from None
    return configuration


def read_in_cluster() -> Configuration:
    """Read the credentials of the pod's ServiceAccount.

    Raises:
        ConfigException: this process does not run in a pod.
    """
    configuration = Configuration()
    config.load_incluster_config(client_configuration=configuration)
    return configuration
