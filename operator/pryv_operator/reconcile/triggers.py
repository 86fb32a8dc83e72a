"""What requests a reconciliation: a changed platform, a changed object, the periodic resync."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection
from functools import partial
from typing import Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.kubernetes import Object
from pryv_operator.kube.client import METADATA_LIST, KubeClient
from pryv_operator.kube.errors import ApiError
from pryv_operator.kube.reflector import Change
from pryv_operator.kube.resources import PLATFORMS
from pryv_operator.kube.work_queue import Key, Priority, WorkQueue
from pryv_operator.reconcile.at_rest import fraction
from pryv_operator.reconcile.followed import REFERENCED, Followed, platform_of
from pryv_operator.reconcile.meanwhile import Meanwhile
from pryv_operator.reconcile.reference_index import References
from pryv_operator.reconcile.wake import Progress

log = logging.getLogger(__name__)

#: Platforms are listed again after so many resyncs: a watch can lose the event of a new one.
_RESYNCS_PER_LIST: Final = 12


class Triggers:
    """Puts platforms into the work queue, while ``enabled`` (that is, while this process leads)."""

    def __init__(
        self,
        client: KubeClient,
        queue: WorkQueue,
        references: References,
        followed: Followed,
        namespaces: Collection[str],
        *,
        batch_seconds: float,
        enabled: bool,
        has_seen: Callable[[Key, Change], bool] = lambda *_: False,
        meanwhile: Meanwhile | None = None,
    ) -> None:
        """Follow nothing yet.

        Args:
            client: to list platforms with.
            queue: what is filled.
            references: which platforms refer to an object.
            followed: what the watches know.
            namespaces: those of the platforms; empty: all of them.
            batch_seconds: the window in which changes by users become one reconciliation.
            enabled: whether this process leads.
            has_seen: whether a reconciliation knows a changed object of its platform already.
            meanwhile: holds what changes during a reconciliation.
        """
        self._client = client
        self._queue = queue
        self._references = references
        self._followed = followed
        self._namespaces = namespaces or (None,)
        self._batch_seconds = batch_seconds
        self._progress = Progress()
        self._has_seen = has_seen
        self._meanwhile = meanwhile or Meanwhile()
        self.enabled = enabled

    def on_platform_change(self, key: Key) -> None:
        """A user changed a platform, or deleted it; more changes may follow at once."""
        self._enqueue(key, self._batch_seconds, Priority.CHANGE)

    def on_object_change(self, change: Change) -> None:
        """An object changed: enqueue the platform it belongs to, and those that refer to it.

        Anybody may write labels of platforms that do not exist: they cost no request. Once one
        exists, its own event comes.
        """
        if key := platform_of(change):
            delay = self._progress.wake_after(key, change)
            is_known = self._has_seen(key, change) or self._holds(key, change, delay)
            if self._followed.knows(key) and not is_known:
                self._enqueue(key, delay, Priority.EVENT)
        if change.resource in REFERENCED:
            referring = self._references.platforms(
                change.namespace, change.resource.kind, change.name
            )
            # For its only user, it is a change like one of the platform itself.
            priority = Priority.CHANGE if len(referring) == 1 else Priority.FAN_OUT
            for each in referring:
                self._enqueue(each, self._batch_seconds, priority)

    def on_reconciled(self, key: Key) -> None:
        """A reconciliation has ended: enqueue its platform if others have changed an object."""
        self._meanwhile.drop(key, partial(self._has_seen, key))
        due = self._meanwhile.end(key)
        if due is not None and self._followed.knows(key):
            delay = due - time.monotonic()
            self._enqueue(key, max(0.0, delay), Priority.EVENT)

    async def list_platforms(self) -> bool:
        """Enqueue every platform of the API server; False when they could not be listed."""
        return not self.enabled or await self._list(only_missed=False)

    async def _list(self, *, only_missed: bool) -> bool:
        """Enqueue all platforms, or those of which the watch has missed something.

        Those that do not exist any more are among them: what is known of them is forgotten.
        """
        before, listed = self._followed.versions(), dict[Key, str]()
        try:
            for namespace in self._namespaces:
                listed.update(
                    await self._client.list_reduced(
                        PLATFORMS, namespace, _version, accept=METADATA_LIST
                    )
                )
        except ApiError as error:
            log.warning("listing %s failed: %s", keys.PLURAL, error)
            return False
        missed = self._followed.correct(before, listed)
        for key in missed if only_missed else dict.fromkeys((*listed, *before)):
            self._enqueue(key, 0.0, Priority.RESYNC)
        return True

    async def resync_forever(self, seconds: float) -> None:
        """Enqueue every platform that is known, spread over the period; list them now and then."""
        resyncs = 0
        while True:
            for key in self._followed.platforms():
                self._enqueue(key, fraction(key) * seconds, Priority.RESYNC)
            await asyncio.sleep(seconds)
            resyncs += 1
            if self.enabled and resyncs % _RESYNCS_PER_LIST == 0:
                await self._list(only_missed=True)

    def _holds(self, key: Key, change: Change, delay: float) -> bool:
        """Whether the end of the reconciliation under way decides about a change."""
        due = time.monotonic() + delay
        return self._meanwhile.hold(key, change, due)

    def _enqueue(self, key: Key, delay: float, priority: Priority) -> None:
        if self.enabled:
            self._queue.add(key, delay=delay, priority=priority)


def _version(item: Object) -> tuple[Key, str]:
    metadata = item["metadata"]
    return Key(metadata["namespace"], metadata["name"]), metadata["resourceVersion"]
