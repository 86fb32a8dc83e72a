"""Fields that another client changes again and again: restored rarely, and reported."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from pryv_operator.api.findings import Advisory
from pryv_operator.api.reasons import Reason
from pryv_operator.live.drift import Drift

#: So many times a field is restored at once; somebody may have edited it manually.
_RESTORED_AT_ONCE: Final = 3
#: From then on it is restored this often only: each time may restart pods.
_PAUSE: Final = dt.timedelta(minutes=5)
#: Without drift for so long, the conflict is over.
_FORGOTTEN: Final = dt.timedelta(minutes=15)


@dataclass(frozen=True)
class _Conflict:
    drift: Drift
    restored: int
    last_restored: dt.datetime
    last_seen: dt.datetime

    @property
    def is_reported(self) -> bool:
        return self.restored >= _RESTORED_AT_ONCE


class FieldConflicts:
    """The drift of one platform's objects that was found by recent reconciliations."""

    def __init__(self) -> None:
        """None yet."""
        self._conflicts: dict[tuple[str, str, str], _Conflict] = {}

    def observe(self, found: Iterable[Drift], now: dt.datetime) -> tuple[Drift, ...]:
        """Record what a reconciliation has found; return the drift that it must not restore."""
        tolerated = []
        for drift in found:
            known = self._conflicts.get(drift.key)
            if known is None or now - known.last_seen >= _FORGOTTEN:
                known = _Conflict(drift, 0, now, now)
            if known.is_reported and now - known.last_restored < _PAUSE:
                tolerated.append(drift)
                after = _Conflict(drift, known.restored, known.last_restored, now)
            else:
                after = _Conflict(drift, known.restored + 1, now, now)
            self._conflicts[drift.key] = after
        self._conflicts = {
            key: each for key, each in self._conflicts.items() if now - each.last_seen < _FORGOTTEN
        }
        return tuple(tolerated)

    @property
    def warnings(self) -> tuple[Advisory, ...]:
        """A warning for each field whose drift has returned again and again."""
        return tuple(
            Advisory(
                Reason.FIELD_CONFLICT,
                f'{each.drift.kind} "{each.drift.name}": field manager "{each.drift.manager}" '
                f"keeps changing {each.drift.field}, which is restored every "
                f"{_PAUSE.seconds // 60} minutes only; configure that client to ignore the object",
            )
            for _, each in sorted(self._conflicts.items())
            if each.is_reported
        )
