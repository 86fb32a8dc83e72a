"""Restores what a reconciliation leaves in memory, for platforms that need none after a restart.

What the platform itself says is read from it: what it refers to, its conditions. The rest was kept
with its rest.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import replace

from pydantic import ValidationError

from pryv_operator.api.kubernetes import Object
from pryv_operator.api.platform import Platform
from pryv_operator.api.spec import PryvPlatformSpec
from pryv_operator.api.status import PryvPlatformStatus
from pryv_operator.kube.work_queue import Key
from pryv_operator.reconcile.at_rest import KeptRest, fraction
from pryv_operator.reconcile.domains import Domains
from pryv_operator.reconcile.memory import Memory
from pryv_operator.reconcile.next_moment import has_passed, next_moment
from pryv_operator.reconcile.reference_index import References
from pryv_operator.reconcile.references import references_of
from pryv_operator.reconcile.rest_records import decode_facts
from pryv_operator.reconcile.unless_at_rest import longest_rest


class Restoring:
    """Platforms are visited while they are listed; then those that have not moved are at rest."""

    def __init__(
        self,
        kept: Mapping[Key, KeptRest],
        memory: Memory,
        references: References,
        full_resync_seconds: float,
        now: dt.datetime,
    ) -> None:
        """``kept``: what an earlier process has left."""
        self._kept = kept
        self._memory = memory
        self._references = references
        self._full_resync_seconds = full_resync_seconds
        self._now = now
        self._visited: set[Key] = set()

    def visit(self, item: Object) -> None:
        """Take over what the platform itself says."""
        metadata = item["metadata"]
        key = Key(metadata["namespace"], metadata["name"])
        kept = self._kept.get(key)
        if kept is None or metadata.get("deletionTimestamp"):
            return
        try:
            spec = PryvPlatformSpec.model_validate(item["spec"])
            status = PryvPlatformStatus.model_validate(item.get("status") or {})
        except ValidationError:
            return
        platform = Platform(key.name, key.namespace, metadata["uid"], spec)
        self._references.set(key, references_of(platform))
        self._memory.metrics.report(key, status, *decode_facts(kept.rest))
        self._visited.add(key)

    def unknown(self) -> bool:
        """Whether the watch of platforms has yet to show one that was visited."""
        return any(self._memory.followed.platform(key) is None for key in self._visited)

    def finish(self, domains: Domains) -> int:
        """Let those rest that have not moved; return how many. ``domains``: of all platforms."""
        at_rest = {key for key in self._visited if self._restore(key, domains)}
        for key in self._visited - at_rest:
            self._memory.metrics.forget(key)  # a reconciliation reports it
        return len(at_rest)

    def _restore(self, key: Key, domains: Domains) -> bool:
        kept = self._kept[key]
        until = self._until(key, kept.rest.until, self._memory.metrics.expiries(key))
        if until is None or kept.domain != domains.digest(key):
            return False
        return self._memory.at_rest.restore(key, replace(kept.rest, until=until))

    def _until(self, key: Key, until: float, expiries: Collection[dt.datetime]) -> float | None:
        """Until when a platform rests; None: something is due by now.

        Looks that were due meanwhile are spread, or all would follow a long downtime at once. The
        watches have just listed everything.
        """
        now = self._now.timestamp()
        if until <= now:
            if has_passed(expiries, dt.datetime.fromtimestamp(until, dt.UTC), self._now):
                return None
            until = now + fraction(key) * self._full_resync_seconds
        moment = next_moment(expiries, self._now)
        longest = now + longest_rest(self._full_resync_seconds, key)
        return min(until, longest, moment.timestamp() if moment else longest)
