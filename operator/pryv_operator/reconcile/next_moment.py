"""The next time at which a platform is to be reconciled because of a certificate. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Final

from pryv_operator.pki.lifetimes import CERTIFICATE_RENEWAL, EXPIRING

#: So long before it expires a certificate is reported, or renewed; and then it is not valid.
_BEFORE_EXPIRY: Final = (CERTIFICATE_RENEWAL, EXPIRING, dt.timedelta())


def next_moment(expiries: Iterable[dt.datetime], now: dt.datetime) -> dt.datetime | None:
    """The first time after now at which something is to be said or done about a certificate."""
    return min((each for each in _moments(expiries) if each > now), default=None)


def has_passed(expiries: Iterable[dt.datetime], since: dt.datetime, now: dt.datetime) -> bool:
    """Whether there was something to say or to do about a certificate from a time until now."""
    return any(since <= each <= now for each in _moments(expiries))


def _moments(expiries: Iterable[dt.datetime]) -> Iterator[dt.datetime]:
    return (expiry - before for expiry in expiries for before in _BEFORE_EXPIRY)
