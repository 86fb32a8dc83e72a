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
    resync_seconds: float = 300.0
    #: What specs may use beyond their namespace.
    allowed: frozenset[Privilege] = frozenset()
