"""What the watches know of all platforms and their objects: versions, never contents."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.known_objects import Labels
from pryv_operator.kube.reflector import Change, Reflector
from pryv_operator.kube.resources import (
    CONFIG_MAPS,
    CONTROLLER_REVISIONS,
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    NETWORK_POLICIES,
    PODS,
    PVCS,
    SECRETS,
    SERVICES,
    STATEFUL_SETS,
    Resource,
)
from pryv_operator.kube.work_queue import Key

#: Resources of which only the operator's own objects are followed.
OWNED: Final = (
    PVCS,
    CONTROLLER_REVISIONS,
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    NETWORK_POLICIES,
    PODS,
    SERVICES,
    STATEFUL_SETS,
)
#: Resources of which all objects are followed, as a platform may refer to any of them.
REFERENCED: Final = (CONFIG_MAPS, SECRETS)
#: Of these, what ``kubectl get`` shows is followed too, by its columns.
_COLUMNS: Final[dict[Resource, tuple[str, ...]]] = {
    DEPLOYMENTS: ("Ready", "Up-to-date", "Available"),
    STATEFUL_SETS: ("Ready",),
    PODS: ("Ready", "Status"),
}
_OWNED_SELECTOR: Final = f"{keys.MANAGED_BY}={keys.FIELD_MANAGER}"
#: Those of StatefulSets have the labels of their pods.
_HISTORY_SELECTOR: Final = f"{_OWNED_SELECTOR},{keys.PURPOSE}={keys.HISTORY}"
_SELECTORS: Final[dict[Resource, str | None]] = {
    **dict.fromkeys(OWNED, _OWNED_SELECTOR),
    **dict.fromkeys(REFERENCED),
    CONTROLLER_REVISIONS: _HISTORY_SELECTOR,
}
_KEPT_LABELS: Final = frozenset({keys.MANAGED_BY, keys.PLATFORM})


class Followed:
    """All watches of objects, and the versions of platforms that kopf's watch has seen."""

    def __init__(
        self,
        client: KubeClient,
        namespaces: Collection[str | None],
        notify: Callable[[Change], None],
        platforms_are_current: Callable[[], bool] = lambda: True,
    ) -> None:
        """``namespaces``: None stands for all of them.

        ``platforms_are_current``: whether kopf's watch has been heard lately.
        """
        self.reflectors = [
            Reflector(
                client,
                resource,
                namespace,
                notify,
                selector=_SELECTORS[resource],
                keep_labels=_KEPT_LABELS,
                columns=_COLUMNS.get(resource, ()),
            )
            for namespace in namespaces
            for resource in (*OWNED, *REFERENCED)
        ]
        self._by_resource = {(each.resource, each.namespace): each for each in self.reflectors}
        self._platforms: dict[Key, str] = {}
        self._platforms_are_current = platforms_are_current

    def knows(self, key: Key) -> bool:
        """Whether a platform exists, as far as is known."""
        return key in self._platforms

    def platforms(self) -> list[Key]:
        """All platforms."""
        return [*self._platforms]

    def set_platform(self, key: Key, version: str | None) -> None:
        """A platform was seen in this version; None: it was deleted."""
        if version is None:
            self._platforms.pop(key, None)
        else:
            self._platforms[key] = version

    def correct(self, before: Mapping[Key, str], listed: Mapping[Key, str]) -> list[Key]:
        """Take over a list of all platforms: a watch can lose events, of deletions above all.

        ``before``: ``versions`` before they were listed. What was seen since is newer. Return those
        that differ.
        """
        missed = [
            key
            for key in sorted(before.keys() | listed.keys())
            if self._platforms.get(key) == before.get(key) != listed.get(key)
        ]
        for key in missed:
            self.set_platform(key, listed.get(key))
        return missed

    def versions(self) -> dict[Key, str]:
        """The resourceVersion of each platform, as it was last seen."""
        return dict(self._platforms)

    def platform(self, key: Key) -> str | None:
        """A platform's resourceVersion; None: not known at present."""
        return self._platforms.get(key) if self._platforms_are_current() else None

    def own(self, resource: Resource, key: Key) -> int | None:
        """What stands for a platform's objects of a kind (``known_objects``); None: not known."""
        reflector = self._reflector(resource, key.namespace)
        return reflector.known.sum(key.namespace, own_labels(key.name)) if reflector else None

    def count(self, resource: Resource, key: Key) -> int:
        """How many objects of a kind a platform has, as far as is known."""
        reflector = self._reflector(resource, key.namespace)
        return reflector.known.count(key.namespace, own_labels(key.name)) if reflector else 0

    def one(self, resource: Resource, namespace: str, name: str) -> int | None:
        """The mark of an object, 0 if it does not exist; None: not known.

        Of ``OWNED`` resources, only the operator's objects are known.
        """
        reflector = self._reflector(resource, namespace)
        if reflector is None:
            return None
        known = reflector.known.get(namespace, name)
        return known.mark if known else 0

    def _reflector(self, resource: Resource, namespace: str) -> Reflector | None:
        """The one that follows a resource, if it has a current view of it."""
        found = self._by_resource.get((resource, None)) or self._by_resource.get(
            (resource, namespace)
        )
        return found if found and found.is_current() else None


def own_labels(platform: str) -> Labels:
    """The labels of a platform's objects, as far as they are kept."""
    return tuple(sorted({keys.MANAGED_BY: keys.FIELD_MANAGER, keys.PLATFORM: platform}.items()))


def platform_of(change: Change) -> Key | None:
    """The platform that a changed object belongs to, by its labels."""
    labels = dict(change.labels)
    name = labels.get(keys.PLATFORM)
    if not name or labels.get(keys.MANAGED_BY) != keys.FIELD_MANAGER:
        return None
    return Key(change.namespace, name)
