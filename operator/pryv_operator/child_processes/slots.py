"""Which namespace computes next: the one that has lately used least; confined ones share a slot."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

#: Less is as good as nothing, and forgotten.
_NEGLIGIBLE_SECONDS: Final = 0.01


class RecentUse:
    """Seconds that each namespace has used, halved again and again. Has no clock."""

    def __init__(self, half_life: float) -> None:
        """``half_life``: seconds after which half of it counts."""
        self._half_life = half_life
        #: Namespace → seconds, and the time at which it was so many.
        self._used: dict[str, tuple[float, float]] = {}

    def of(self, namespace: str, now: float) -> float:
        """What counts of the seconds that a namespace has used."""
        seconds, at = self._used.get(namespace, (0.0, now))
        return seconds * math.exp2((at - now) / self._half_life)

    def add(self, namespace: str, seconds: float, now: float) -> None:
        """Count seconds that a namespace has used until now."""
        current = {name: self.of(name, now) for name in self._used}
        current[namespace] = current.get(namespace, 0.0) + seconds
        self._used = {
            name: (used, now) for name, used in current.items() if used >= _NEGLIGIBLE_SECONDS
        }


@dataclass(eq=False)
class Ticket:
    """A call that waits for a slot, or has one since a time.

    ``confined``: whether it uses the slot of all that are confined.
    """

    namespace: str
    confined: bool = False
    since: float = 0.0


@dataclass
class Slots:
    """Grants slots to calls, one of a namespace at a time, and one of all that are confined.

    So with two slots or more, confined namespaces never hold up the others. Has no clock.
    """

    size: int
    #: For so long a namespace is confined.
    confined_seconds: float
    use: RecentUse
    _waiting: list[Ticket] = field(default_factory=list, init=False)
    _granted: list[Ticket] = field(default_factory=list, init=False)
    #: Namespace → the time until which it is confined.
    _confined: dict[str, float] = field(default_factory=dict, init=False)

    def wait(self, namespace: str, *, confined: bool = False) -> Ticket:
        """Line up for a slot; ``confined``: for the one of all that are confined in any case."""
        ticket = Ticket(namespace, confined)
        self._waiting.append(ticket)
        return ticket

    def grant(self, now: float) -> Ticket | None:
        """The call that gets a slot now, if there is one; of equal ones, that which came first."""
        if len(self._granted) >= self.size:
            return None
        found = min(
            self._eligible(now), key=lambda each: self.use.of(each.namespace, now), default=None
        )
        if found is not None:
            self._waiting.remove(found)
            self._granted.append(found)
            found.confined, found.since = self._shares(found, now), now
        return found

    def leave(self, ticket: Ticket, now: float) -> None:
        """Give back a slot, or wait no longer for one."""
        if ticket in self._waiting:
            self._waiting.remove(ticket)
            return
        self._granted.remove(ticket)
        self.use.add(ticket.namespace, now - ticket.since, now)

    def confine(self, namespace: str, now: float) -> None:
        """From now on, let a namespace share one slot with others like it."""
        self._confined = {name: until for name, until in self._confined.items() if now < until}
        self._confined[namespace] = now + self.confined_seconds

    def is_confined(self, namespace: str, now: float) -> bool:
        """Whether a namespace shares one slot with others."""
        return now < self._confined.get(namespace, 0.0)

    def _eligible(self, now: float) -> Iterator[Ticket]:
        served = {each.namespace for each in self._granted}
        confined_served = any(each.confined for each in self._granted)
        for each in self._waiting:
            if each.namespace not in served and not (confined_served and self._shares(each, now)):
                yield each

    def _shares(self, ticket: Ticket, now: float) -> bool:
        return ticket.confined or self.is_confined(ticket.namespace, now)
