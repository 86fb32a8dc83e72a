"""Which platforms have which domain: clients can reach only one of several with the same."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from pryv_operator.api.findings import Advisory
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.reasons import Reason
from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.resources import PLATFORMS
from pryv_operator.kube.work_queue import Key

if TYPE_CHECKING:  # a standby keeps the index, and needs no model of the spec
    from pryv_operator.api.platform import Platform


class Domains:
    """The domains of the platforms that this operator watches."""

    def __init__(self, notify: Callable[[Key], None]) -> None:
        """Empty. ``notify``: called with a platform that now shares its domain, or does no more."""
        self._notify = notify
        self._domains: dict[Key, str] = {}
        self._platforms: dict[str, set[Key]] = {}
        self._digests: dict[str, str] = {}

    def set(self, key: Key, domain: str | None) -> None:
        """Set a platform's domain (None: deleted).

        If it differs, the other platforms with the former or the new one are notified.
        """
        before = self._domains.pop(key, None)
        if before != domain:
            self._digests.pop(before or "", None)
            self._digests.pop(domain or "", None)
        if before is not None:
            self._platforms[before].discard(key)
            if not self._platforms[before]:
                del self._platforms[before]
        if domain is not None:
            self._domains[key] = domain
            self._platforms.setdefault(domain, set()).add(key)
        if before != domain:
            for each in sorted(self._with(before) | self._with(domain) - {key}):
                self._notify(each)

    def sharing(self, key: Key) -> frozenset[Key]:
        """The other platforms with a platform's domain."""
        return self._with(self._domains.get(key)) - {key}

    def digest(self, key: Key) -> str:
        """What stands for all platforms with a platform's domain, itself included."""
        domain = self._domains.get(key, "")
        if domain not in self._digests:
            names = "\0".join(sorted("/".join(each) for each in self._with(domain)))
            self._digests[domain] = hashlib.blake2b(names.encode(), digest_size=16).hexdigest()
        return self._digests[domain]

    def known(self) -> frozenset[Key]:
        """All platforms whose domain is known."""
        return frozenset(self._domains)

    def _with(self, domain: str | None) -> frozenset[Key]:
        return frozenset() if domain is None else frozenset(self._platforms.get(domain, ()))


async def list_domains(
    client: KubeClient,
    namespaces: Iterable[str | None],
    visit: Callable[[Object], None] = lambda _: None,
) -> dict[Key, str]:
    """Platform → its domain. ``visit`` is called with each platform, of which nothing is kept.

    Raises:
        ApiError: platforms could not be listed.
    """

    def domain_of(item: Object) -> tuple[Key, str]:
        visit(item)
        metadata = item["metadata"]
        return Key(metadata["namespace"], metadata["name"]), item["spec"]["domain"]

    found: dict[Key, str] = {}
    for namespace in namespaces:
        found.update(await client.list_reduced(PLATFORMS, namespace, domain_of))
    return found


def shared_domain_warnings(platform: Platform, sharing: frozenset[Key]) -> tuple[Advisory, ...]:
    """A warning for each other platform with the same domain.

    One in another namespace is not named: its namespace may belong to another tenant.
    """
    mine = sorted(key.name for key in sharing if key.namespace == platform.namespace)
    others = [f'platform "{name}"' for name in mine]
    if len(mine) < len(sharing):
        others.append("a platform in another namespace")
    return tuple(
        Advisory(
            Reason.DOMAIN_IN_USE,
            f'spec.domain: "{platform.spec.domain}" is the domain of {other} too; '
            "clients reach only one of them, so change or delete the other",
        )
        for other in others
    )
