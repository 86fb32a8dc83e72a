"""The resources that the operator reads or writes, and their paths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.kubernetes import Object


@dataclass(frozen=True)
class Resource:
    """A resource of the API server. Of one that has no namespace, it is empty or None."""

    group: str
    version: str
    plural: str
    kind: str

    @property
    def api_version(self) -> str:
        """``apps/v1``, or ``v1`` for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(
        self, namespace: str | None, name: str | None = None, subresource: str | None = None
    ) -> str:
        """The URL path of a collection, or of an object. ``namespace`` None: all namespaces."""
        parts = ["/apis", self.group] if self.group else ["/api"]
        parts += [self.version, *(["namespaces", namespace] if namespace else []), self.plural]
        parts += [part for part in (name, subresource) if part]
        return "/".join(parts)


PLATFORMS: Final = Resource(keys.GROUP, keys.VERSION, keys.PLURAL, keys.KIND)
CONFIG_MAPS: Final = Resource("", "v1", "configmaps", "ConfigMap")
SECRETS: Final = Resource("", "v1", "secrets", "Secret")
SERVICES: Final = Resource("", "v1", "services", "Service")
PVCS: Final = Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim")
PODS: Final = Resource("", "v1", "pods", "Pod")
CORE_EVENTS: Final = Resource("", "v1", "events", "Event")
DEPLOYMENTS: Final = Resource("apps", "v1", "deployments", "Deployment")
STATEFUL_SETS: Final = Resource("apps", "v1", "statefulsets", "StatefulSet")
REPLICA_SETS: Final = Resource("apps", "v1", "replicasets", "ReplicaSet")
CONTROLLER_REVISIONS: Final = Resource("apps", "v1", "controllerrevisions", "ControllerRevision")
NETWORK_POLICIES: Final = Resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy")
DISRUPTION_BUDGETS: Final = Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget")
EVENTS: Final = Resource("events.k8s.io", "v1", "events", "Event")
LEASES: Final = Resource("coordination.k8s.io", "v1", "leases", "Lease")
TOKEN_REVIEWS: Final = Resource("authentication.k8s.io", "v1", "tokenreviews", "TokenReview")
SUBJECT_ACCESS_REVIEWS: Final = Resource(
    "authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview"
)
# Only kubectl-pryv reads these.
DAEMON_SETS: Final = Resource("apps", "v1", "daemonsets", "DaemonSet")
STORAGE_CLASSES: Final = Resource("storage.k8s.io", "v1", "storageclasses", "StorageClass")
NODES: Final = Resource("", "v1", "nodes", "Node")
CUSTOM_RESOURCES: Final = Resource(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition"
)
CERTIFICATES: Final = Resource("cert-manager.io", "v1", "certificates", "Certificate")

_BY_KIND: Final = {
    (resource.api_version, resource.kind): resource
    for resource in (
        PLATFORMS,
        CONFIG_MAPS,
        SECRETS,
        SERVICES,
        PVCS,
        PODS,
        DEPLOYMENTS,
        STATEFUL_SETS,
        NETWORK_POLICIES,
        DISRUPTION_BUDGETS,
        EVENTS,
        CERTIFICATES,
        CONTROLLER_REVISIONS,
        LEASES,
    )
}


def resource_of(item: Object) -> Resource:
    """The resource an object belongs to."""
    return _BY_KIND[item["apiVersion"], item["kind"]]
