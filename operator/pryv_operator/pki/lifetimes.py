"""How long before it expires something is due about a certificate. It needs no cryptography."""

from __future__ import annotations

import datetime as dt
from typing import Final

#: One that the operator has issued is renewed so long before it expires.
CERTIFICATE_RENEWAL: Final = dt.timedelta(days=30)
#: One that expires within this time is reported.
EXPIRING: Final = dt.timedelta(days=14)
