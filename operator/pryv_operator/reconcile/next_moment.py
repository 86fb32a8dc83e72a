"""The next time at which a platform is to be reconciled because of a certificate. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Final

from pryv_operator.pki.authority import CERTIFICATE_RENEWAL
from pryv_operator.pki.certificate_checks import EXPIRING

#: So long before it expires a certificate is reported, or renewed; and then it is not valid.
_BEFORE_EXPIRY: Final = (CERTIFICATE_RENEWAL, EXPIRING, dt.timedelta())


def next_moment(expiries: Iterable[dt.datetime], now: dt.datetime) -> dt.datetime | None:
    """The first time after now at which something is to be said or done about a certificate."""
    moments = (expiry - before for expiry in expiries for before in _BEFORE_EXPIRY)
    return min((each for each in moments if each > now), default=None)
