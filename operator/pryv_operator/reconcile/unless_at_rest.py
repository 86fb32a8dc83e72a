"""Reconciles only what is not at rest. It comes before all that a reconciliation needs."""

from __future__ import annotations

import time
from collections.abc import Callable

from pryv_operator.kube import metrics
from pryv_operator.kube.work_queue import Key, Reconcile
from pryv_operator.reconcile.at_rest import AtRest, fraction
from pryv_operator.reconcile.settings import Settings


class UnlessAtRest:
    """Reconciles a platform, unless nothing of it has moved since its last reconciliation."""

    def __init__(
        self,
        reconcile: Reconcile,
        at_rest: AtRest,
        settings: Settings,
        now: Callable[[], float] = time.time,
    ) -> None:
        """``now``: seconds since 1970."""
        self._reconcile = reconcile
        self._at_rest = at_rest
        self._settings = settings
        self._now = now

    async def __call__(self, key: Key) -> float | None:
        """Reconcile a platform if it is to be; return seconds until it is requeued."""
        now = self._now()
        until = self._at_rest.until(key, now)
        if until is None:
            return await self._reconcile(key)
        metrics.UNCHANGED.inc()
        return min(resync_seconds(self._settings, key), until - now)


def longest_rest(full_resync_seconds: float, key: Key) -> float:
    """Seconds after which everything is read again, spread over the platforms."""
    return full_resync_seconds * (0.75 + 0.5 * fraction(key))


def resync_seconds(settings: Settings, key: Key) -> float:
    """Not equal for all, so that platforms which started together do not stay together."""
    seconds = min(settings.resync_seconds, settings.full_resync_seconds)
    return seconds * (0.9 + 0.2 * fraction(key))
