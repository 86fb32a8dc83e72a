"""A user of platforms in one namespace: applies resources, waits for conditions, compares objects.

Most calls go straight to the API server, because kubectl costs a process each time. Use
`PlatformUser.kubectl` where the behaviour of kubectl itself is under test.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from typing import Any, Final
from urllib.parse import quote

from tests.cluster.api_client import APPLY_PATCH, JSON_PATCH, MERGE_PATCH
from tests.cluster.control_plane import ControlPlane
from tests.cluster.waiting import wait_until

Object = dict[str, Any]

#: Kinds the operator manages, as kubectl names them.
MANAGED_KINDS = (
    "services,persistentvolumeclaims,configmaps,secrets,networkpolicies,poddisruptionbudgets,"
    "deployments,statefulsets"
)
MANAGED = "app.kubernetes.io/managed-by=pryv-operator"
READY_SECONDS = 90
POLL_SECONDS = 0.05

#: Plural → (API path, kind, other names that the methods below accept).
_KINDS: Final[dict[str, tuple[str, str, tuple[str, ...]]]] = {
    "services": ("api/v1", "Service", ("service",)),
    "persistentvolumeclaims": ("api/v1", "PersistentVolumeClaim", ("persistentvolumeclaim", "pvc")),
    "configmaps": ("api/v1", "ConfigMap", ("configmap", "configMap")),
    "secrets": ("api/v1", "Secret", ("secret",)),
    "pods": ("api/v1", "Pod", ("pod",)),
    "events": ("api/v1", "Event", ()),
    "resourcequotas": ("api/v1", "ResourceQuota", ("resourcequota",)),
    "networkpolicies": ("apis/networking.k8s.io/v1", "NetworkPolicy", ("networkpolicy",)),
    "poddisruptionbudgets": (
        "apis/policy/v1",
        "PodDisruptionBudget",
        ("poddisruptionbudget", "pdb"),
    ),
    "deployments": ("apis/apps/v1", "Deployment", ("deployment",)),
    "statefulsets": ("apis/apps/v1", "StatefulSet", ("statefulset",)),
    "replicasets": ("apis/apps/v1", "ReplicaSet", ("replicaset",)),
    "controllerrevisions": ("apis/apps/v1", "ControllerRevision", ()),
    "endpointslices": ("apis/discovery.k8s.io/v1", "EndpointSlice", ()),
    "certificates": ("apis/cert-manager.io/v1", "Certificate", ("certificate",)),
    "leases": ("apis/coordination.k8s.io/v1", "Lease", ("lease",)),
    "pryvplatforms": ("apis/pryv.io/v1alpha1", "PryvPlatform", ("pryvplatform", "pryv")),
}
_PLURALS: Final = {
    word: plural for plural, (_, kind, others) in _KINDS.items() for word in (plural, kind, *others)
}


class PlatformUser:
    """Acts in one namespace, with the rights of an administrator."""

    def __init__(self, control_plane: ControlPlane, namespace: str) -> None:
        self.control_plane = control_plane
        self.namespace = namespace

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        """Run kubectl in the namespace; return stdout (with stderr appended if not `check`)."""
        done = self.control_plane.kubectl(
            "--namespace", self.namespace, *arguments, stdin=stdin, check=check
        )
        return done.stdout if check else done.stdout + done.stderr

    def apply(self, *objects: Object) -> None:
        """Apply objects as `kubectl apply --server-side --force-conflicts` does."""
        for item in objects:
            metadata = {"namespace": self.namespace, **item["metadata"]}
            path = self.path(item["kind"], metadata["name"])
            query = "?fieldManager=kubectl&force=true&fieldValidation=Strict"
            self.control_plane.api.patch(path + query, {**item, "metadata": metadata}, APPLY_PATCH)

    def apply_platform(self, name: str = "acme", **spec: Any) -> None:
        """Apply a platform whose spec holds a domain and the given fields."""
        self.apply(platform(name, **spec))

    def replace_platform(self, spec: Object, name: str = "acme") -> None:
        """Apply a platform with exactly this spec."""
        self.apply({**platform(name), "spec": spec})

    def apply_and_wait(self, **spec: Any) -> None:
        """Apply a platform with a domain and the given fields; wait until all of it is ready."""
        before = self._generation()
        self.apply_platform(**spec)
        if self._generation() == before:
            # Manual changes to other objects leave the generation: the Ready status may be stale.
            self.reconcile()
        self.wait_ready()
        self.wait_running()

    def _generation(self, name: str = "acme") -> int | None:
        found = self.find("pryvplatform", name)
        return int(found["metadata"]["generation"]) if found else None

    def secret(self, name: str, **data: str) -> None:
        """Apply a Secret."""
        self.apply(
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}
        )

    def path(self, kind: str, name: str = "") -> str:
        """The API path of a kind in the namespace, or of one object."""
        plural = _PLURALS[kind]
        return f"/{_KINDS[plural][0]}/namespaces/{self.namespace}/{plural}" + (
            f"/{name}" if name else ""
        )

    def get(self, kind: str, name: str) -> Object:
        """One object. Raises ApiError if it does not exist."""
        found: Object = self.control_plane.api.get(self.path(kind, name))
        return found

    def find(self, kind: str, name: str) -> Object | None:
        """One object, or None if it does not exist."""
        found: Object | None = self.control_plane.api.find(self.path(kind, name))
        return found

    def list(self, kinds: str, labels: str | None = MANAGED) -> list[Object]:
        """All objects of these kinds (plural names, comma-separated) with these labels."""
        query = f"?labelSelector={quote(labels)}" if labels else ""
        found: list[Object] = []
        for plural in map(_PLURALS.__getitem__, kinds.split(",")):
            listed = self.control_plane.api.get(self.path(plural) + query)
            found += [
                {"apiVersion": listed["apiVersion"], "kind": _KINDS[plural][1], **item}
                for item in listed["items"]
            ]
        return found

    def patch(self, kind: str, name: str, change: Object, *, subresource: str = "") -> None:
        """Send a merge patch as a client other than the operator."""
        self.control_plane.api.patch(
            self.path(kind, name) + (f"/{subresource}" if subresource else ""), change, MERGE_PATCH
        )

    def json_patch(self, kind: str, name: str, *operations: Object) -> None:
        """Send a JSON patch: operations such as `{"op": "replace", "path": …, "value": …}`."""
        self.control_plane.api.patch(self.path(kind, name), [*operations], JSON_PATCH)

    def label(self, kind: str, name: str, **labels: str | None) -> None:
        """Set labels, or remove those that are None."""
        self.patch(kind, name, {"metadata": {"labels": labels}})

    def annotate(self, kind: str, name: str, **annotations: str | None) -> None:
        """Set annotations, or remove those that are None."""
        self.patch(kind, name, {"metadata": {"annotations": annotations}})

    def adopt(self, name: str = "acme") -> None:
        """Let the platform take over the Secrets of an earlier one."""
        self.annotate("pryvplatform", name, **{"pryv.io/adopt": secrets.token_hex(4)})

    def delete(self, kind: str, name: str) -> None:
        """Delete an object and wait until it is gone or replaced by one with another uid."""
        uid = self.get(kind, name)["metadata"]["uid"]
        # As kubectl does: dependents are deleted after their owner.
        self.control_plane.api.text(
            "DELETE", self.path(kind, name), {"propagationPolicy": "Background"}
        )

        def gone() -> bool:
            found = self.find(kind, name)
            return found is None or found["metadata"]["uid"] != uid

        wait_until(gone, f"{kind} {name} to be gone", seconds=READY_SECONDS, every=POLL_SECONDS)

    def condition(self, kind: str = "Ready", name: str = "acme") -> Object:
        """A condition of the platform, once it is observed for the current generation."""

        def current() -> Object | None:
            resource = self.get("pryvplatform", name)
            found = [
                each
                for each in resource.get("status", {}).get("conditions", [])
                if each["type"] == kind
            ]
            return (
                found[0]
                if found and found[0]["observedGeneration"] == resource["metadata"]["generation"]
                else None
            )

        return wait_until(
            current, f"the condition {kind} of {name}", seconds=READY_SECONDS, every=POLL_SECONDS
        )

    def wait_observed(self, name: str = "acme") -> None:
        """Wait until the operator has reconciled the current generation, whatever the outcome."""

        def observed() -> bool:
            resource = self.get("pryvplatform", name)
            return bool(
                resource.get("status", {}).get("observedGeneration")
                == resource["metadata"]["generation"]
            )

        wait_until(observed, f"{name} to be observed", seconds=READY_SECONDS, every=POLL_SECONDS)

    def wait_ready(self, name: str = "acme", seconds: float = READY_SECONDS) -> Object:
        """Wait until the platform is Ready for its current generation; return the condition."""
        return self.wait_reason("Ready", name, seconds)

    def wait_not_ready(self) -> Object:
        """The Ready condition, once it is False for a reason other than Progressing."""

        def found() -> Object | None:
            condition = self.condition()
            return (
                condition
                if condition["status"] == "False" and condition["reason"] != "Progressing"
                else None
            )

        return wait_until(found, "the platform not to be ready", seconds=60, every=POLL_SECONDS)

    def wait_reason(
        self, reason: str, name: str = "acme", seconds: float = READY_SECONDS
    ) -> Object:
        """Wait until the Ready condition has this reason; return the condition."""
        last: Object = {}

        def found() -> Object | None:
            nonlocal last
            resource = self.get("pryvplatform", name)
            conditions = {
                each["type"]: each for each in resource.get("status", {}).get("conditions", [])
            }
            last = conditions.get("Ready", {})
            current = last.get("observedGeneration") == resource["metadata"]["generation"]
            return last if current and last.get("reason") == reason else None

        try:
            return wait_until(found, f"{name} to be {reason}", seconds=seconds, every=POLL_SECONDS)
        except TimeoutError as error:
            raise AssertionError(
                f"{error}; it is {last.get('reason')}: {last.get('message')}"
            ) from None

    def wait_warning(self, reason: str, name: str = "acme") -> str:
        """Wait until the status has a warning with this reason; return its message."""

        def found() -> str | None:
            status = self.get("pryvplatform", name).get("status", {})
            return next(
                (
                    each["message"]
                    for each in status.get("warnings", [])
                    if each["reason"] == reason
                ),
                None,
            )

        return wait_until(found, f"the warning {reason}", seconds=READY_SECONDS, every=POLL_SECONDS)

    def pods(self, labels: str = MANAGED) -> dict[str, str]:
        """Pods that are not being deleted: `<instance>/<component>` → uid."""
        return {_component(item): item["metadata"]["uid"] for item in self._live_pods(labels)}

    def _live_pods(self, labels: str = MANAGED) -> list[Object]:
        return [
            item
            for item in self.list("pods", f"{labels},pryv.io/component")  # no trials
            if not item["metadata"].get("deletionTimestamp")
        ]

    def wait_pods(self, components: set[str]) -> None:
        """Wait until exactly these components have pods."""
        wait_until(
            lambda: self.pods().keys() == components,
            f"pods of {sorted(components)}",
            seconds=60,
            every=POLL_SECONDS,
        )

    def resource_versions(self, kinds: str = MANAGED_KINDS) -> dict[str, str]:
        """`<kind>/<name>` → resourceVersion, of all managed objects and the platforms."""
        items = [*self.list(kinds), *self.list("pryvplatforms", None)]
        return {
            f"{item['kind']}/{item['metadata']['name']}": item["metadata"]["resourceVersion"]
            for item in items
        }

    def digests(self, kinds: str = MANAGED_KINDS) -> dict[str, str]:
        """`<kind>/<name>` → digest of a managed object without status and managed fields."""
        return {
            f"{item['kind']}/{item['metadata']['name']}": _digest(item) for item in self.list(kinds)
        }

    def wait_running(self) -> None:
        """Wait until every workload has rolled out and only its replicas are left, all ready."""

        def running() -> bool:
            workloads, live = (
                self.list("deployments,statefulsets"),
                [(_owner(pod), _is_ready(pod)) for pod in self._live_pods()],
            )
            wanted = [
                (_owner(item), True) for item in workloads for _ in range(item["spec"]["replicas"])
            ]
            return all(map(_is_rolled, workloads)) and sorted(live) == sorted(wanted)

        wait_until(
            running,
            "all pods to be ready, and no others to live",
            seconds=READY_SECONDS,
            every=POLL_SECONDS,
        )

    def wait_steady(self, name: str = "acme") -> None:
        """Wait until the platform is Ready and another reconciliation changes no object."""
        self.wait_ready(name)
        before: dict[str, str] = {}

        def steady() -> bool:
            nonlocal before
            self.reconcile(name)
            if self.condition("RolloutComplete", name)["status"] != "True":
                return False  # minReadySeconds: some pods become available only later
            now = {
                key: version
                for key, version in self.resource_versions(f"{MANAGED_KINDS},pods").items()
                if not key.startswith("PryvPlatform/")
            }
            same, before = now == before, now
            return same

        wait_until(steady, "a steady state", seconds=READY_SECONDS, every=0.01)
        self.wait_running()

    def reconcile(self, name: str = "acme", *, by_annotation: bool = True) -> None:
        """Trigger a reconciliation of this platform and wait until it is done.

        The test resets `status.observedGeneration` to 0; only a reconciliation that starts
        afterwards sets it again. The trigger is the annotation `pryv.io/reconcile`, which also
        retries a failed rollout; with `by_annotation=False` it is a change to one of the
        platform's Services, which does not.
        """
        self.patch(
            "pryvplatform", name, {"status": {"observedGeneration": 0}}, subresource="status"
        )
        if by_annotation:
            self.annotate("pryvplatform", name, **{"pryv.io/reconcile": secrets.token_hex(4)})
        else:
            service = self.list("services", f"{MANAGED},pryv.io/platform={name}")[0]
            self.annotate(
                "service",
                service["metadata"]["name"],
                **{"example.com/touched": secrets.token_hex(4)},
            )
        self.wait_observed(name)

    def trigger_reconciliations(self, count: int, name: str = "acme") -> None:
        """Trigger this many reconciliations without touching the platform or its workloads.

        Each is triggered by an unreferenced ConfigMap that seems to be configuration which the
        operator has written; the reconciliation is done when the operator has removed it.
        """
        labels = {
            "app.kubernetes.io/managed-by": "pryv-operator",
            "pryv.io/platform": name,
            "pryv.io/purpose": "config",
        }
        for _ in range(count):
            leftover = f"leftover-{secrets.token_hex(4)}"
            metadata = {
                "name": leftover,
                "labels": labels,
                "annotations": {"pryv.io/applied": "planted"},
            }
            self.control_plane.api.create(
                self.path("configmap") + "?fieldManager=pryv-operator",
                {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata},
            )
            wait_until(
                lambda: not self.find("configmap", leftover),  # noqa: B023
                "a reconciliation",
                seconds=READY_SECONDS,
                every=POLL_SECONDS,
            )

    def wait_other_platforms(self) -> None:
        """Wait until platforms in other namespaces are gone or complete.

        From then on the operator's metrics change for this platform only.
        """

        def at_rest() -> bool:
            items = self.control_plane.api.get("/apis/pryv.io/v1alpha1/pryvplatforms")["items"]
            return all(
                _is_complete(item)
                for item in items
                if item["metadata"]["namespace"] != self.namespace
            )

        wait_until(at_rest, "the other platforms to be at rest", seconds=READY_SECONDS)

    def wait_rolled(self, before: dict[str, str], names: set[str]) -> None:
        """Wait until all pods of these components are ready and none is among `before`."""

        def have_rolled() -> bool:
            pods = [pod for pod in self._live_pods() if _component(pod) in names]
            return {_component(pod) for pod in pods} == names and all(
                _is_ready(pod) and pod["metadata"]["uid"] != before[_component(pod)] for pod in pods
            )

        wait_until(have_rolled, f"{names} to roll", seconds=READY_SECONDS, every=POLL_SECONDS)

    def wait_gone(self, kinds: str) -> None:
        """Wait until no managed object of these kinds is left."""
        wait_until(
            lambda: not self.list(kinds),
            f"all {kinds} to be gone",
            seconds=READY_SECONDS,
            every=POLL_SECONDS,
        )

    def unreferenced_config(self) -> set[str]:
        """Names of configuration that no workload, ReplicaSet, pod or revision refers to."""
        holders = [
            *self.list("deployments,statefulsets,replicasets,pods"),
            *self.list("controllerrevisions", "pryv.io/platform"),
        ]
        text = json.dumps(holders)
        there = {
            item["metadata"]["name"]
            for item in self.list("configmaps,secrets", f"{MANAGED},pryv.io/purpose=config")
        }
        return {name for name in there if name not in text}

    def wait_config_cleanup(self) -> None:
        """Wait until the operator has removed all unreferenced configuration."""

        def cleaned() -> bool:
            self.reconcile()  # the removal of an old ReplicaSet triggers no reconciliation
            return not self.unreferenced_config()

        wait_until(cleaned, "unreferenced configuration to be removed", seconds=READY_SECONDS)

    def events(self) -> list[Object]:
        """Events that the operator has reported in the namespace."""
        return [
            each
            for each in self.list("events", None)
            if each.get("reportingComponent") == "pryv.io/pryv-operator"
        ]

    def delete_all(self) -> None:
        """Delete all platforms of the namespace without waiting."""
        self.control_plane.api.delete(self.path("pryvplatforms"))


def _component(item: Object) -> str:
    labels = item["metadata"]["labels"]
    return f"{labels['pryv.io/instance']}/{labels['pryv.io/component']}"


def _owner(item: Object) -> tuple[str, str]:
    return item["metadata"]["labels"]["pryv.io/platform"], _component(item)


def _is_ready(pod: Object) -> bool:
    return any(
        each["type"] == "Ready" and each["status"] == "True"
        for each in pod.get("status", {}).get("conditions", ())
    )


def _is_rolled(workload: Object) -> bool:
    """Whether the controller has observed the newest template and all replicas run it, ready."""
    status, wanted = workload.get("status", {}), workload["spec"]["replicas"]
    if status.get("observedGeneration", 0) < workload["metadata"]["generation"]:
        return False
    same = (
        workload["kind"] == "Deployment"
        or not wanted
        or status.get("currentRevision") == status.get("updateRevision")
    )
    updated = wanted if workload["kind"] == "StatefulSet" else status.get("updatedReplicas", 0)
    return bool(
        same and wanted == updated == status.get("replicas", 0) == status.get("readyReplicas", 0)
    )


def _is_complete(resource: Object) -> bool:
    """Whether RolloutComplete is True for the platform's current generation."""
    found = [
        each
        for each in resource.get("status", {}).get("conditions", ())
        if each["type"] == "RolloutComplete"
    ]
    return any(
        each["status"] == "True"
        and each["observedGeneration"] == resource["metadata"]["generation"]
        for each in found
    )


def _digest(item: Object) -> str:
    moving = ("resourceVersion", "managedFields")
    metadata = {key: value for key, value in item["metadata"].items() if key not in moving}
    text = json.dumps({**item, "metadata": metadata, "status": None}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def platform(name: str = "acme", **spec: Any) -> Object:
    """A PryvPlatform whose spec holds a domain and the given fields."""
    return {
        "apiVersion": "pryv.io/v1alpha1",
        "kind": "PryvPlatform",
        "metadata": {"name": name},
        "spec": {"domain": "pryv.acme.test", **spec},
    }
