"""The events of a platform and of what belongs to it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from pryv_operator.api.kubernetes import Object
from pryv_operator.cli.output import RED, age, columns, paint, parse_time

#: Objects whose names begin with that of the workload that made them.
_MADE: Final = ("Pod", "ReplicaSet")


@dataclass(frozen=True)
class Event:
    """Equal events of an object, as one. ``names``: of the objects of events.k8s.io."""

    type: str
    reason: str
    kind: str
    object: str
    note: str
    count: int
    first: datetime
    last: datetime
    reported_by: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class EventList:
    """Events in the order of their last occurrence; ages are as of ``now``."""

    items: tuple[Event, ...]
    now: datetime

    def table(self, *, wide: bool) -> str:
        """A line for each event; wide: with how often and since when, and who reported it."""
        header = ("LAST SEEN", "TYPE", "REASON", "OBJECT")
        more = ("COUNT", "FIRST SEEN", "REPORTED BY") if wide else ()
        rows = [
            (
                age(each.last, self.now),
                each.type,
                each.reason,
                f"{each.kind.lower()}/{each.object}",
                *((str(each.count), age(each.first, self.now), each.reported_by) if wide else ()),
                each.note + (f" (x{each.count})" if each.count > 1 and not wide else ""),
            )
            for each in self.items
        ]
        lines = columns((*header, *more, "MESSAGE"), rows).splitlines(keepends=True)
        warns = [False, *(each.type == "Warning" for each in self.items)]
        return "".join(
            paint(line, RED) if warning else line
            for line, warning in zip(lines, warns, strict=True)
        )

    def names(self) -> list[str]:
        """The events."""
        return [f"event.events.k8s.io/{name}" for each in self.items for name in each.names]


def platform_events(
    events: Iterable[Object], objects: Collection[tuple[str, str]], now: datetime
) -> EventList:
    """The events about objects, equal ones merged, the newest last.

    Args:
        events: events.k8s.io of the namespace.
        objects: kind and name of the platform, and of all that belongs to it. Events of pods and
            ReplicaSets of its workloads count also when these do not exist any more.
        now: what ages are computed from.
    """
    prefixes = tuple(f"{name}-" for kind, name in objects if kind in ("Deployment", "StatefulSet"))
    merged: dict[tuple[str, ...], Event] = {}
    for item in events:
        event = _event(item)
        made = event.kind in _MADE and event.object.startswith(prefixes)
        if not made and (event.kind, event.object) not in objects:
            continue
        key = (event.type, event.reason, event.kind, event.object, event.note)
        merged[key] = _merged(merged[key], event) if key in merged else event
    ordered = sorted(merged.values(), key=lambda each: (each.last, each.kind, each.object))
    return EventList(tuple(ordered), now)


def _merged(one: Event, other: Event) -> Event:
    return replace(
        one,
        count=one.count + other.count,
        first=min(one.first, other.first),
        last=max(one.last, other.last),
        names=tuple(sorted({*one.names, *other.names})),
    )


def _event(item: Object) -> Event:
    regarding: Mapping[str, Any] = item.get("regarding") or {}
    series: Mapping[str, Any] = item.get("series") or {}
    created = item["metadata"]["creationTimestamp"]
    first = item.get("eventTime") or item.get("deprecatedFirstTimestamp") or created
    last = series.get("lastObservedTime") or item.get("deprecatedLastTimestamp") or first
    source: Mapping[str, Any] = item.get("deprecatedSource") or {}
    return Event(
        type=str(item.get("type") or "Normal"),
        reason=str(item.get("reason") or ""),
        kind=str(regarding.get("kind") or ""),
        object=str(regarding.get("name") or ""),
        note=" ".join(str(item.get("note") or "").split()),
        count=int(series.get("count") or item.get("deprecatedCount") or 1),
        first=parse_time(first),
        last=parse_time(last),
        reported_by=str(item.get("reportingController") or source.get("component") or ""),
        names=(item["metadata"]["name"],),
    )


def belonging(platform: str, listed: Mapping[str, Sequence[Object]]) -> set[tuple[str, str]]:
    """Kind and name of a platform and of the objects that were listed by its labels, by kind."""
    found = {(kind, item["metadata"]["name"]) for kind, items in listed.items() for item in items}
    return {("PryvPlatform", platform), *found}
