"""Public hosts that templates name and this cluster's DNS does not resolve.

nginx does not start when the host of an upstream cannot be resolved, so such hosts get an alias.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable, Sequence
from typing import Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names
from pryv_operator.api.kubernetes import Object
from pryv_operator.live.health import is_ready
from pryv_operator.live.live_objects import LiveObjects
from pryv_operator.objects import host_aliases
from pryv_operator.objects.upstreams import public_upstreams
from pryv_operator.templates.bundle import Bundle

_TIMEOUT_SECONDS: Final = 5.0
_PROXY: Final = names.slug("reverse_proxy")


def public_hosts(bundle: Bundle) -> tuple[str, ...]:
    """The public hosts that templates name. Pure."""
    return tuple(
        sorted(
            public_upstreams(
                content.decode("utf-8", "replace")
                for files in bundle.roles.values()
                for path, content in files.items()
                if path.endswith(".conf")
            )
        )
    )


async def unresolved_hosts(hosts: Sequence[str], live: LiveObjects) -> frozenset[str]:
    """Those of the public hosts that need an alias.

    Ready proxies without an alias keep running without it, whatever the DNS answers now: an alias
    would restart them.
    """
    if not hosts or _run_without_alias(live):
        return frozenset()
    answers = await asyncio.gather(*(_resolves(host) for host in hosts))
    return frozenset(host for host, resolves in zip(hosts, answers, strict=True) if not resolves)


def _run_without_alias(live: LiveObjects) -> bool:
    proxies = [
        item
        for item in live.of_kind("Deployment")
        if item["metadata"]["labels"].get(keys.COMPONENT) == _PROXY
    ]
    return (
        bool(proxies)
        and all(is_ready(item, expects_pods=_has_replicas(item)) for item in proxies)
        and not any(_has_alias(item, live) for item in proxies)
    )


def _has_replicas(proxy: Object) -> bool:
    return bool(proxy["spec"].get("replicas", 1))


def _has_alias(proxy: Object, live: LiveObjects) -> bool:
    """Whether a public host has the alias, in ``hostAliases`` or in a mounted hosts file."""
    spec = proxy["spec"]["template"]["spec"]
    if any(alias["ip"] == host_aliases.UNREACHABLE for alias in spec.get("hostAliases") or ()):
        return True
    return any(
        host_aliases.UNREACHABLE in text
        for name in _config_maps(spec)
        for text in ((live.get("ConfigMap", name) or {}).get("data") or {}).values()
    )


def _config_maps(spec: Object) -> Iterable[str]:
    for volume in spec.get("volumes") or ():
        for source in (volume.get("projected") or {}).get("sources") or ():
            if source.get("configMap"):
                yield source["configMap"]["name"]


async def _resolves(host: str) -> bool:
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError):
        return False
    return True
