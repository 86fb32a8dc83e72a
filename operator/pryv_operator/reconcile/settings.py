"""What the process knows of reconciliations before it loads what reconciles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pryv_operator.api.privileges import Privilege
from pryv_operator.kube.errors import ApiError

#: Exceptions after which a reconciliation is retried.
RETRYABLE: Final = ApiError


@dataclass(frozen=True)
class Settings:
    """What the operator is started with."""

    cluster_dns: str
    #: Every platform is checked so often for whether anything has moved.
    resync_seconds: float = 300.0
    #: About so often everything of it is read, whether anything has moved or not.
    full_resync_seconds: float = 14400.0
    #: What specs may use beyond their namespace.
    allowed: frozenset[Privilege] = frozenset()
