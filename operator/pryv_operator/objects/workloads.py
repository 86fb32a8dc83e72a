"""A Deployment or StatefulSet for each component: a change rolls out only what it affects."""

from __future__ import annotations

from typing import Final

from pryv_operator.api.kubernetes import Object
from pryv_operator.objects import pvcs
from pryv_operator.objects.configuration import Configuration
from pryv_operator.objects.model import Component
from pryv_operator.objects.pods import is_replaced_first, pod_template

#: ReplicaSets and ControllerRevisions that the cluster retains; the operator has its own history.
_REVISION_HISTORY: Final = 2
#: How long a pod without a readiness probe has to run before it counts as available.
_MIN_READY_SECONDS: Final = 5


def workload(
    component: Component, configuration: Configuration, shared_pvcs: frozenset[str]
) -> Object:
    """The Deployment or StatefulSet of a component.

    ``shared_pvcs`` are the names of the PVCs that other components mount too.
    """
    template = pod_template(component, configuration, shared_pvcs)
    stateful = component.profile.stateful
    return {
        "apiVersion": "apps/v1",
        "kind": component.workload_kind,
        "metadata": component.platform.metadata(component.name, component.labels),
        "spec": _stateful_set_spec(component, template)
        if stateful
        else _deployment_spec(component, template),
    }


def _stateful_set_spec(component: Component, template: Object) -> Object:
    return {
        "replicas": 0 if component.platform.spec.stopped else 1,
        "serviceName": component.name,
        # OrderedReady never replaces a pod that is not Ready, so a bad image could not be fixed.
        # The field is immutable.
        "podManagementPolicy": "Parallel",
        "revisionHistoryLimit": _REVISION_HISTORY,
        "selector": {"matchLabels": component.selector},
        "template": template,
        "updateStrategy": {"type": "RollingUpdate"},
    }


def _deployment_spec(component: Component, template: Object) -> Object:
    spec = _replicas(component)
    if component.profile.readiness is None:
        # Without a probe a pod is Ready once started: one that exits soon must not count.
        spec["minReadySeconds"] = _MIN_READY_SECONDS
    return spec | {
        "revisionHistoryLimit": _REVISION_HISTORY,
        "selector": {"matchLabels": component.selector},
        "strategy": _strategy(component),
        "template": template,
    }


def is_scaled_to_zero(component: Component) -> bool:
    """Whether the spec wants no pod of a component."""
    return bool(component.platform.spec.stopped) or component.overrides.replicas == 0


def _replicas(component: Component) -> Object:
    """``replicas``; omitted where an autoscaler, or the default of 1, may decide."""
    if component.platform.spec.stopped:
        return {"replicas": 0}
    if component.overrides.replicas is not None:
        return {"replicas": component.overrides.replicas}
    return {} if pvcs.is_scalable(component) else {"replicas": 1}


def _strategy(component: Component) -> Object:
    if is_replaced_first(component):
        return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    return {"type": "Recreate"}
