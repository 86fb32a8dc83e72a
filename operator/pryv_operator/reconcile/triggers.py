"""What requests a reconciliation: a changed platform, a changed object, the periodic resync."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from typing import Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.kubernetes import Object
from pryv_operator.kube.client import METADATA_LIST, KubeClient
from pryv_operator.kube.errors import ApiError
from pryv_operator.kube.reflector import Change, Reflector
from pryv_operator.kube.resources import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    NETWORK_POLICIES,
    PLATFORMS,
    PODS,
    PVCS,
    SECRETS,
    SERVICES,
    STATEFUL_SETS,
)
from pryv_operator.kube.work_queue import Key, WorkQueue
from pryv_operator.reconcile.reference_index import References

log = logging.getLogger(__name__)

#: Resources of which only the operator's own objects are followed.
_OWNED: Final = (
    PVCS,
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    NETWORK_POLICIES,
    PODS,
    SERVICES,
    STATEFUL_SETS,
)
#: Resources of which all objects are followed, as a platform may refer to any of them.
_REFERENCED: Final = (CONFIG_MAPS, SECRETS)
_OWNED_SELECTOR: Final = f"{keys.MANAGED_BY}={keys.FIELD_MANAGER}"
_KEPT_LABELS: Final = frozenset({keys.MANAGED_BY, keys.PLATFORM})

#: A deleted object is restored soon; several events of one action are still one reconciliation.
_DELETED_SECONDS: Final = 0.1
_CHANGED_SECONDS: Final = 0.3


class Triggers:
    """Puts platforms into the work queue, while ``enabled`` (that is, while this process leads)."""

    def __init__(
        self,
        client: KubeClient,
        queue: WorkQueue,
        references: References,
        namespaces: Collection[str],
        *,
        batch_seconds: float,
        enabled: bool,
    ) -> None:
        """``batch_seconds``: the window in which changes by users become one reconciliation."""
        self._client = client
        self._queue = queue
        self._references = references
        self._namespaces = namespaces or (None,)
        self._batch_seconds = batch_seconds
        self.enabled = enabled
        self.reflectors = [
            Reflector(
                client,
                resource,
                namespace,
                self.on_object_change,
                selector=None if resource in _REFERENCED else _OWNED_SELECTOR,
                keep_labels=_KEPT_LABELS,
            )
            for namespace in self._namespaces
            for resource in (*_OWNED, *_REFERENCED)
        ]

    def on_platform_change(self, key: Key) -> None:
        """A user changed a platform, or deleted it; more changes may follow at once."""
        self._enqueue(key, self._batch_seconds)

    def on_object_change(self, change: Change) -> None:
        """An object changed: enqueue the platform it belongs to, and those that refer to it."""
        platform = change.label(keys.PLATFORM)
        if platform and change.label(keys.MANAGED_BY) == keys.FIELD_MANAGER:
            delay = _DELETED_SECONDS if change.deleted else _CHANGED_SECONDS
            self._enqueue(Key(change.namespace, platform), delay)
        if change.resource in _REFERENCED:
            for key in self._references.platforms(
                change.namespace, change.resource.kind, change.name
            ):
                self._enqueue(key, self._batch_seconds)

    async def resync(self) -> bool:
        """Enqueue every platform; False when they could not be listed."""
        if not self.enabled:
            return True
        try:
            for namespace in self._namespaces:
                for key in await self._client.list_reduced(
                    PLATFORMS, namespace, _key, accept=METADATA_LIST
                ):
                    self._enqueue(key, 0.0)
        except ApiError as error:
            log.warning("listing %s failed: %s", keys.PLURAL, error)
            return False
        return True

    async def resync_forever(self, seconds: float) -> None:
        """Enqueue every platform periodically: a watch can lose events."""
        while True:
            await asyncio.sleep(seconds)
            await self.resync()

    def _enqueue(self, key: Key, delay: float) -> None:
        if self.enabled:
            self._queue.add(key, delay=delay)


def _key(item: Object) -> Key:
    return Key(item["metadata"]["namespace"], item["metadata"]["name"])
