"""Somebody who uses platforms: applies resources, waits, and compares what is there before and after.

What is asked often is asked without kubectl, which costs a process each time; it is there where kubectl itself matters.
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

#: Kinds the operator writes, as kubectl names them.
WRITTEN = (
    "services,persistentvolumeclaims,configmaps,secrets,networkpolicies,deployments,statefulsets"
)
MINE = "app.kubernetes.io/managed-by=pryv-operator"
READY_SECONDS = 90
POLL_SECONDS = 0.05

#: plural → (API, kind, other words for it).
_KINDS: Final[dict[str, tuple[str, str, tuple[str, ...]]]] = {
    "services": ("api/v1", "Service", ("service",)),
    "persistentvolumeclaims": ("api/v1", "PersistentVolumeClaim", ("persistentvolumeclaim", "pvc")),
    "configmaps": ("api/v1", "ConfigMap", ("configmap", "configMap")),
    "secrets": ("api/v1", "Secret", ("secret",)),
    "pods": ("api/v1", "Pod", ("pod",)),
    "events": ("api/v1", "Event", ()),
    "resourcequotas": ("api/v1", "ResourceQuota", ("resourcequota",)),
    "networkpolicies": ("apis/networking.k8s.io/v1", "NetworkPolicy", ("networkpolicy",)),
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
    """Acts in one namespace."""

    def __init__(self, control_plane: ControlPlane, namespace: str) -> None:
        self.control_plane = control_plane
        self.namespace = namespace

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        """Run kubectl in the namespace; gives its output (and its errors when not checked)."""
        done = self.control_plane.kubectl(
            "--namespace", self.namespace, *arguments, stdin=stdin, check=check
        )
        return done.stdout if check else done.stdout + done.stderr

    def apply(self, *objects: Object) -> None:
        """Server-side apply as `kubectl apply --server-side --force-conflicts` and GitOps tools do it."""
        for item in objects:
            metadata = {"namespace": self.namespace, **item["metadata"]}
            path = self.path(item["kind"], metadata["name"])
            query = "?fieldManager=kubectl&force=true&fieldValidation=Strict"
            self.control_plane.api.patch(path + query, {**item, "metadata": metadata}, APPLY_PATCH)

    def apply_platform(self, name: str = "acme", **spec: Any) -> None:
        """Apply a platform; only its domain unless more is said."""
        self.apply(platform(name, **spec))

    def replace_platform(self, spec: Object, name: str = "acme") -> None:
        """Apply a platform with exactly this spec."""
        self.apply({**platform(name), "spec": spec})

    def settle(self, **spec: Any) -> None:
        """Apply a platform with exactly this (only its domain unless more is said), and wait until it is ready and all of it runs."""
        before = self._generation()
        self.apply_platform(**spec)
        if self._generation() == before:
            self.look_again()  # what was done by hand since moves no generation: the Ready of before says nothing
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
        """Where the API server has a kind of the namespace, or one object of it."""
        plural = _PLURALS[kind]
        return f"/{_KINDS[plural][0]}/namespaces/{self.namespace}/{plural}" + (
            f"/{name}" if name else ""
        )

    def get(self, kind: str, name: str) -> Object:
        """One object. Raises ApiError when there is none."""
        found: Object = self.control_plane.api.get(self.path(kind, name))
        return found

    def find(self, kind: str, name: str) -> Object | None:
        """One object, or None."""
        found: Object | None = self.control_plane.api.find(self.path(kind, name))
        return found

    def list(self, kinds: str, labels: str | None = MINE) -> list[Object]:
        """All objects of some kinds, as kubectl names and lists them."""
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
        """A merge patch by somebody who is not the operator."""
        self.control_plane.api.patch(
            self.path(kind, name) + (f"/{subresource}" if subresource else ""), change, MERGE_PATCH
        )

    def json_patch(self, kind: str, name: str, *operations: Object) -> None:
        """The same with single operations, such as `{"op": "replace", "path": …, "value": …}`."""
        self.control_plane.api.patch(self.path(kind, name), [*operations], JSON_PATCH)

    def label(self, kind: str, name: str, **labels: str | None) -> None:
        """Set labels, or remove those that are None."""
        self.patch(kind, name, {"metadata": {"labels": labels}})

    def annotate(self, kind: str, name: str, **annotations: str | None) -> None:
        """Set annotations, or remove those that are None."""
        self.patch(kind, name, {"metadata": {"annotations": annotations}})

    def delete(self, kind: str, name: str) -> None:
        """Delete an object, and wait until it is gone (another one of its name may be there by then)."""
        uid = self.get(kind, name)["metadata"]["uid"]
        # As kubectl does: what an object owns goes after it.
        self.control_plane.api.text(
            "DELETE", self.path(kind, name), {"propagationPolicy": "Background"}
        )

        def gone() -> bool:
            found = self.find(kind, name)
            return found is None or found["metadata"]["uid"] != uid

        wait_until(gone, f"{kind} {name} to be gone", seconds=READY_SECONDS, every=POLL_SECONDS)

    def condition(self, kind: str = "Ready", name: str = "acme") -> Object:
        """A condition of the platform, once the status speaks of its current generation."""

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
        """Wait until the operator has made a pass for the current generation, whatever came of it."""

        def observed() -> bool:
            resource = self.get("pryvplatform", name)
            return bool(
                resource.get("status", {}).get("observedGeneration")
                == resource["metadata"]["generation"]
            )

        wait_until(observed, f"{name} to be observed", seconds=READY_SECONDS, every=POLL_SECONDS)

    def wait_ready(self, name: str = "acme", seconds: float = READY_SECONDS) -> Object:
        """Wait until the platform is ready in its current generation, and has stayed so for what was just applied."""
        return self.wait_reason("Ready", name, seconds)

    def wait_trouble(self) -> Object:
        """The Ready condition, once it is False for the current generation, and not only on its way."""

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
        """Wait until the Ready condition of the current generation gives a reason; gives the condition."""
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
        """Wait until the status has a warning of this reason; gives its message."""

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

    def pods(self, labels: str = MINE) -> dict[str, str]:
        """Living pods: component of an instance → uid."""
        return {_component(item): item["metadata"]["uid"] for item in self._living(labels)}

    def _living(self, labels: str = MINE) -> list[Object]:
        return [
            item
            for item in self.list("pods", labels)
            if not item["metadata"].get("deletionTimestamp")
        ]

    def wait_pods(self, components: set[str]) -> None:
        """Wait until there are pods of exactly these components."""
        wait_until(
            lambda: self.pods().keys() == components,
            f"pods of {sorted(components)}",
            seconds=60,
            every=POLL_SECONDS,
        )

    def versions(self, kinds: str = WRITTEN) -> dict[str, str]:
        """Kind and name → resourceVersion of everything the operator has written, and of the platforms."""
        items = [*self.list(kinds), *self.list("pryvplatforms", None)]
        return {
            f"{item['kind']}/{item['metadata']['name']}": item["metadata"]["resourceVersion"]
            for item in items
        }

    def written(self, kinds: str = WRITTEN) -> dict[str, str]:
        """Kind and name → everything the operator or another user has written, as a digest; what controllers say of it is left out."""
        return {
            f"{item['kind']}/{item['metadata']['name']}": _digest(item) for item in self.list(kinds)
        }

    def wait_running(self) -> None:
        """Wait until every workload runs its newest template: as many living pods as it should have, all ready, and no others."""

        def running() -> bool:
            workloads, living = (
                self.list("deployments,statefulsets"),
                [(_whose(pod), _is_ready(pod)) for pod in self._living()],
            )
            wanted = [
                (_whose(item), True) for item in workloads for _ in range(item["spec"]["replicas"])
            ]
            return all(map(_is_rolled, workloads)) and sorted(living) == sorted(wanted)

        wait_until(
            running,
            "all pods to be ready, and no others to live",
            seconds=READY_SECONDS,
            every=POLL_SECONDS,
        )

    def wait_still(self, name: str = "acme") -> None:
        """Ready, and nothing moves any more, not even when the operator looks again: for what is no edit of the spec, too."""
        self.wait_ready(name)
        before: dict[str, str] = {}

        def still() -> bool:
            nonlocal before
            self.look_again(name)
            if self.condition("RolloutComplete", name)["status"] != "True":
                return False  # some count as available only after some seconds
            now = {
                key: version
                for key, version in self.versions(f"{WRITTEN},pods").items()
                if not key.startswith("PryvPlatform/")
            }
            same, before = now == before, now
            return same

        wait_until(still, "everything to be still", seconds=READY_SECONDS, every=0.01)
        self.wait_running()

    def look_again(self, name: str = "acme", *, asking: bool = True) -> None:
        """Wait for a pass for this platform that begins from now on.

        The status is made to say that nothing was observed yet: only a pass that has read it so says otherwise. The pass is asked for
        by the annotation; else, as that tries again what has failed, by a touch of one of the platform's Services.
        """
        self.patch(
            "pryvplatform", name, {"status": {"observedGeneration": 0}}, subresource="status"
        )
        if asking:
            self.annotate("pryvplatform", name, **{"pryv.io/reconcile": secrets.token_hex(4)})
        else:
            service = self.list("services", f"{MINE},pryv.io/platform={name}")[0]
            self.annotate(
                "service",
                service["metadata"]["name"],
                **{"example.com/touched": secrets.token_hex(4)},
            )
        self.wait_observed(name)

    def let_look(self, count: int, name: str = "acme") -> None:
        """Wait for some passes for this platform without a touch of its resource. Each of them has one thing to do.

        That is to remove a ConfigMap that is labelled as configuration of the platform, and that nothing names.
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
            self.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
            wait_until(
                lambda: not self.find("configmap", leftover),  # noqa: B023
                "a pass",
                seconds=READY_SECONDS,
                every=POLL_SECONDS,
            )

    def wait_others(self) -> None:
        """Wait until the platforms of other namespaces are gone or complete: what the operator counts is then of this one."""

        def at_rest() -> bool:
            items = self.control_plane.api.get("/apis/pryv.io/v1alpha1/pryvplatforms")["items"]
            return all(
                _is_complete(item)
                for item in items
                if item["metadata"]["namespace"] != self.namespace
            )

        wait_until(at_rest, "the other platforms to be at rest", seconds=READY_SECONDS)

    def until_rolled(self, before: dict[str, str], names: set[str]) -> None:
        """Wait until these components have new pods, all ready, and none of before lives any more."""

        def have_rolled() -> bool:
            pods = [pod for pod in self._living() if _component(pod) in names]
            return {_component(pod) for pod in pods} == names and all(
                _is_ready(pod) and pod["metadata"]["uid"] != before[_component(pod)] for pod in pods
            )

        wait_until(have_rolled, f"{names} to roll", seconds=READY_SECONDS, every=POLL_SECONDS)

    def until_gone(self, kinds: str) -> None:
        """Wait until none of ours is left."""
        wait_until(
            lambda: not self.list(kinds),
            f"all {kinds} to be gone",
            seconds=READY_SECONDS,
            every=POLL_SECONDS,
        )

    def unnamed(self) -> set[str]:
        """Configuration that nothing names: no workload, none of its former templates, no pod, and no revision of the history."""
        holders = [
            *self.list("deployments,statefulsets,replicasets,pods"),
            *self.list("controllerrevisions", "pryv.io/platform"),
        ]
        text = json.dumps(holders)
        there = {
            item["metadata"]["name"]
            for item in self.list("configmaps,secrets", f"{MINE},pryv.io/purpose=config")
        }
        return {name for name in there if name not in text}

    def wait_cleaned(self) -> None:
        """Wait until there is no such configuration any more."""

        def cleaned() -> bool:
            self.look_again()  # that a former template goes wakes nobody
            return not self.unnamed()

        wait_until(cleaned, "configuration that nothing names to go", seconds=READY_SECONDS)

    def events(self) -> list[Object]:
        """What the operator has told in events of the namespace."""
        return [
            each
            for each in self.list("events", None)
            if each.get("reportingComponent") == "pryv.io/pryv-operator"
        ]

    def delete_all(self) -> None:
        """Delete the namespace's platforms, and do not wait for it."""
        self.control_plane.api.delete(self.path("pryvplatforms"))


def _component(item: Object) -> str:
    labels = item["metadata"]["labels"]
    return f"{labels['pryv.io/instance']}/{labels['pryv.io/component']}"


def _whose(item: Object) -> tuple[str, str]:
    return item["metadata"]["labels"]["pryv.io/platform"], _component(item)


def _is_ready(pod: Object) -> bool:
    return any(
        each["type"] == "Ready" and each["status"] == "True"
        for each in pod.get("status", {}).get("conditions", ())
    )


def _is_rolled(workload: Object) -> bool:
    """Whether its controller has seen its newest template, and every pod is of it and ready."""
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
    """Whether a platform's status says that everything runs its newest configuration."""
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
    """A platform; only its domain unless more is said."""
    return {
        "apiVersion": "pryv.io/v1alpha1",
        "kind": "PryvPlatform",
        "metadata": {"name": name},
        "spec": {"domain": "pryv.acme.test", **spec},
    }
