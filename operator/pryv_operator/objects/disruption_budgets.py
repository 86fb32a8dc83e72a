"""PodDisruptionBudgets: a node drain evicts the pods of a component one after the other."""

from __future__ import annotations

from pryv_operator.api.kubernetes import Object
from pryv_operator.objects.model import Component
from pryv_operator.objects.pods import is_replaced_first


def disruption_budget(component: Component) -> Object | None:
    """The budget of a component whose spec has two replicas or more; None for all others.

    A budget on one pod would protect nothing, or block every drain. Where an autoscaler decides,
    there may be one. Pods that mount a PVC run on one node: while one of them is protected there,
    the others cannot start elsewhere, so the drain would never end.

    ``AlwaysAllow``: a pod that is not Ready serves nobody, so it does not block a drain.
    https://kubernetes.io/docs/tasks/run-application/configure-pdb/
    """
    replicas = component.overrides.replicas or 0
    if component.platform.spec.stopped or replicas < 2 or not is_replaced_first(component):
        return None
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": component.platform.metadata(component.name, component.labels),
        "spec": {
            "maxUnavailable": 1,
            # Beside it the API server rejects minAvailable, which another client may have set.
            "minAvailable": None,
            "selector": {"matchLabels": component.selector},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }
