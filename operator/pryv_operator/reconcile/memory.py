"""What the process remembers from one reconciliation to the next, and what the watches know."""

from __future__ import annotations

from functools import partial

from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.reflector import Change
from pryv_operator.kube.work_queue import Key
from pryv_operator.reconcile.at_rest import AtRest
from pryv_operator.reconcile.followed import Followed
from pryv_operator.reconcile.meanwhile import Meanwhile
from pryv_operator.reconcile.platform_client import PlatformClient
from pryv_operator.reconcile.platform_metrics import PlatformMetrics
from pryv_operator.reconcile.remembered import RememberedLists, UnservedResources


class Memory:
    """Nothing depends on it: without it, everything is read again."""

    def __init__(self, followed: Followed) -> None:
        """Nothing is remembered yet. ``followed``: what the watches know."""
        self.followed = followed
        self.at_rest = AtRest(followed)
        self.metrics = PlatformMetrics()
        self.meanwhile = Meanwhile()
        self._lists = RememberedLists()
        self._unserved = UnservedResources()

    def client(self, client: KubeClient, key: Key) -> PlatformClient:
        """A client for one reconciliation of a platform."""
        return PlatformClient(client, key, self.followed, self._lists, self._unserved)

    def has_seen(self, key: Key, change: Change) -> bool:
        """Whether a changed object is as a reconciliation has just read, or written, it."""
        name = change.resource.plural, change.name
        return not change.deleted and self._lists.knows(key, *name, change.mark)

    def forget(self, key: Key) -> None:
        """Remember nothing of a platform."""
        self.at_rest.forget(key)
        self.metrics.forget(key)
        self.forget_lists(key)

    def forget_lists(self, key: Key) -> None:
        """Drop what is remembered of a platform's objects.

        What is known by now of changes would not be known any more.
        """
        self.meanwhile.drop(key, partial(self.has_seen, key))
        self._lists.forget(key)
