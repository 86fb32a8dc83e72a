"""What metrics say of a platform beyond its status, as compact text: it is kept for each platform.

A restarted process reports it for platforms at rest, which it need not reconcile.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pryv_operator.reconcile.platform_metrics import CertificateExpiry, Observed


def encode_facts(observed: Observed, certificates: Iterable[CertificateExpiry]) -> bytes:
    """JSON: components, the rollout, certificates; ``rest_records`` reads it."""
    rollout = observed.rollout
    return json.dumps(
        [
            [
                [each.role, each.instance, each.component, each.desired, each.ready]
                for each in observed.components
            ],
            rollout and [rollout.began and rollout.began.isoformat(), rollout.step, rollout.steps],
            [[each.role, each.secret, each.at.isoformat()] for each in certificates],
        ],
        separators=(",", ":"),
    ).encode()
