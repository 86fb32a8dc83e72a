"""Whether the public hosts that received templates name can be resolved in this cluster: nginx does not start where not."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from typing import Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names
from pryv_operator.api.kubernetes import Object
from pryv_operator.live.health import is_ready
from pryv_operator.live.live_objects import LiveObjects
from pryv_operator.objects import host_aliases
from pryv_operator.templates.bundle import Bundle

_TIMEOUT: Final = 5.0
_PROXY: Final = names.slug("reverse_proxy")


async def unresolved(bundle: Bundle, observed: LiveObjects) -> frozenset[str]:
    """The hosts that get an alias.

    Proxies that run without one keep doing so, whatever the cluster's DNS says for a moment: an alias would restart them.
    """
    wanted = host_aliases.public_upstreams(
        content.decode("utf-8", "replace")
        for files in bundle.roles.values()
        for path, content in files.items()
        if path.endswith(".conf")
    )
    if not wanted or _run_without_alias(observed):
        return frozenset()
    answers = await asyncio.gather(*(_is_known(host) for host in sorted(wanted)))
    return frozenset(host for host, known in zip(sorted(wanted), answers, strict=True) if not known)


def _run_without_alias(observed: LiveObjects) -> bool:
    proxies = [
        item
        for item in observed.of_kind("Deployment")
        if item["metadata"]["labels"].get(keys.COMPONENT) == _PROXY
    ]
    return (
        bool(proxies)
        and all(map(is_ready, proxies))
        and not any(_leads_nowhere(item, observed) for item in proxies)
    )


def _leads_nowhere(proxy: Object, observed: LiveObjects) -> bool:
    """By an alias, or by the hosts file that it mounts instead."""
    spec = proxy["spec"]["template"]["spec"]
    if any(alias["ip"] == host_aliases.UNREACHABLE for alias in spec.get("hostAliases") or ()):
        return True
    return any(
        host_aliases.UNREACHABLE in text
        for name in _config_maps(spec)
        for text in _texts(observed.get("ConfigMap", name))
    )


def _config_maps(spec: Object) -> Iterable[str]:
    for volume in spec.get("volumes") or ():
        for source in (volume.get("projected") or {}).get("sources") or ():
            if source.get("configMap"):
                yield source["configMap"]["name"]


def _texts(item: Object | None) -> Iterable[str]:
    return ((item or {}).get("data") or {}).values()


async def _is_known(host: str) -> bool:
    try:
        async with asyncio.timeout(_TIMEOUT):
            await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError):
        return False
    return True
