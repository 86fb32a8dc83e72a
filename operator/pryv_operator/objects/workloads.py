"""One Deployment or StatefulSet per component of a role instance: so a change rolls one component, not a machine."""

from __future__ import annotations

from typing import Final

from pryv_operator.api.kubernetes import Object
from pryv_operator.objects import pvcs
from pryv_operator.objects.configuration import Configuration
from pryv_operator.objects.model import Component
from pryv_operator.objects.pods import pod_template

#: Old ReplicaSets and revisions kept by the cluster; the platform's own history is elsewhere.
_REVISION_HISTORY: Final = 2
_SETTLED_SECONDS: Final = 5


def workload(component: Component, content: Configuration, shared_pvcs: frozenset[str]) -> Object:
    """The workload of a component."""
    template = pod_template(component, content, shared_pvcs)
    metadata = component.platform.metadata(component.name, component.labels)
    if component.profile.stateful:
        return {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": metadata,
            "spec": {
                "replicas": 0 if component.platform.spec.stopped else 1,
                "serviceName": component.name,
                # OrderedReady never replaces a pod that is not ready, so a bad image could not be mended; immutable.
                "podManagementPolicy": "Parallel",
                "revisionHistoryLimit": _REVISION_HISTORY,
                "selector": {"matchLabels": component.selector},
                "template": template,
                "updateStrategy": {"type": "RollingUpdate"},
            },
        }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": _replicas(component)
        # Without a probe, ready only means started: what ends again soon must not count.
        | ({} if component.profile.ready else {"minReadySeconds": _SETTLED_SECONDS})
        | {
            "revisionHistoryLimit": _REVISION_HISTORY,
            "selector": {"matchLabels": component.selector},
            "strategy": {"type": "Recreate"}
            if component.profile.single or _shares(component, shared_pvcs)
            else _rolling(),
            "template": template,
        },
    }


def _replicas(component: Component) -> Object:
    """How many pods; left to the cluster's default, or to an autoscaler, where nothing is said and several may run."""
    if component.platform.spec.stopped:
        return {"replicas": 0}
    if component.overrides.replicas is not None:
        return {"replicas": component.overrides.replicas}
    return {} if component.profile.scalable else {"replicas": 1}


def _shares(component: Component, shared_pvcs: frozenset[str]) -> bool:
    """Whether its pods must be where others are: a new one beside an old one would hold them all to a node they are to leave."""
    return any(claim.name in shared_pvcs for claim in pvcs.pvcs_of(component))


def _rolling() -> Object:
    """The new pod is ready before the old one goes."""
    return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
