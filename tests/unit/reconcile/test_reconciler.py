"""What is counted of a reconciliation."""

from __future__ import annotations

from typing import Any

import pytest

from pryv_operator.kube.errors import UnavailableError
from pryv_operator.kube.metrics import REGISTRY
from pryv_operator.kube.work_queue import Key
from pryv_operator.reconcile.reconciler import Reconciler, Settings
from pryv_operator.reconcile.references import References


class Unreachable:
    """An API server that never answers."""

    async def get(self, *_: Any, **__: Any) -> None:
        raise UnavailableError(0, "Timeout", "no answer")


def failed() -> float:
    name = "pryv_operator_reconciliations_total"
    return REGISTRY.get_sample_value(name, {"outcome": "failed"}) or 0.0


async def test_failed_reconciliations_are_counted() -> None:
    client: Any = Unreachable()
    reconciler = Reconciler(client, Settings(cluster_dns="10.96.0.10"), References())
    before = failed()
    with pytest.raises(UnavailableError):
        await reconciler(Key("pryv", "acme"))
    assert failed() == before + 1
